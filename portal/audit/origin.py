"""Where a deed came from; set once per request by the application."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """The request behind a deed."""

    request_id: str = ""
    address: str = ""
    user_agent: str = "command line"


_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 - frozen


def set_origin(origin: Origin) -> None:
    """Name the request that the next events come from."""
    _origin.set(origin)


def current_origin() -> Origin:
    """Return the request that events come from now."""
    return _origin.get()
