"""`flask models`, as the owner types it."""

import json

import numpy as np
import pytest

from portal import catalog
from portal.catalog import ModelNotFound
from tests import onnx_files, onnx_tasks


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "cats.onnx"
    path.write_bytes(onnx_files.adder())
    return path


@pytest.fixture
def models(runner):
    """Return a function that runs `flask models` with arguments."""

    def models(*arguments):
        options = ["--no-measure"] if arguments[0] == "publish" else []
        return runner.invoke(args=["models", *map(str, arguments), *options])

    return models


def test_publish_says_what_is_live_and_where(models, path):
    result = models("publish", path)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "cats version 1 is live.",
        "http://127.0.0.1:8000/models/cats",
    ]
    assert result.stderr == (
        "Taken for tensor, since nothing in its graph tells a task. "
        "Say --task to override.\n"
    )
    assert catalog.find_model("cats", viewer=None).live_number == 1


def test_publishing_the_same_again_says_so(models, path):
    models("publish", path)

    result = models("publish", path)

    assert result.exit_code == 0
    assert "cats version 1 was published before and is live." in result.stdout


def test_publish_takes_options_before_the_manifest(models, path, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")

    options = ["--name", "pets", "--title", "Pets", "--task", "tensor"]
    more = ["--labels", labels, "--visibility", "unlisted", "--set", "licence=MIT"]
    result = models("publish", path, *options, *more, "--set", "summary=Two pets")

    assert result.exit_code == 0
    model = catalog.find_model("pets", viewer=None)
    assert model.visibility == "unlisted"
    assert model.live.title == "Pets"
    assert model.live.licence == "MIT"
    assert model.live.summary == "Two pets"
    assert model.live.manifest["labels"] == ["cat", "dog"]


def test_publish_says_what_it_takes_a_detector_for(models, path):
    path.write_bytes(
        onnx_tasks.says(
            np.zeros((1, 6, 84), np.float32),
            metadata={"task": "detect", "names": "{0: 'cat', 1: 'dog'}"},
        )
    )

    result = models("publish", path)

    assert result.exit_code == 0
    assert result.stderr == (
        "Taken for object-detection, since its exporter says 'detect' and its output "
        "is output0 [1, 6, 84]. Say --task to override.\n"
    )
    version = catalog.find_model("cats", viewer=None).live
    assert version.task == "object-detection"
    assert version.manifest["labels"] == ["cat", "dog"]


def test_a_task_that_is_said_is_not_guessed(models, path):
    path.write_bytes(onnx_tasks.says(np.zeros((1, 10, 84), np.float32)))

    result = models("publish", path, "--task", "tensor")

    assert result.stderr == ""
    assert catalog.find_model("cats", viewer=None).live.task == "tensor"


def test_publish_takes_a_folder(models, folder):
    result = models("publish", folder)

    assert result.exit_code == 0
    assert "adder version 1 is live." in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["publish"], "Missing argument 'FILE_OR_DIR'"),
        (["publish", "/none.onnx"], "'/none.onnx' does not exist"),
        (["publish", "/", "--visibility", "secret"], "'secret' is not one of"),
        (["publish", "/", "--labels", "/none.txt"], "'/none.txt' does not exist"),
        (["publish", "/", "--colour", "red"], "No such option"),
        (["show"], "Missing argument 'NAME'"),
        (["withdraw"], "Missing argument 'NAME'"),
        (["restore"], "Missing argument 'NAME'"),
        (["promote", "cats"], "Missing argument 'VERSION'"),
        (["promote", "cats", "newest"], "'newest' is not a valid integer"),
        (["measure"], "Missing argument 'NAME'"),
        (["measure", "cats", "newest"], "'newest' is not a valid integer"),
        (["rollback"], "Missing argument 'NAME'"),
        (["rollback", "cats", "1"], "Got unexpected extra argument"),
        (["list", "--yaml"], "No such option"),
        (["dance"], "No such command 'dance'"),
    ],
)
def test_a_wrong_argument_ends_with_status_2(models, app, arguments, sentence):
    result = models(*arguments)

    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (b"text", [], "Error: cats.onnx is not an ONNX file, or only a part of one."),
        (onnx_files.map_output(), [], "Error: cats.onnx has the output y of the type"),
        (onnx_files.adder(), ["--task", "chess"], "Error: There is no task chess"),
        (onnx_files.adder(), ["--task", "ocr"], "Error: The task ocr needs the files"),
        (onnx_files.adder(), ["--name", "A b"], "'A b' can't be a model's name"),
        (onnx_files.adder(), ["--set", "x"], "Error: --set takes KEY=VALUE"),
        (onnx_files.adder(), ["--title", "x" * 101], "Error: model.toml: title: "),
    ],
    ids=["text", "map", "no task", "another task", "name", "set", "title"],
)
def test_a_refused_model_ends_with_status_1_and_one_sentence(
    models, path, content, options, sentence
):
    path.write_bytes(content)

    result = models("publish", path, *options)

    assert result.exit_code == 1
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
    assert catalog.list_all() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "nothing"],
        ["measure", "nothing"],
        ["withdraw", "nothing"],
        ["restore", "nothing"],
        ["promote", "nothing", 1],
        ["rollback", "nothing"],
    ],
)
def test_a_model_that_does_not_exist_ends_with_status_1(models, app, arguments):
    result = models(*arguments)

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no model")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_list_shows_a_line_for_each_model(models, path):
    models("publish", path, "--name", "cats", "--title", "Cats")
    models("publish", path, "--name", "dogs", "--visibility", "private")
    models("withdraw", "cats")

    lines = models("list").stdout.splitlines()

    assert len(lines) == 2
    assert lines[0].split()[:4] == ["cats", "withdrawn", "live", "-"]
    assert lines[0].endswith("1 version(s)  Cats")
    assert lines[1].split()[:4] == ["dogs", "private", "live", "1"]


