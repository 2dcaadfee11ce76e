"""Structured logs: one line per request, JSON unless a person is watching.

A line never holds a secret or an input: a route whose address carries a token
is logged as its pattern.
"""

import logging
import sys
import time
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, request

from portal.web.request_ids import request_id

QUIET = ("/healthz", "/readyz", "/static/")
log = structlog.get_logger("portal.request")


def configure(*, as_json: bool, level: int = logging.INFO) -> None:
    """Send every log line of this process to stderr through structlog."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The other formatters print local variables, secrets among them.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Alembic tells of its context at every look at the version.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def init_app(app: Flask) -> None:
    """Log every request once, with its id, status and time."""

    @app.before_request
    def start_clock() -> None:
        g.started_at = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id())

    @app.after_request
    def write_line(response: Response) -> Response:
        if not request.path.startswith(QUIET):
            seconds = time.perf_counter() - g.get("started_at", time.perf_counter())
            log.info(
                "request",
                method=request.method,
                path=_path(),
                status=response.status_code,
                ms=round(seconds * 1000, 1),
                **g.get("log_fields", {}),
            )
        return response


def add_fields(**fields: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    """Add *fields* (user, key prefix, model) to this request's log line."""
    g.setdefault("log_fields", {}).update(fields)


def _path() -> str:
    """Return the path as it may be logged.

    A route with a token is logged as its pattern, and so is what no route takes
    but begins like one: a wrong method, a slash too many.
    """
    known = request.url_rule
    for rule in [known] if known else current_app.url_map.iter_rules():
        beginning = rule.rule.partition("<")[0]
        if "token" in rule.arguments and request.path.startswith(beginning):
            return rule.rule
    return request.path
