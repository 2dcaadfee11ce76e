"""What counting leaves to be done after the answer, on a thread of this process."""

from time import monotonic
from typing import cast

import structlog
from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from portal import catalog, usage
from portal.chores import Chore
from portal.db import db
from portal.extensions import parts

PERIOD_S = 0.5
TIMINGS_EVERY_S = 5.0
KEPT = "portal-timings-kept"
FAILING = "portal-housekeeping-failing"
log = structlog.get_logger(__name__)


def init_app(app: Flask) -> None:
    """Let *app* count; starts no thread."""

    def work() -> bool:
        with app.app_context():
            return _settle()

    chore = Chore("counting", work, period_s=PERIOD_S)
    app.extensions["portal-housekeeping"] = chore


def due() -> None:
    """See to it that what is written down and held is settled within a second."""
    cast("Chore", current_app.extensions["portal-housekeeping"]).due()


def finish() -> None:
    """Settle everything, and hold nothing, before this process ends.

    What can't be settled is adopted by the next process that looks.
    """
    cast("Chore", current_app.extensions["portal-housekeeping"]).stop()
    parts().slots.close()
    if _settle(is_last=True):
        log.warning("usage.left_to_others")
    parts().spool.close()


def _settle(*, is_last: bool = False) -> bool:
    """Bring the counts into the sums and give back what is held; is there more?"""
    try:
        usage.drain()
        has_units = usage.give_back_units(is_last=is_last)
        has_rates = parts().rates.tidy(is_last=is_last)
        has_timings = _keep_timings(is_last=is_last)
    except Exception as error:  # noqa: BLE001 - a chore raises nothing
        _note_failure(error)
        return True
    finally:
        db.session.remove()
    current_app.extensions.pop(FAILING, None)
    is_settled = parts().spool.is_drained
    return has_units or has_rates or has_timings or not is_settled


def _keep_timings(*, is_last: bool) -> bool:
    """Keep what calls took, now and then; is there anything to be kept later?"""
    loaded = [one for one in parts().pool.loaded() if one.statistics.has_news]
    if not loaded:
        return False
    kept_at = current_app.extensions.get(KEPT, -TIMINGS_EVERY_S)
    if not is_last and monotonic() - kept_at < TIMINGS_EVERY_S:
        return True
    current_app.extensions[KEPT] = monotonic()
    catalog.keep_timings(loaded, holder=parts().spool.holder)
    return False


def _note_failure(error: Exception) -> None:
    """Say once that nothing can be settled, not at every try."""
    if current_app.extensions.setdefault(FAILING, error) is not error:
        return
    if isinstance(error, SQLAlchemyError):
        cause = str(getattr(error, "orig", error)).strip()
        log.warning("usage.not_drained", error=cause)
    else:
        log.error("usage.not_drained", exc_info=error)