def test_list_prints_json(models, path):
    models("publish", path)

    (row,) = json.loads(models("list", "--json").stdout)

    assert row["name"] == "cats"
    assert row["state"] == "public"
    assert row["live_version"] == 1
    (version,) = row["versions"]
    assert version["number"] == 1
    assert version["created_at"].endswith("+00:00")
    assert version["manifest"]["task"] == "tensor"
    assert version["signatures"]["model"]["inputs"][0]["name"] == "x"


def test_an_empty_catalogue_is_an_empty_list(models, app):
    assert models("list").stdout == ""
    assert json.loads(models("list", "--json").stdout) == []


def test_show_lists_the_versions_and_marks_the_live_one(models, path):
    models("publish", path)
    path.write_bytes(onnx_files.adder(2))
    models("publish", path)

    first, *versions = models("show", "cats").stdout.splitlines()

    assert first == "cats: Cats (public)"
    assert [line.split()[0] for line in versions] == ["1", "2"]
    assert [line.rstrip().endswith("live") for line in versions] == [False, True]


def test_show_marks_a_version_that_is_isolated(models, path):
    models("publish", path, "--set", "limits.isolated=true")

    _, version = models("show", "cats").stdout.splitlines()

    assert version.endswith("tensor  isolated, live")


def test_show_marks_the_version_that_was_live_before(models, path):
    for amount in (1, 2, 3):
        path.write_bytes(onnx_files.adder(amount))
        models("publish", path)

    _, *versions = models("show", "cats").stdout.splitlines()
    shown = json.loads(models("show", "cats", "--json").stdout)

    assert [line.split()[-1] for line in versions] == ["tensor", "previous", "live"]
    assert (shown["live_version"], shown["previous_version"]) == (3, 2)


def test_show_marks_no_previous_version_where_none_was(models, path):
    models("publish", path)

    assert "previous" not in models("show", "cats").stdout
    assert (
        json.loads(models("show", "cats", "--json").stdout)["previous_version"] is None
    )


def test_show_prints_json(models, path):
    models("publish", path)

    shown = json.loads(models("show", "cats", "--json").stdout)

    assert shown == json.loads(models("list", "--json").stdout)[0]


def test_withdraw_takes_a_model_off_and_publish_brings_it_back(models, path):
    models("publish", path)

    result = models("withdraw", "cats")

    assert result.exit_code == 0
    assert result.stdout == "cats is withdrawn.\n"
    with pytest.raises(ModelNotFound):
        catalog.find_model("cats", viewer=None)
    assert models("publish", path).exit_code == 0
    assert catalog.find_model("cats", viewer=None).live_number == 1
