"""Answers that send the reader elsewhere, never to another site."""

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import redirect, request
from werkzeug import Response


def see_other(location: str) -> Response:
    """Answer a write: 303, for browsers and htmx alike."""
    return redirect(location, HTTPStatus.SEE_OTHER)


def local_path(target: str | None, default: str) -> str:
    r"""Return *target* if it is a path of this portal, else *default*.

    Browsers and Werkzeug drop tabs and line ends and read a backslash as a
    slash, so ``/\t/evil.test`` would leave the site: such targets are refused.
    """
    if (
        not target
        or not target.isprintable()
        or not target.startswith("/")
        or target.startswith("//")
        or "\\" in target
    ):
        return default
    parts = urlsplit(target)
    return default if parts.scheme or parts.netloc else target


def current_path() -> str:
    """Return this request's path and query, for ``next``."""
    return request.full_path if request.query_string else request.path
