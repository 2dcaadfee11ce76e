"""`flask worker`: what happens behind the pages, once a second."""

import signal
import threading
from types import FrameType
from typing import NoReturn

import click
import structlog
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from portal import usage
from portal.db import db
from portal.mail.delivery import deliver_due

PERIOD_S = 1.0
LONGEST_PAUSE_S = 10.0
GRACE_S = 0.7  # for the message that is being sent when the worker is stopped
log = structlog.get_logger(__name__)


class _StoppedWithinWork(BaseException):
    """Ends work that outlasts the grace; the claim on a message ends by itself."""


@click.command("worker")
@click.option("--once", is_flag=True, help="Do what is due, then end.")
@with_appcontext
def worker(*, once: bool) -> None:
    """Send mail until stopped by SIGTERM or SIGINT."""
    if once:
        usage.drain_orphans()
        deliver_due()
        return
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)

    signal.signal(signal.SIGALRM, _end_work)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    log.info("worker.started")
    try:
        _run(stopping)
    except _StoppedWithinWork:
        log.warning("worker.stopped_within_work")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    log.info("worker.stopped")


def _run(stopping: threading.Event) -> None:
    pause_s = PERIOD_S
    while not stopping.is_set():
        pause_s = (
            PERIOD_S if _do_due_work(stopping) else min(pause_s * 2, LONGEST_PAUSE_S)
        )
        stopping.wait(pause_s)


def _do_due_work(stopping: threading.Event) -> bool:
    """Do what is due; return False, with a log line, when it can't be done."""
    try:
        usage.drain_orphans()
        deliver_due(stopping.is_set)
    except SQLAlchemyError as error:
        log.warning(
            "worker.database_away", error=str(getattr(error, "orig", error)).strip()
        )
        return False
    except Exception:
        log.exception("worker.failed")
        return False
    finally:
        db.session.remove()
    return True


def _end_work(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _StoppedWithinWork
