"""`[settings]`: what a manifest tells its task."""

import numpy as np
import pytest
from PIL import Image

from portal import catalog
from portal.extensions import config, parts
from portal.runtime import TaskRefused
from tests import onnx_files

MANIFEST = """
name = "colours"
task = "image-classification"
labels = "labels.txt"

[files]
model = "colours.onnx"

[settings]
size = [8, 4]
std = [1, 2, 1]

[[examples]]
title = "Red"
inputs = { image = "red.png" }
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "colours"
    folder.mkdir()
    (folder / "model.toml").write_text(MANIFEST)
    (folder / "labels.txt").write_text("red\ngreen\nblue\n")
    (folder / "colours.onnx").write_bytes(onnx_files.mean_colour())
    Image.new("RGB", (30, 20), (255, 51, 0)).save(folder / "red.png")
    return folder


def test_the_settings_reach_the_task_and_the_example(publish, folder):
    version = publish(folder)

    labels = version.example_result["outputs"]["labels"]
    assert [one["label"] for one in labels] == ["red", "green", "blue"]
    assert labels[1]["score"] == pytest.approx(0.1)
    assert version.manifest["settings"] == {"size": [8, 4], "std": [1, 2, 1]}


def test_the_settings_are_those_of_the_version_when_it_answers(publish, folder):
    spec = catalog.version_spec(publish(folder), config())
    image = np.full((5, 5, 3), (0, 255, 0), np.uint8)

    outputs = parts().pool.get(spec).predict({"image": image}, {"top": 1}).outputs

    (best,) = outputs["labels"]
    assert (best["label"], best["score"]) == ("green", pytest.approx(0.5))


def test_other_settings_make_another_version(publish, folder):
    first = publish(folder).digest

    second = publish(folder, assignments=("settings.size=[8,8]",))
    again = publish(folder)

    assert second.digest != first
    assert second.manifest["settings"]["size"] == [8, 8]
    assert again.digest == first


def test_a_manifest_without_settings_has_none_in_its_digest(publish, onnx_file):
    assert "settings" not in publish(onnx_file).manifest


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("settings.size=[8]", "[settings] size must be [width, height] in pixels"),
        ("settings.colour=1", "[settings] colour is not a setting of the task"),
        ("settings.mean=1979-05-27", "[settings] mean must be three numbers"),
    ],
)
def test_a_wrong_setting_is_refused_and_nothing_is_stored(
    publish, folder, stored, assignment, sentence
):
    with pytest.raises(TaskRefused) as refused:
        publish(folder, assignments=(assignment,))

    assert sentence in str(refused.value)
    assert stored() == ([0, 0], [])
