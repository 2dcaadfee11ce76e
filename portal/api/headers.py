"""The limit headers of every answer to a keyed call.

``RateLimit-Policy`` and ``RateLimit`` follow draft-ietf-httpapi-ratelimit-headers
(2025-09-23); ``X-RateLimit-*`` are what older clients read, with the reset as a
UNIX time in seconds.
"""

import time
from collections.abc import Sequence

from flask import Response

from portal.limits import Allowance


def add_limits(response: Response, allowances: Sequence[Allowance]) -> None:
    """Write what is left onto *response*."""
    if not allowances:
        return
    response.headers["RateLimit-Policy"] = ", ".join(
        f'"{a.policy}";q={a.limit};w={a.window_s}' for a in allowances
    )
    response.headers["RateLimit"] = ", ".join(
        f'"{a.policy}";r={a.left};t={a.reset_s}' for a in allowances
    )
    tightest = min(allowances, key=lambda a: a.left)
    response.headers["X-RateLimit-Limit"] = str(tightest.limit)
    response.headers["X-RateLimit-Remaining"] = str(tightest.left)
    response.headers["X-RateLimit-Reset"] = str(int(time.time()) + tightest.reset_s)
