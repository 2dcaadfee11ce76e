"""What models run on."""

import onnxruntime as ort
import pytest

from portal.config import PROVIDERS
from portal.runtime import PROVIDER_NAMES, ModelPool
from tests import onnx_files


def test_the_settings_know_the_providers_of_the_runtime():
    assert set(PROVIDER_NAMES) == PROVIDERS
    assert set(PROVIDER_NAMES.values()) <= set(ort.get_all_providers())


@pytest.mark.parametrize(
    ("wanted", "used"),
    [
        ((), ("cpu",)),
        (("cpu",), ("cpu",)),
        (("cuda", "openvino"), ("cpu",)),  # this build of onnxruntime has neither
    ],
)
def test_the_processor_is_what_is_always_there(wanted, used):
    assert ModelPool(providers=wanted).providers == used


def test_what_is_there_goes_first(monkeypatch):
    monkeypatch.setattr(
        ort,
        "get_available_providers",
        lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )

    pool = ModelPool(providers=("cpu", "tensorrt", "cuda", "cuda"))

    assert pool.providers == ("cuda", "cpu")


def test_a_model_runs_where_a_provider_is_missing(tmp_path):
    spec = onnx_files.version(tmp_path / "adder.onnx", onnx_files.adder())

    assert ModelPool(providers=("cuda",)).get(spec).predict
