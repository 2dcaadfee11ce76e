"""A model on another server, in the place of onnxruntime's session."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog

from portal.errors import TimedOut, Unavailable
from portal.runtime.deadline import Deadline, RunTimedOut, current_deadline
from portal.runtime.remote.circuit import Circuit
from portal.runtime.remote.connection import Answer, Connection
from portal.runtime.remote.failures import (
    RemoteAway,
    RemoteBroke,
    RemoteBusy,
    RemoteFailed,
    RemoteInvalid,
    RemoteMisses,
    RemoteTimedOut,
)
from portal.runtime.remote.remote_model import RemoteModel
from portal.runtime.remote.tensors import Array, read_answer, write_request
from portal.runtime.signature import Signature, TensorSpec

READY_LIMIT_S = 2.0
LONGEST_RETRY_S = 60
SHOWN_CHARS = 500  # of what the other server says, in the log
INVALID = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
log = structlog.get_logger(__name__)


class RemoteSession:
    """Runs a model on another server, as onnxruntime's session runs one here.

    Args:
        remote: Where it lives.
        signature: As it was when the version was published.
        token: For that server.
        model_name: Of the portal's own model, for the log.

    Attributes:
        circuit: What is known of whether it answers.
    """

    def __init__(
        self, remote: RemoteModel, signature: Signature, *, token: str, model_name: str
    ) -> None:
        self._remote = remote
        self._signature = signature
        self._model_name = model_name
        self._token = token
        self._connection = Connection(remote, token)
        self.circuit = Circuit()

    def get_inputs(self) -> list[TensorSpec]:
        """Return the inputs: name and shape of each."""
        return list(self._signature.inputs)

    def get_outputs(self) -> list[TensorSpec]:
        """Return the outputs: name and shape of each."""
        return list(self._signature.outputs)

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any]
    ) -> list[Array]:
        """Return the outputs of one inference there, within the deadline that holds.

        Raises:
            RemoteInvalid: The model refuses the values.
            RemoteFailed: There is no answer, or none that can be used.
            TimedOut: There was none in time.
        """
        deadline = current_deadline() or Deadline(READY_LIMIT_S)
        names = output_names or [spec.name for spec in self._signature.outputs]
        body, headers = write_request(
            self._signature, input_feed, names, is_binary=self._remote.is_binary
        )
        self.circuit.admit(lambda: self.is_ready(deadline.left_s))
        path = f"{self._remote.model_path}/infer"
        try:
            answer = self._connection.post(path, body, headers, deadline)
            self._check(answer, deadline)
            outputs = read_answer(self._signature, names, answer)
        except (RemoteFailed, RemoteInvalid, TimedOut) as failure:
            self._note(failure)
            raise
        self.circuit.succeeded()
        return outputs

    def is_ready(self, limit_s: float = READY_LIMIT_S) -> bool:
        """Ask the other server whether the model can be called."""
        deadline = Deadline(min(limit_s, READY_LIMIT_S))
        try:
            answer = self._connection.get(f"{self._remote.model_path}/ready", deadline)
        except (TimedOut, Unavailable):
            return False
        return answer.status == HTTPStatus.OK

    def _check(self, answer: Answer, deadline: Deadline) -> None:
        """Refuse what is no prediction, by its status."""
        if answer.status == HTTPStatus.OK:
            return
        said = answer.content.decode(errors="replace")
        if self._token:
            # Some repeat the headers that they were sent.
            said = said.replace(self._token, "…")
        reason = f"answered {answer.status}: {said[:SHOWN_CHARS]}"
        match answer.status:
            case status if status in INVALID:
                # Some answer so as well when they have no such model.
                if self.is_ready(deadline.left_s):
                    raise RemoteInvalid(reason)
                raise RemoteMisses(reason)
            case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise RemoteInvalid(reason)
            case status if status in BUSY:
                raise RemoteBusy(reason, retry_after_s=_retry_after_s(answer))
            case HTTPStatus.BAD_GATEWAY:
                raise RemoteAway(reason)
            case HTTPStatus.GATEWAY_TIMEOUT:
                raise RemoteTimedOut(reason)
            case status if status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise RemoteMisses(reason)
            case _:
                raise RemoteBroke(reason)

    def _note(self, failure: RemoteFailed | RemoteInvalid | TimedOut) -> None:
        reason = getattr(failure, "reason", str(failure))
        if isinstance(failure, RemoteAway | RunTimedOut):
            self.circuit.failed(reason)
        log.warning(
            "remote.failed",
            model=self._model_name,
            server=self._remote.url,
            remote_model=self._remote.model,
            why=reason,
        )


def _retry_after_s(answer: Answer) -> int:
    said = answer.headers.get("retry-after", "")
    is_number = said.isascii() and said.isdecimal() and len(said) < len("1000")
    return max(1, min(int(said), LONGEST_RETRY_S)) if is_number else 1
