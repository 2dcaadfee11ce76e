"""Turns every refusal into an answer, once, for pages and for the API.

The form is chosen by path: a blueprint's own handler never sees the 404 of an
unknown address or the 405 of a wrong method.
"""

from http import HTTPStatus

import orjson
import structlog
from flask import Flask, Response, request
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from portal.db import db
from portal.errors import (
    Forbidden,
    Invalid,
    LimitExceeded,
    Malformed,
    NotFound,
    PortalError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedType,
)
from portal.web.rendering import render
from portal.web.request_ids import request_id

API_PATHS = ("/api/", "/v1/")
PROBLEM_TYPE = "application/problem+json"
KINDS: dict[HTTPStatus, type[PortalError]] = {
    kind.status: kind
    for kind in (
        Malformed,
        Unauthenticated,
        Forbidden,
        NotFound,
        TooLarge,
        UnsupportedType,
    )
}
log = structlog.get_logger(__name__)


class MethodNotAllowed(PortalError):
    """An address that knows other methods."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    slug = "method-not-allowed"
    title = "Method not allowed"


def init_app(app: Flask) -> None:
    """Register the handlers of every kind of refusal."""
    app.register_error_handler(PortalError, answer)
    app.register_error_handler(CSRFError, _answer_csrf)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_fault)


def is_api() -> bool:
    """Whether this request is answered in problem+json."""
    return is_api_path(request.path)


def is_api_path(path: str) -> bool:
    """Whether *path* belongs to one of the APIs."""
    return path.startswith(API_PATHS) or _is_v2(path)


def answer(error: PortalError) -> Response:
    """Answer with *error*: problem+json under the API's paths, else a page."""
    # Nothing half done survives a refusal.
    db.session.rollback()
    response = _problem(error) if is_api() else _page(error)
    response.headers.update(error.headers)
    return response


def refusal_of(error: Exception) -> PortalError:
    """Return what a reader is told of *error*: 503 for a lost database, else 500."""
    if isinstance(error, PortalError):
        return error
    if _is_database_away(error):
        return Unavailable(
            "The database can't be reached. Please try again in a moment.",
            retry_after_s=2,
        )
    return PortalError(
        "Something went wrong on our side. "
        "If it happens again, tell the owner this number: %(id)s",
        id=request_id(),
    )


def sentence(error: PortalError) -> str:
    """Return the message of *error* in the reader's language."""
    text = str(gettext(error.message))
    return text % error.values if error.values else text


def _problem(error: PortalError) -> Response:
    """Build the problem document of RFC 9457."""
    detail = sentence(error)
    document: dict[str, object] = {
        "type": f"/docs/errors#{error.slug}",
        "title": gettext(error.title),
        "status": int(error.status),
        "detail": detail,
        "instance": f"urn:request:{request_id()}",
    }
    if isinstance(error, LimitExceeded) and error.policy:
        document["violated-policies"] = [error.policy]
    if isinstance(error, Invalid):
        document["errors"] = [{"pointer": error.pointer, "detail": detail}]
    if _is_v2(request.path):
        document["error"] = detail
    elif request.path.startswith("/v1/"):
        document["error"] = {
            "message": detail,
            "type": error.slug,
            "param": _param(error),
            "code": error.slug,
        }
    return Response(orjson.dumps(document), error.status, content_type=PROBLEM_TYPE)


def _is_v2(path: str) -> bool:
    # Unlike those of the other APIs, its shortest path is an address, too.
    return f"{path}/".startswith("/v2/")


def _param(error: PortalError) -> str | None:
    """Return the place that *error* points to, as OpenAI writes it: ``input[3]``."""
    if not isinstance(error, Invalid) or not error.pointer:
        return None
    name, *rest = error.pointer[1:].split("/")
    return name + "".join(f"[{part}]" for part in rest)


def _page(error: PortalError) -> Response:
    return render(
        "errors/error.html",
        fragment="errors/_error.html",
        status=error.status,
        error=error,
        sentence=sentence(error),
        request_id=request_id(),
    )


def _answer_csrf(_refusal: CSRFError) -> Response:
    return answer(
        Malformed(
            "This form is no longer valid. Go back, reload the page and send it again."
        )
    )


def _answer_http(refusal: HTTPException) -> Response:
    """Answer what Flask itself refuses, such as an unknown address."""
    status = HTTPStatus(refusal.code or 500)
    if status < HTTPStatus.BAD_REQUEST:
        return Response(status=status, headers=refusal.get_headers())
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response = answer(MethodNotAllowed("This address does not take that method."))
        allowed = getattr(refusal, "valid_methods", None)
        if allowed:
            response.headers["Allow"] = ", ".join(sorted(allowed))
        return response
    if status == HTTPStatus.NOT_FOUND:
        return answer(NotFound("There is nothing at this address."))
    error = KINDS.get(status, PortalError)(refusal.description or status.phrase)
    error.status = status
    return answer(error)


def _answer_fault(error: Exception) -> Response:
    """Answer an unforeseen error: its trace goes to the log, its id to the reader."""
    refusal = refusal_of(error)
    if isinstance(refusal, Unavailable):
        log.warning("database.away", error=str(getattr(error, "orig", error)).strip())
    else:
        log.error("request.failed", exc_info=error)
    return answer(refusal)


def _is_database_away(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        return isinstance(error, OperationalError) or error.connection_invalidated
    return isinstance(error, PoolTimeout)
