"""What is measured can be run, and all servers are sent the same."""

import numpy as np
import onnxruntime as ort
import orjson
import pytest

from bench.models import MODELS

SIZES = {"tiny": [1, 3], "small": [1, 10], "real": [1, 40]}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_takes_what_is_sent(model, tmp_path):
    session = ort.InferenceSession(str(model.save(tmp_path)))

    sent = orjson.loads(model.body())["inputs"]["x"]
    (y,) = session.run(["y"], {"x": np.array(sent, model.dtype)})

    assert list(y.shape) == SIZES[model.name]
    assert np.isfinite(y).all()


def test_the_same_is_sent_every_time():
    for model in MODELS:
        assert model.body() == model.body()
