"""The portal of these tests: every bundled model, and one that repeats its input."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Flask

from portal import catalog, extensions, runtime
from portal.catalog import ModelVersion
from portal.config import ROOT, Config
from portal.db import db
from portal.runtime import tasks
from portal.runtime.declaration import (
    Description,
    Input,
    InputKind,
    Output,
    OutputKind,
    Parameter,
    ParameterKind,
)
from portal.runtime.tasks import Settings, Task
from tests.conftest import make_config
from tests.published import copy_store, pg_app, published

__all__ = ["pg_app", "published"]


class Echo(Task[str, str]):
    """Repeats a text: a task with an input and parameters of the other kinds."""

    name: ClassVar[str] = "echo"

    def __init__(self, settings: Settings, sessions: Any, files: Any) -> None:
        """Take nothing."""

    @classmethod
    def describe(cls, _settings: Settings) -> Description:
        """Declare a text, a number, and three parameters."""
        return Description(
            inputs=(
                Input("words", InputKind.TEXT, "Words", help="what is repeated"),
                Input("weight", InputKind.NUMBER, "Weight"),
            ),
            parameters=(
                Parameter("loud", ParameterKind.BOOL, "Loud", default=True),
                Parameter("times", ParameterKind.INT, "Times", 1, minimum=1, maximum=9),
                Parameter(
                    "mood",
                    ParameterKind.CHOICE,
                    "Mood",
                    "calm",
                    choices=("calm", "sad"),
                ),
            ),
            outputs=(Output("labels", OutputKind.LABELS, "Echo"),),
        )

    def preprocess(self, inputs: Mapping[str, Any], _parameters: Any) -> str:
        """Return the words."""
        return str(inputs["words"])

    def infer(self, prepared: str) -> str:
        """Return the words."""
        return prepared

    def postprocess(self, raw: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the words as often as asked, and what the parameters were."""
        label = f"{raw} loud={parameters['loud']} mood={parameters['mood']}"
        return {"labels": [{"label": label, "score": 1.0}] * parameters["times"]}


@pytest.fixture
def config(published: Path, tmp_path: Path) -> Config:
    """Return the settings of ``app``."""
    copy_store(published, tmp_path)
    return make_config(tmp_path)


@pytest.fixture
def publish_echo(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ModelVersion]:
    """Return a function that publishes the model ``echo``, with a model card."""
    monkeypatch.setitem(tasks._TASKS, Echo.name, Echo)  # noqa: SLF001 - where a task is added
    # No child knows the task.
    monkeypatch.setattr(runtime, "warm_up", lambda *_, **__: None)

    def publish(card: str = "", **overrides: object) -> ModelVersion:
        folder = tmp_path / "echo"
        folder.mkdir(exist_ok=True)
        shutil.copy(ROOT / "bundled/iris/iris.onnx", folder / "echo.onnx")
        (folder / "card.md").write_text(card)
        (folder / "model.toml").write_text(
            'name = "echo"\ntask = "echo"\ncard = "card.md"\n'
            '[files]\nmodel = "echo.onnx"\n'
        )
        version, _ = catalog.publish(
            folder,
            config=extensions.config(),
            overrides=catalog.Overrides(**overrides),
        )
        db.session.commit()
        return version

    return publish
