"""Tasks that other packages bring, from installing one to losing it."""

import importlib
import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from structlog.testing import capture_logs

from portal import catalog
from portal.config import ROOT
from portal.db import db
from portal.runtime import TaskRefused, find_task, task_names, tasks
from portal.runtime.tasks.plugins import PluginTasks
from tests import onnx_files
from tests.pages import csrf_token

EXAMPLE = ROOT / "docs/examples/dominant-colour"
MANIFEST = """
name = "colour"
task = "dominant-colour"
[files]
model = "colour.onnx"
[[examples]]
title = "Teal"
inputs = { image = "teal.png" }
"""
TASK = """
from portal.runtime.tasks.tensor import Tensor
class Mine(Tensor):
    name = "mine"
"""


@pytest.fixture
def look_anew(app, monkeypatch):
    """Return a function that makes the portal look for plug-ins as it starts."""

    def look():
        importlib.invalidate_caches()
        app.extensions["portal-rows"].forget()
        monkeypatch.setattr(tasks, "_PLUGINS", PluginTasks(tasks._TASKS))  # noqa: SLF001 - what a start makes

    look()
    return look


@pytest.fixture
def install(tmp_path, monkeypatch, look_anew):
    """Return a function that installs a package with one module, by hand."""

    def install(module, code, entry):
        site = tmp_path / "site"
        folder = site / f"{module}-1.0.dist-info"
        folder.mkdir(parents=True)
        (site / f"{module}.py").write_text(code)
        (folder / "METADATA").write_text(f"Name: {module}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[portal.tasks]\n{entry}\n")
        monkeypatch.syspath_prepend(site)
        look_anew()

    return install


def png(colour):
    buffer = io.BytesIO()
    Image.fromarray(np.full((30, 20, 3), colour, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def publish_colour(folder, config):
    (folder / "model.toml").write_text(MANIFEST)
    (folder / "colour.onnx").write_bytes(onnx_files.mean_colour())
    (folder / "teal.png").write_bytes(png((0, 128, 128)))
    version, _ = catalog.publish(folder, config=config)
    db.session.commit()
    return version


def test_the_worked_example_is_installed_published_run_and_lost(
    client, config, tmp_path, monkeypatch, look_anew
):
    site, folder = tmp_path / "site", tmp_path / "draft"
    folder.mkdir()
    pip = (sys.executable, "-m", "pip", "install", "--no-index", "--no-deps")
    subprocess.run(
        [*pip, "--no-build-isolation", "--quiet", "--target", site, EXAMPLE],
        check=True,
        capture_output=True,
    )
    with monkeypatch.context() as installed:
        installed.syspath_prepend(site)
        look_anew()
        version = publish_colour(folder, config)

        page = client.get("/models/colour")
        answer = client.post(
            "/models/colour/predictions",
            data={
                "csrf_token": csrf_token(client, "/models/colour"),
                "image": (io.BytesIO(png((255, 0, 51))), "red.png"),
                "upper": "on",
            },
        )

        assert version.example_result["outputs"] == {"colour": "#008080"}
        assert "#008080" in page.text
        assert "#008080" in client.get("/").text
        assert answer.status_code == 200
        assert "#FF0033" in answer.text
        assert "dominant-colour" in task_names()
    look_anew()

    assert client.get("/").status_code == 200
    assert "colour" not in [model.name for model in catalog.list_public()]
    lost = client.get("/models/colour")
    assert lost.status_code == 503
    assert "dominant-colour of this model is not available" in lost.text


def test_a_plugin_is_imported_when_its_task_is_first_asked_for(install, monkeypatch):
    install("lazy_one", TASK, "mine = lazy_one:Mine")
    monkeypatch.delitem(sys.modules, "lazy_one", raising=False)

    assert "mine" in task_names()
    assert "lazy_one" not in sys.modules
    assert find_task("mine") is find_task("mine")
    assert "lazy_one" in sys.modules


@pytest.mark.parametrize(
    ("code", "target", "sentence"),
    [
        ("1 / 0", "Mine", "ZeroDivisionError: division by zero."),
        ("import nothing_like_it", "Mine", "No module named 'nothing_like_it'."),
        ("raise SystemExit(3)", "Mine", "SystemExit: 3."),
        ("Mine = 3", "Mine", "is not a subclass of portal.runtime.Task."),
        (TASK, "Yours", "has no attribute 'Yours'."),
        (
            TASK.replace('"mine"', '"yours"'),
            "Mine",
            ".name is not 'mine', as its entry",
        ),
        (
            "from portal.runtime import Task\nclass Mine(Task):\n    name = 'mine'",
            "Mine",
            "lacks __init__, describe, infer, postprocess, preprocess.",
        ),
    ],
)
def test_a_plugin_that_is_broken_is_logged_and_refused(
    install, request, code, target, sentence
):
    module = f"broken_{zlib.crc32(request.node.name.encode())}"
    install(module, code, f"mine = {module}:{target}")

    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(TaskRefused) as refused:
                find_task("mine")

    assert f"The task mine of the plug-in {module} can't be used" in str(refused.value)
    assert sentence in str(refused.value)
    assert [entry["event"] for entry in logs] == ["plugin.refused"]
    assert find_task("tensor").name == "tensor"


def test_a_plugin_can_t_take_the_place_of_a_task_of_the_portal(install):
    install("sly", TASK.replace("mine", "ocr"), "ocr = sly:Mine")

    with capture_logs() as logs:
        names = task_names()

    assert names.count("ocr") == 1
    assert find_task("ocr").__module__ == "portal.runtime.tasks.ocr"
    (entry,) = logs
    assert entry["event"] == "plugin.refused"
    assert entry["why"] == "The portal has a task of this name; take another."


def test_two_plugins_of_one_name_are_both_refused(install):
    install("first_one", TASK, "mine = first_one:Mine")
    install("second_one", TASK, "mine = second_one:Mine")

    with pytest.raises(TaskRefused, match="first_one and second_one can't be used"):
        find_task("mine")
