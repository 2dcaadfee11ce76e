"""Versions whose model lives on another server: what is kept of where, and of what."""

from dataclasses import dataclass
from typing import Any

from portal import runtime
from portal.catalog.manifest import ManifestInvalid, Remote
from portal.catalog.source import Source
from portal.catalog.tables import remote_model
from portal.config import Config


@dataclass(frozen=True)
class Elsewhere:
    """A model on another server, as that server describes it.

    Attributes:
        entry: What the manifest keeps: place, how to talk, what it takes and gives.
            The digest covers it, so a model that takes something else is another
            version.
        token: For that server; kept nowhere.
    """

    metadata: runtime.Metadata
    entry: dict[str, Any]
    token: str

    @property
    def model(self) -> runtime.RemoteModel:
        """What the runtime needs to know of where it lives."""
        return remote_model(self.entry)


def look_elsewhere(
    source: Source, config: Config, *, is_allowed: bool
) -> Elsewhere | None:
    """Ask the server that *source* names of its model; None if it names none.

    Raises:
        ManifestInvalid: It may name none, or its task needs several models.
        RemoteRefused: The server says nothing of use.
    """
    remote = source.draft.remote
    if remote is None:
        return None
    if not is_allowed:
        message = "A model on another server is published on the command line."
        raise ManifestInvalid(message)
    task = runtime.find_task(source.draft.task) if source.draft.task else None
    if task and task.onnx_roles != (runtime.MODEL_ROLE,):
        message = "The task %(task)s needs several models, and [remote] names one."
        raise ManifestInvalid(message, task=task.name)
    place = _place(remote)
    token = config.token_by_server.get(place.authority, "")
    metadata = runtime.read_metadata(place, token)
    return Elsewhere(metadata, _entry(remote, metadata), token)


def _place(remote: Remote) -> runtime.RemoteModel:
    return runtime.RemoteModel(**remote.model_dump(exclude={"binary"}))


def _entry(remote: Remote, metadata: runtime.Metadata) -> dict[str, Any]:
    is_binary = metadata.is_binary if remote.binary is None else remote.binary
    return {
        **remote.model_dump(exclude={"binary"}),
        "is_binary": is_binary,
        "platform": metadata.platform,
        "signature": metadata.signature.to_json(),
    }
