"""A page for a browser, a fragment for htmx, from one call.

htmx 4 says what it will do with the answer in ``HX-Request-Type``: ``partial``
replaces a part of the page, ``full`` takes a whole document.
"""

from http import HTTPStatus
from typing import Any

from flask import Response, make_response, render_template, request

VARY = ("HX-Request", "HX-Request-Type")


def wants_fragment() -> bool:
    """Whether htmx asks for a part of the page."""
    is_htmx = bool(getattr(request, "htmx", False))
    return is_htmx and request.headers.get("HX-Request-Type") != "full"


def render(
    page: str,
    *,
    fragment: str | None = None,
    status: HTTPStatus = HTTPStatus.OK,
    **context: Any,  # noqa: ANN401 - a template takes anything
) -> Response:
    """Answer with *page*, or with *fragment* when htmx replaces a part of it."""
    template = fragment if fragment and wants_fragment() else page
    response = make_response(render_template(template, **context), status)
    response.vary.update(VARY)
    return response
