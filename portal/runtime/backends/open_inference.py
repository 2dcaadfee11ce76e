"""Runs a version on another server that speaks the Open Inference Protocol.

The task prepares and reads the values here; only the tensors travel. Loading asks
the other server nothing, so a portal starts, and answers of what is its own, while
that is away.
"""

from collections.abc import Mapping
from typing import Any

from portal.errors import Unavailable
from portal.runtime.backends.base import Run
from portal.runtime.backends.steps import run_steps
from portal.runtime.deadline import Deadline
from portal.runtime.remote import RemoteModel, RemoteSession
from portal.runtime.tasks import find_task
from portal.runtime.version_spec import MODEL_ROLE, VersionSpec


class OpenInference:
    """A version whose model another server holds.

    Attributes:
        task: What prepares and reads the values.
        memory_bytes: What its other files weigh.

    Raises:
        Unavailable: Its files are missing, or its task is.
    """

    def __init__(self, spec: VersionSpec, remote: RemoteModel, *, token: str) -> None:
        self._session = RemoteSession(
            remote, spec.signatures[MODEL_ROLE], token=token, model_name=spec.model_name
        )
        try:
            files = {role: path.read_bytes() for role, path in spec.files.items()}
            sessions: Mapping[str, Any] = {MODEL_ROLE: self._session}
            self.task = find_task(spec.task)(spec.settings, sessions, files)
            self.memory_bytes = spec.file_bytes
        except Exception as error:
            message = "The model can't be loaded at the moment. Its owner can mend it."
            raise Unavailable(message, retry_after_s=30) from error

    @property
    def trouble(self) -> Unavailable | None:
        """Why the other server is taken to be away; None while it is not."""
        return self._session.circuit.trouble

    def refuse_if_away(self) -> None:
        """Refuse a call shortly after the other server was found to be away.

        Raises:
            Unavailable: It was.
        """
        self._session.circuit.refuse_if_away()

    def is_ready(self) -> bool:
        """Ask the other server, for two seconds at most, whether it can be called."""
        return self._session.is_ready()

    def run(
        self,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
        deadline: Deadline,
    ) -> Run:
        """Run the version, as `Backend.run` says."""
        return run_steps(self.task, inputs, parameters, deadline)
