"""The portal as `wsgi.py` makes it, with a plan that is in nobody's way.

Every limit is kept, counted and answered in headers; only its numbers are large.
The plan is replaced before anything else of the portal has taken it.
"""

from dataclasses import replace

from portal import limits

limits.DEFAULT_PLAN = replace(
    limits.DEFAULT_PLAN,
    rate="1000000000/minute;1000000000/hour",
    monthly_predictions=1_000_000_000,
    concurrency=100_000,
)

from wsgi import app  # noqa: E402 - after the plan is replaced

__all__ = ["app"]
