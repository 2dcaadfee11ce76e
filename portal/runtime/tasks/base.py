"""What every task has: a name, the files it needs, and three steps."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import onnxruntime as ort

from portal.errors import Invalid
from portal.runtime.declaration import Description
from portal.runtime.signature import Signature

Prepared = TypeVar("Prepared")
Raw = TypeVar("Raw")


class TaskRefused(Invalid):
    """Files or settings that don't fit the task."""


@dataclass(frozen=True)
class Settings:
    """What a version tells its task.

    Attributes:
        signatures: Role of each ONNX file → its signature.
        labels: The names of the classes.
        options: The table ``[settings]`` of the manifest.
    """

    signatures: Mapping[str, Signature]
    labels: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


class Task(ABC, Generic[Prepared, Raw]):
    """A kind of problem. One instance serves one version, on many threads.

    Attributes:
        name: As in the manifest, in Hugging Face's spelling where there is one.
        onnx_roles: The ONNX files that a version needs.
        other_roles: Its other files.
        option_names: The keys that ``[settings]`` may have.
    """

    name: ClassVar[str]
    onnx_roles: ClassVar[tuple[str, ...]] = ("model",)
    other_roles: ClassVar[tuple[str, ...]] = ()
    option_names: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __init__(
        self,
        settings: Settings,
        sessions: Mapping[str, ort.InferenceSession],
        files: Mapping[str, bytes],
    ) -> None:
        """Take the sessions and the other files of a version, by role."""

    @classmethod
    @abstractmethod
    def describe(cls, settings: Settings) -> Description:
        """Return what a version takes and gives.

        Raises:
            TaskRefused: The files or settings don't fit.
        """

    @abstractmethod
    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Prepared:
        """Turn values that people send into what the model takes."""

    @abstractmethod
    def infer(self, prepared: Prepared) -> Raw:
        """Run the model."""

    @abstractmethod
    def postprocess(self, raw: Raw, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Turn what the model gave into outputs, ready for JSON.

        A tensor may also be a `TensorValue`.
        """
