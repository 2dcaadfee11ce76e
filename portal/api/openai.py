"""`/v1`: OpenAI's protocol for embeddings, for programs written with its client.

Every call takes the same metered path as one of the native API.
"""

import base64
from typing import Any

import numpy as np
import orjson
from flask import Blueprint, Response, g

from portal import catalog, inference
from portal.api.auth import authenticate, authenticate_if_given, require_scope
from portal.api.calls import find_model, list_models
from portal.api.embedding_request import (
    EmbeddingRequest,
    EncodingFormat,
    read_embedding_request,
)
from portal.api.native import add_limits
from portal.catalog import Model, ModelNotFound, ModelVersion
from portal.errors import Invalid
from portal.inference import Call
from portal.keys import Scope
from portal.runtime import TEXT_EMBEDDING
from portal.web import request_id
from portal.web.body import refuse_body_over
from portal.web.request_log import add_fields

OWNED_BY = "model-portal"
DIMENSIONS = "dimensions"

bp = Blueprint("openai", __name__, url_prefix="/v1")
bp.after_request(add_limits)


@bp.get("/models")
def models() -> Response:
    """List the models that embed texts, of those that the caller may see."""
    caller = authenticate_if_given()
    found = [_model(one) for one in list_models(caller) if _embeds(one.live)]
    return _json({"object": "list", "data": found})


@bp.get("/models/<name>")
def model(name: str) -> Response:
    """Describe one of them."""
    found = find_model(name, authenticate_if_given())
    if not _embeds(found.live):
        message = "The model %(name)s does not embed texts, which is all that /v1 does."
        raise ModelNotFound(message, name=name)
    return _json(_model(found))


@bp.post("/embeddings")
def embeddings() -> Response:
    """Answer with a vector for each text."""
    caller = authenticate()
    with inference.metered(caller, request_id=request_id()) as call:
        g.call = call
        return _embed(call)


def _embed(call: Call) -> Response:
    # The limits come first: a call for a model that isn't there costs a record, too.
    with inference.admitted(call):
        require_scope(call.caller, Scope.PREDICT)
        refuse_body_over(call.caller.max_upload_mb)
        asked = read_embedding_request()
        version = _asked_version(call, asked.model)
        # Before the run, which gives the database connection back.
        name = version.model.name
        _refuse_dimensions(asked, version)
        outputs = _infer(call, asked)
    tokens = outputs["tokens"]
    return _json(
        {
            "object": "list",
            "data": _data(outputs["embeddings"], asked.encoding_format),
            "model": name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _asked_version(call: Call, name: str) -> ModelVersion:
    """Return the version that answers *call*, and note it in its record."""
    found = find_model(name, call.caller)
    call.version = version = catalog.find_version(found)
    inference.admit_to(call, found)
    # Before it is loaded; and after, since a version that stands in may differ.
    _refuse_other_task(version)
    call.version = version = inference.serving_version(found)
    _refuse_other_task(version)
    add_fields(model=name, version=version.number)
    return version


def _refuse_other_task(version: ModelVersion) -> None:
    if not _embeds(version):
        message = (
            "The model %(name)s does not embed texts; GET /v1/models lists those that "
            "do. It is called at /api/v1/models/%(name)s/predict."
        )
        raise Invalid(message, "/model", name=version.model.name)


def _refuse_dimensions(asked: EmbeddingRequest, version: ModelVersion) -> None:
    """Refuse more numbers than there are before the run, where that is known."""
    for declared in version.description.parameters:
        size = declared.maximum
        if declared.name == DIMENSIONS and size and (asked.dimensions or 1) > size:
            message = "dimensions must be from 1 to %(size)d for this model."
            raise Invalid(message, "/dimensions", size=size)


def _infer(call: Call, asked: EmbeddingRequest) -> dict[str, Any]:
    try:
        return dict(
            inference.infer(
                call, {"text": asked.texts}, {DIMENSIONS: asked.dimensions}
            ).outputs
        )
    except Invalid as refusal:
        if asked.is_single and refusal.pointer.startswith("/input/"):
            refusal.pointer = "/input"
        raise


def _data(
    vectors: "np.ndarray[Any, Any]", encoding_format: EncodingFormat
) -> list[dict[str, Any]]:
    """Return the *vectors*, shape ``(texts, d)``, as the protocol lists them."""
    rows: list[Any] = list(np.ascontiguousarray(vectors, "<f4"))
    if encoding_format is EncodingFormat.BASE64:
        rows = [base64.b64encode(row.tobytes()).decode() for row in rows]
    return [
        {"object": "embedding", "index": number, "embedding": row}
        for number, row in enumerate(rows)
    ]


def _model(found: Model) -> dict[str, Any]:
    return {
        "id": found.name,
        "object": "model",
        "created": int(found.created_at.timestamp()),
        "owned_by": OWNED_BY,
    }


def _embeds(version: ModelVersion) -> bool:
    return version.task == TEXT_EMBEDDING


def _json(document: dict[str, Any]) -> Response:
    content = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, content_type="application/json")
