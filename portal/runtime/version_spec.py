"""What the runtime needs to know of a model version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.runtime.batching import Batching
from portal.runtime.remote import RemoteModel
from portal.runtime.signature import Signature
from portal.runtime.tasks.base import Settings

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_MEMORY_MB = 4096
MODEL_ROLE = "model"  # of the only graph that most tasks have


@dataclass(frozen=True)
class VersionSpec:
    """What the runtime needs to know of a model version.

    Attributes:
        digest: Identifies the version.
        model_name: Which model it is a version of.
        task: The name of its task.
        files: Role → path of the file.
        signatures: Role of each ONNX file, or of the remote model → its signature.
        labels: The names of the classes, in the order of the model's output.
        options: The task's own settings.
        timeout_s: How long a call may take, waiting included, in seconds.
        is_isolated: Whether it runs in a process of its own.
        memory_mb: What that process may ask for, in MiB of addresses.
        batching: How its calls are joined; None: they are not.
        remote: Where its model lives, if that is another server.
    """

    digest: str
    model_name: str
    task: str
    files: Mapping[str, Path]
    signatures: Mapping[str, Signature]
    labels: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = DEFAULT_TIMEOUT_S
    is_isolated: bool = False
    memory_mb: int = DEFAULT_MEMORY_MB
    batching: Batching | None = None
    remote: RemoteModel | None = None

    @property
    def settings(self) -> Settings:
        """What the task reads."""
        return Settings(self.signatures, self.labels, self.options)

    @property
    def file_bytes(self) -> int:
        """What its files weigh."""
        return sum(path.stat().st_size for path in self.files.values())
