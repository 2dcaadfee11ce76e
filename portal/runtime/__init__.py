"""onnxruntime and what goes into it and comes out; knows no users, no HTTP."""

from portal.runtime.declaration import (
    Description,
    Input,
    InputKind,
    Output,
    OutputKind,
    Parameter,
    ParameterKind,
)
from portal.runtime.inspection import inspect
from portal.runtime.loaded_model import LoadedModel, Prediction, VersionSpec
from portal.runtime.pool import ModelPool
from portal.runtime.sandbox import FileRefused
from portal.runtime.signature import Signature, TensorSpec
from portal.runtime.tasks import Task, TaskRefused, describe, find_task, task_names
from portal.runtime.trial import try_out

__all__ = [
    "Description",
    "FileRefused",
    "Input",
    "InputKind",
    "LoadedModel",
    "ModelPool",
    "Output",
    "OutputKind",
    "Parameter",
    "ParameterKind",
    "Prediction",
    "Signature",
    "Task",
    "TaskRefused",
    "TensorSpec",
    "VersionSpec",
    "describe",
    "find_task",
    "inspect",
    "task_names",
    "try_out",
]
