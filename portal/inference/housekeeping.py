"""What counting leaves to be done after the answer, on a thread of this process."""

import time
from typing import cast

import structlog
from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from portal import usage
from portal.chores import Chore
from portal.db import db
from portal.extensions import parts

PERIOD_S = 0.5
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
    began = time.monotonic()
    try:
        usage.drain()
        has_units = usage.give_back_units(is_last=is_last)
        has_rates = parts().rates.tidy(is_last=is_last)
    except SQLAlchemyError as error:
        log.warning(
            "usage.not_drained",
            error=str(getattr(error, "orig", error)).strip(),
            seconds=round(time.monotonic() - began, 1),
        )
        return True
    except Exception:
        log.exception("usage.not_drained")
        return True
    finally:
        db.session.remove()
    return has_units or has_rates or not parts().spool.is_drained
