"""What another server says of a model: read once, when a version is published."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from portal.errors import Invalid, PortalError
from portal.runtime.deadline import Deadline
from portal.runtime.remote.connection import Answer, Connection
from portal.runtime.remote.failures import RemoteFailed
from portal.runtime.remote.remote_model import RemoteModel
from portal.runtime.remote.tensors import MAX_AXES
from portal.runtime.signature import DATATYPES, Signature, TensorSpec

BINARY = "binary_tensor_data"
TIME_LIMIT_S = 15.0
MAX_TENSORS, MAX_NAME_CHARS, MAX_PLATFORM_CHARS = 1000, 200, 100
DTYPES = {datatype: dtype for dtype, datatype in DATATYPES.items()}


class RemoteRefused(Invalid):
    """A model on another server that can't be published; the sentence says why."""


@dataclass(frozen=True)
class Metadata:
    """What another server says of a model.

    Attributes:
        platform: What runs it there, in the server's own word.
        is_binary: Whether the server takes and gives tensors as bytes.
    """

    signature: Signature
    platform: str
    is_binary: bool


def read_metadata(remote: RemoteModel, token: str = "") -> Metadata:
    """Return what the server says of the model, and of itself.

    Raises:
        RemoteRefused: It can't be reached, has no such model, or says nothing of
            use; the sentence says what to change.
    """
    connection, deadline = Connection(remote, token), Deadline(TIME_LIMIT_S)
    try:
        server = connection.get(remote.server_path, deadline)
        model = connection.get(remote.model_path, deadline)
    except RemoteFailed as failure:
        message = "%(url)s can't be reached: %(why)s."
        raise RemoteRefused(message, url=remote.url, why=failure.reason) from failure
    except PortalError as failure:
        message = "%(url)s did not answer within %(limit)d seconds."
        raise RemoteRefused(message, url=remote.url, limit=TIME_LIMIT_S) from failure
    if model.status != HTTPStatus.OK:
        raise RemoteRefused(
            "%(url)s does not describe the model %(model)s: it answered %(status)d. "
            "%(hint)s",
            url=remote.url,
            model=" version ".join(filter(None, (remote.model, remote.version))),
            status=model.status,
            hint=_hint(remote, model.status),
        )
    document = _document(model)
    return Metadata(
        _signature(remote, document),
        str(document.get("platform", ""))[:MAX_PLATFORM_CHARS],
        _is_binary(server),
    )


def _hint(remote: RemoteModel, status: int) -> str:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return f"Set a token for {remote.authority} in PORTAL_REMOTE_TOKENS."
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "Redirects are not followed; name the server that it leads to."
    return "Look at [remote] url, model and version."


def _document(answer: Answer) -> dict[str, Any]:
    try:
        document = orjson.loads(answer.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _is_binary(server: Answer) -> bool:
    extensions = _document(server).get("extensions")
    is_said = server.status == HTTPStatus.OK and isinstance(extensions, list)
    return is_said and BINARY in extensions  # type: ignore[operator]


def _signature(remote: RemoteModel, document: dict[str, Any]) -> Signature:
    try:
        return Signature(
            _specs(document.get("inputs"), "input"),
            _specs(document.get("outputs"), "output"),
        )
    except ValueError as error:
        message = "What %(url)s says of the model %(model)s can't be used: %(why)s."
        raise RemoteRefused(
            message, url=remote.url, model=remote.model, why=str(error)
        ) from None


def _specs(tensors: object, side: str) -> tuple[TensorSpec, ...]:
    if not isinstance(tensors, list) or not 0 < len(tensors) <= MAX_TENSORS:
        message = f"it lists no {side}s (a server may need to be told of them)"
        raise ValueError(message)
    specs = tuple(_spec(tensor, side) for tensor in tensors)
    if len({spec.name for spec in specs}) != len(specs):
        message = f"two {side}s have the same name"
        raise ValueError(message)
    return specs


def _spec(tensor: object, side: str) -> TensorSpec:
    match tensor:
        case {"name": str(name), "datatype": str(datatype), "shape": list(shape)}:
            pass
        case _:
            message = f"an {side} has no name, datatype or shape"
            raise ValueError(message)
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME_CHARS:
        message = f"the name of an {side} is empty, too long, or no text"
        raise ValueError(message)
    if datatype not in DTYPES:
        message = f"the {side} {name} has the datatype {datatype[:20]!r}"
        raise ValueError(message)
    if len(shape) > MAX_AXES or any(type(n) is not int or n < -1 for n in shape):
        message = f"the {side} {name} has the shape {str(shape)[:100]}"
        raise ValueError(message)
    sizes = tuple(None if size < 0 else size for size in shape)
    return TensorSpec(name, DTYPES[datatype], sizes)
