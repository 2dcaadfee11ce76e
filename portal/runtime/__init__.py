"""onnxruntime and what goes into it and comes out; knows no users, no HTTP."""

from portal.runtime import binary_tensors
from portal.runtime.batching import Batching
from portal.runtime.declaration import (
    PICTURE,
    Description,
    Input,
    InputKind,
    Output,
    OutputKind,
    Parameter,
    ParameterKind,
)
from portal.runtime.guessing import (
    LABELLED,
    TENSOR,
    Guess,
    guess_task,
    noted_settings,
    read_notes,
)
from portal.runtime.inspection import Inspection, inspect
from portal.runtime.loaded_model import LoadedModel, Prediction
from portal.runtime.measurement import (
    PORTAL_CPU_MS,
    SAFE_SHARE,
    BatchingTrial,
    Measurement,
)
from portal.runtime.measuring import Surroundings, measure
from portal.runtime.memory import machine_bytes, return_freed_memory
from portal.runtime.pool import ModelPool
from portal.runtime.providers import NAMES as PROVIDER_NAMES
from portal.runtime.providers import usable as usable_providers
from portal.runtime.remote import (
    Metadata,
    RemoteFailed,
    RemoteInvalid,
    RemoteModel,
    RemoteRefused,
    checked_url,
    read_metadata,
)
from portal.runtime.sandbox import FileRefused
from portal.runtime.scheduler import CORES, Scheduler
from portal.runtime.signature import Signature, TensorSpec
from portal.runtime.statistics import STEPS, Batch, Statistics, Tally
from portal.runtime.tasks import (
    TEXT_EMBEDDING,
    Settings,
    Task,
    TaskRefused,
    describe,
    find_task,
    is_built_in,
    task_names,
)
from portal.runtime.tensor_value import TensorValue
from portal.runtime.trial import (
    try_out,
    try_out_remotely,
    warm_up,
    warm_up_remotely,
)
from portal.runtime.version_spec import (
    DEFAULT_MEMORY_MB,
    DEFAULT_TIMEOUT_S,
    MODEL_ROLE,
    VersionSpec,
)

__all__ = [
    "CORES",
    "DEFAULT_MEMORY_MB",
    "DEFAULT_TIMEOUT_S",
    "LABELLED",
    "MODEL_ROLE",
    "PICTURE",
    "PORTAL_CPU_MS",
    "PROVIDER_NAMES",
    "SAFE_SHARE",
    "STEPS",
    "TENSOR",
    "TEXT_EMBEDDING",
    "Batch",
    "Batching",
    "BatchingTrial",
    "Description",
    "FileRefused",
    "Guess",
    "Input",
    "InputKind",
    "Inspection",
    "LoadedModel",
    "Measurement",
    "Metadata",
    "ModelPool",
    "Output",
    "OutputKind",
    "Parameter",
    "ParameterKind",
    "Prediction",
    "RemoteFailed",
    "RemoteInvalid",
    "RemoteModel",
    "RemoteRefused",
    "Scheduler",
    "Settings",
    "Signature",
    "Statistics",
    "Surroundings",
    "Tally",
    "Task",
    "TaskRefused",
    "TensorSpec",
    "TensorValue",
    "VersionSpec",
    "binary_tensors",
    "checked_url",
    "describe",
    "find_task",
    "guess_task",
    "inspect",
    "is_built_in",
    "machine_bytes",
    "measure",
    "noted_settings",
    "read_metadata",
    "read_notes",
    "return_freed_memory",
    "task_names",
    "try_out",
    "try_out_remotely",
    "usable_providers",
    "warm_up",
    "warm_up_remotely",
]
