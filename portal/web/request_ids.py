"""One id per request: in the answer, in every log line, in the usage record."""

import secrets

from flask import Flask, Response, g


def request_id() -> str:
    """Return the id of this request: ``req_`` and 24 hexadecimal digits.

    It is the unique key of a usage record, so a client never chooses it.
    """
    if "request_id" not in g:
        g.request_id = f"req_{secrets.token_hex(12)}"
    return str(g.request_id)


def init_app(app: Flask) -> None:
    """Write ``X-Request-ID`` on every answer."""

    @app.after_request
    def add_request_id(response: Response) -> Response:
        response.headers["X-Request-ID"] = request_id()
        return response
