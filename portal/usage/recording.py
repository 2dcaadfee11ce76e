"""Writes every answer down before it leaves.

The record is in the spool of this process then; `portal.usage.draining` brings it
into the sums.
"""

import time
from dataclasses import dataclass
from typing import Any

import orjson

from portal.extensions import parts
from portal.usage.tables import NOBODY, Surface


@dataclass(frozen=True, slots=True)
class Record:
    """One answer.

    Attributes:
        request_id: Of the request.
        at: When it was answered, in seconds of UNIX time.
        user_id: `NOBODY` for a visitor.
        api_key_id: `NOBODY` in the playground.
        model_id: `NOBODY` when the caller asked for a model that isn't there.
        version: `NOBODY`, too, where it isn't known.
        surface: The way in.
        status: The HTTP status of the answer.
        latency_ms: From the first look at the call to its record.
        compute_ms: Spent in preprocess, inference and postprocess.
        unit_of: The month whose quota it used a unit of, such as ``2026-11``; "": of
            none.
    """

    request_id: str
    at: float
    user_id: int
    api_key_id: int
    model_id: int
    version: int
    surface: str
    status: int
    latency_ms: float
    compute_ms: float
    unit_of: str = ""

    @classmethod
    def from_json(cls, content: bytes) -> "Record":
        """Read what `record` wrote.

        Raises:
            ValueError, TypeError: It is no such thing.
        """
        return cls(**orjson.loads(content))


def record(
    *,
    request_id: str,
    user_id: int | None,
    api_key_id: int | None,
    model_id: int | None,
    version: int | None,
    surface: Surface,
    status: int,
    latency_ms: float,
    compute_ms: float,
    unit_of: str = "",
) -> None:
    """Count one answer; once this returns, the count survives this process.

    Raises:
        SpoolUnwritable: The disk takes no record, so the answer may not leave.
    """
    written: dict[str, Any] = {
        "request_id": request_id,
        "at": time.time(),
        "user_id": user_id or NOBODY,
        "api_key_id": api_key_id or NOBODY,
        "model_id": model_id or NOBODY,
        "version": version or NOBODY,
        "surface": surface,
        "status": status,
        "latency_ms": latency_ms,
        "compute_ms": compute_ms,
        "unit_of": unit_of,
    }
    parts().spool.append(orjson.dumps(written))
