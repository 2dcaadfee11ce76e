"""`flask worker`: what happens behind the pages, as often as it is needed.

Of what is to be done, one thing that fails keeps no other from its turn.
"""

import signal
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

import click
import structlog
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from portal import catalog, keys, usage
from portal.db import db
from portal.mail.delivery import deliver_due

PERIOD_S = 1.0
LONGEST_PAUSE_S = 10.0
GRACE_S = 0.7  # for the message that is being sent when the worker is stopped
Job = Callable[[], object]
# By how often, in seconds; 0 is at every turn. Whom to alert is read from all months.
ROUNDS: Mapping[float, tuple[Job, ...]] = {
    0.0: (usage.drain_orphans,),
    60.0: (usage.alert,),
    3600.0: (usage.tidy, keys.send_expiry_notices, catalog.forget_timings),
}
log = structlog.get_logger(__name__)


class _StoppedWithinWork(BaseException):
    """Ends work that outlasts the grace; the claim on a message ends by itself."""


@click.command("worker")
@click.option("--once", is_flag=True, help="Do what is due, then end.")
@with_appcontext
def worker(*, once: bool) -> None:
    """Send mail and keep the counts until stopped by SIGTERM or SIGINT."""
    if once:
        for jobs in ROUNDS.values():
            for job in jobs:
                job()
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
    due_at = dict.fromkeys(ROUNDS, 0.0)
    while not stopping.is_set():
        jobs: list[Job] = [lambda: deliver_due(stopping.is_set)]
        for every_s, some in ROUNDS.items():
            if time.monotonic() >= due_at[every_s]:
                due_at[every_s] = time.monotonic() + every_s
                jobs += some
        failed = [job for job in jobs if not _do(job)]
        pause_s = PERIOD_S if not failed else min(pause_s * 2, LONGEST_PAUSE_S)
        stopping.wait(pause_s)


def _do(job: Job) -> bool:
    """Do *job*; return False, with a log line, when it can't be done."""
    try:
        job()
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
