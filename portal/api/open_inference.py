"""`/v2`: the Open Inference Protocol, version 2, with Triton's extensions.

Clients made for Triton, KServe and their like call the portal unchanged. Every
inference takes the same metered path as one of the native API.
"""

from typing import Any

import orjson
from flask import Blueprint, Response, g

from portal import catalog, inference
from portal.accounts import Role
from portal.api import health
from portal.api.auth import authenticate, authenticate_if_given, require_scope
from portal.api.calls import asked_version, find_model, list_models
from portal.api.native import add_limits
from portal.api.sent_tensors import object_in
from portal.api.tensor_answer import answer
from portal.api.tensor_request import read_tensor_request
from portal.api.tensor_view import configuration, metadata, statistics
from portal.catalog import Model, ModelVersion
from portal.errors import Forbidden, Invalid, Unavailable
from portal.extensions import config, parts
from portal.inference import Call
from portal.keys import Scope
from portal.runtime import values as reading
from portal.web import read_body, request_id

SERVER = "model-portal"
PROTOCOL = "2"
EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "statistics",
    "model_configuration",
    "model_repository",
]
READY, UNAVAILABLE = "READY", "UNAVAILABLE"
VERSION = "/models/<name>/versions/<int:number>"

bp = Blueprint("open_inference", __name__, url_prefix="/v2")
bp.after_request(add_limits)


@bp.get("")
def server() -> Response:
    """Say what the server is and which extensions it has."""
    return _json({"name": SERVER, "version": PROTOCOL, "extensions": EXTENSIONS})


@bp.get("/health/live")
def live() -> Response:
    """Say that this process runs."""
    return _json({"live": True})


@bp.get("/health/ready")
def ready() -> Response:
    """Say that this process can serve."""
    if not health.can_serve():
        raise Unavailable("The portal can't serve at the moment.", retry_after_s=5)
    return _json({"live": True, "ready": True})


@bp.get("/models/<name>")
@bp.get(VERSION)
def model(name: str, number: int | None = None) -> Response:
    """Describe the tensors that a model takes and gives."""
    return _json(metadata(_shown_version(name, number)))


@bp.get("/models/<name>/ready")
@bp.get(f"{VERSION}/ready")
def model_ready(name: str, number: int | None = None) -> Response:
    """Say that a model can be called; its first call may have to load it."""
    version = _shown_version(name, number)
    failure = _failure(version)
    if failure is not None:
        raise failure
    return _json({"name": version.model.name, "ready": True})


@bp.get("/models/<name>/config")
@bp.get(f"{VERSION}/config")
def model_config(name: str, number: int | None = None) -> Response:
    """Describe a model in the form of Triton's configuration."""
    return _json(configuration(_shown_version(name, number)))


@bp.get("/models/stats")
def all_statistics() -> Response:
    """Say what this process has measured of every model the caller may see."""
    caller = authenticate()
    return _statistics([one for m in list_models(caller) for one in m.versions])


@bp.get("/models/<name>/stats")
@bp.get(f"{VERSION}/stats")
def model_statistics(name: str, number: int | None = None) -> Response:
    """Say what this process has measured of a model's versions."""
    found = find_model(name, authenticate())
    one = None if number is None else catalog.find_version(found, number)
    return _statistics([one] if one else found.versions)


@bp.post("/repository/index")
def index() -> Response:
    """List every version of the models that the caller may see."""
    caller = authenticate_if_given()
    wants_ready = _body().get("ready", False)
    rows = [_row(v) for m in list_models(caller) for v in m.versions]
    return _json([row for row in rows if row["state"] == READY or not wants_ready])


@bp.post("/repository/models/<name>/load")
def load(name: str) -> Response:
    """Load a model's live version into the memory of the process that answers."""
    found = _changeable(name)
    if object_in(_body(), "parameters", ""):
        message = (
            "A model is loaded as it was published; publish a new version to change "
            "its configuration or files."
        )
        raise Invalid(message, "/parameters")
    parts().pool.get(catalog.version_spec(found.live, config()))
    return _json({})


@bp.post("/repository/models/<name>/unload")
def unload(name: str) -> Response:
    """Let a model go from the memory of this process; its next call loads it."""
    found = _changeable(name)
    _body()
    for version in found.versions:
        parts().pool.unload(version.digest)
    return _json({})


@bp.post("/models/<name>/infer")
@bp.post(f"{VERSION}/infer")
def infer(name: str, number: int | None = None) -> Response:
    """Answer one inference."""
    caller = authenticate()
    with inference.metered(caller, request_id=request_id()) as call:
        g.call = call
        return _infer(call, name, number)


def _infer(call: Call, name: str, number: int | None) -> Response:
    with inference.admitted(call):
        version = asked_version(call, name, number)
        asked = read_tensor_request(version)
        prediction = inference.infer(call, asked.inputs, asked.parameters)
    return answer(asked, prediction.values)


def _shown_version(name: str, number: int | None) -> ModelVersion:
    """Return a version that is described without a key, too, if it is public."""
    found = find_model(name, authenticate_if_given())
    return catalog.find_version(found, number)


def _changeable(name: str) -> Model:
    """Return a model that the caller may load and unload.

    Raises:
        Forbidden: The key lacks the scope, or the model is another publisher's.
    """
    caller = authenticate()
    require_scope(caller, Scope.MODELS_WRITE)
    found = find_model(name, caller)
    user = caller.user
    is_theirs = (
        user is not None and user.role != Role.USER and user.id == found.owner_id
    )
    if user is None or not (user.is_owner or is_theirs):
        message = "Only its publisher and the owners may load and unload a model."
        raise Forbidden(message)
    return found


def _body() -> dict[str, Any]:
    """Return the JSON object of this request's body, which may be empty."""
    document = reading.parse_json(read_body() or b"{}")
    if not isinstance(document, dict):
        message = "The body must be an object, not %(came)s."
        raise Invalid(message, came=reading.json_name(document))
    return document


def _failure(version: ModelVersion) -> Unavailable | None:
    """Return why *version* can't answer now, if it can't."""
    if not version.is_usable:
        return Unavailable("The task of this model is not available at the moment.")
    return parts().pool.failure(catalog.version_spec(version, config()))


def _row(version: ModelVersion) -> dict[str, str]:
    failure = _failure(version)
    return {
        "name": version.model.name,
        "version": str(version.number),
        "state": UNAVAILABLE if failure else READY,
        "reason": str(failure) if failure else "",
    }


def _statistics(versions: list[ModelVersion]) -> Response:
    loaded = {one.spec.digest: one for one in parts().pool.loaded()}
    rows = [statistics(one, loaded.get(one.digest)) for one in versions]
    return _json({"model_stats": rows})


def _json(document: Any) -> Response:  # noqa: ANN401 - whatever JSON can hold
    return Response(orjson.dumps(document), content_type="application/json")
