"""CORS: which scripts of other sites may read the API's answers.

Those of the origins that the call's key names; where no key was valid, or none was
sent, as in a preflight, those that any active key names. No answer depends on a
cookie, so a script learns nothing by it that it could not ask for from a server;
credentials are never allowed.
"""

import re
from typing import TYPE_CHECKING

import structlog
from flask import Flask, Response, g, request
from sqlalchemy.exc import SQLAlchemyError

from portal import keys
from portal.web.errors import is_api

if TYPE_CHECKING:
    from portal.inference import Caller

METHODS = "GET, POST, DELETE"
ALLOWED_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    # Of the binary tensors of /v2.
    "Inference-Header-Content-Length",
    "X-API-Key",
)
# What OpenAI's client adds to every call: its version, the kind of browser.
STAINLESS = re.compile(r"x-stainless-[a-z-]{1,40}", re.ASCII)
EXPOSED_HEADERS = (
    "Inference-Header-Content-Length",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-ID",
    "x-should-retry",
)
# A browser asks again after ten minutes: by then it knows that a key is revoked.
PREFLIGHT_KEPT_S = 600
log = structlog.get_logger(__name__)


def init_app(app: Flask) -> None:
    """Answer preflights, and say on every answer of the API who may read it."""
    app.before_request(_answer_preflight)
    app.after_request(_add_headers)


def _answer_preflight() -> Response | None:
    """Answer what a browser asks ahead of a call, for every address of the API.

    The call itself, which a script may then see the answer of, says whether there
    is something at the address.
    """
    is_preflight = (
        request.method == "OPTIONS"
        and "Access-Control-Request-Method" in request.headers
    )
    if not (is_preflight and is_api() and _may_read()):
        return None
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = METHODS
    response.headers["Access-Control-Allow-Headers"] = ", ".join(
        (*ALLOWED_HEADERS, *_asked_stainless())
    )
    response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_KEPT_S)
    response.vary.update(
        ("Access-Control-Request-Method", "Access-Control-Request-Headers")
    )
    return response


def _add_headers(response: Response) -> Response:
    if not is_api():
        return response
    response.vary.add("Origin")
    if _may_read():
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED_HEADERS)
    return response


def _may_read() -> bool:
    """Whether the origin of this request may read the answer."""
    origin = request.headers.get("Origin", "")
    if not origin:
        return False
    caller: Caller | None = g.get("caller")
    if caller is not None and caller.api_key is not None:
        return origin in caller.api_key.origins
    if "is_active_origin" not in g:
        g.is_active_origin = _is_active(origin)
    known: bool = g.is_active_origin
    return known


def _is_active(origin: str) -> bool:
    try:
        return keys.is_active_origin(origin)
    except SQLAlchemyError as failure:
        # The answer goes out, and no script may read it.
        log.warning("cors.origins_unknown", error=type(failure).__name__)
        return False


def _asked_stainless() -> list[str]:
    asked = request.headers.get("Access-Control-Request-Headers", "")
    names = {name.strip().lower() for name in asked.split(",")}
    return sorted(name for name in names if STAINLESS.fullmatch(name))
