"""The example inputs of a version."""

import pytest

from portal import catalog
from portal.catalog import ModelNotFound
from portal.catalog.examples import find_example
from portal.extensions import config as running_config


@pytest.fixture
def version(publish, folder):
    return publish(folder)


@pytest.fixture
def pictures(bundled_app):
    """Return the version of a model whose examples are files."""
    return catalog.find_model("file-type", viewer=None).live


def test_examples_are_numbered_from_1_in_the_order_of_the_manifest(version):
    examples = catalog.examples_of(version)

    assert [(e.number, e.title) for e in examples] == [(1, "Small"), (2, "Large")]
    assert examples[1].inputs == {"x": [[100, 200], [300, 400]]}


def test_the_values_of_an_example_are_ready_for_the_task(version, config):
    values = catalog.example_values(version, 2, config)

    assert list(values) == ["x"]
    assert values["x"].dtype == "float32"
    assert values["x"].tolist() == [[100, 200], [300, 400]]


@pytest.mark.parametrize("number", [0, 3, -1])
def test_an_example_that_does_not_exist_is_refused(version, number):
    with pytest.raises(ModelNotFound) as refused:
        find_example(version, number)

    assert str(refused.value) == f"The model has no example {number}."


@pytest.mark.parametrize("name", ["x", "nothing", "../../etc/passwd", "n" * 500])
def test_an_example_without_that_file_is_refused(version, config, name):
    with pytest.raises(ModelNotFound) as refused:
        catalog.example_file(version, 1, name, config)

    assert len(str(refused.value)) < 120


def test_a_model_may_have_no_examples(publish, onnx_file):
    assert catalog.examples_of(publish(onnx_file)) == []


@pytest.mark.slow
def test_the_file_of_an_example_is_kept_with_its_name_type_and_size(pictures):
    file = catalog.example_file(pictures, 2, "file", running_config())

    assert file.name == "tides.csv"
    assert file.type == "text/csv"
    assert file.size_bytes == file.path.stat().st_size
    assert file.path.read_text().count("\n") > 3


@pytest.mark.slow
def test_the_value_of_a_file_example_is_its_bytes(pictures):
    values = catalog.example_values(pictures, 3, running_config())

    assert values["file"].startswith(b"RIFF")
