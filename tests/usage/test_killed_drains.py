"""A process that is killed at any step of a drain loses and doubles nothing.

A child is ended (`os._exit`, which runs no handler) before and after every statement,
every commit and every deletion of a file, one step further each time.
"""

import os
from pathlib import Path

import pytest
from sqlalchemy import func, select

from portal import usage
from portal.db import db
from portal.extensions import parts
from portal.usage.tables import (
    MonthlyUse,
    QuotaLease,
    usage_days,
    usage_hours,
    usage_minutes,
)
from tests.counted import answer, record
from tests.factories import make_user

pytestmark = pytest.mark.slow
DONE, KILLED = 0, 9
LEAST_STEPS = 20  # of a drain: two for each of its statements, at the least


@pytest.fixture(params=["app", "pg_app"])
def portal(request):
    """The portal on SQLite, then on PostgreSQL."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def user_id(portal):
    return make_user().id


class Killer:
    """Ends this process at the step *last*; the first is 0."""

    def __init__(self, last):
        self.last = last
        self.step = 0

    def may_kill(self):
        if self.step == self.last:
            os._exit(KILLED)
        self.step += 1

    def watch(self, owner, name):
        """Make the call of *name* a step before it, and one after it."""
        call = getattr(owner, name)

        def watched(*args, **kwargs):
            self.may_kill()
            answered = call(*args, **kwargs)
            self.may_kill()
            return answered

        setattr(owner, name, watched)


def in_child(work, *, kill_at=None):
    """Return how a child ended that did *work*, killed at that step if it came so far.

    *work* is a list of functions; the steps are those of the last.
    """
    db.session.remove()
    db.engine.dispose()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        *before, last = work
        for one in before:
            one()
        if kill_at is not None:
            killer, dialect = Killer(kill_at), db.engine.dialect
            for name in ("do_execute", "do_executemany", "do_commit", "do_rollback"):
                killer.watch(dialect, name)
            killer.watch(Path, "unlink")
        last()
        status = DONE
    finally:
        os._exit(status)


def counted(user_id):
    """Return what stands in the sums and the month of a user."""
    db.session.rollback()
    totals = [
        int(db.session.scalar(select(func.sum(table.c.calls))) or 0)
        for table in (usage_minutes, usage_hours, usage_days)
    ]
    month = select(MonthlyUse.used, MonthlyUse.reserved, MonthlyUse.compute_ms)
    used = db.session.execute(month.where(MonthlyUse.user_id == user_id)).one()
    held = db.session.scalar(select(func.sum(QuotaLease.units))) or 0
    return [*totals, *used, int(held)]


def write(user_id):
    """Answer twice and refuse once."""
    answer(user_id)
    answer(user_id)
    record(user_id, "req_3", status=422)


def expected(rounds):
    return [3 * rounds] * 3 + [2 * rounds, 0, 30.0 * rounds, 0]


def kill_at_each_step(user_id, work, *, before=lambda: None):
    """Kill a child that does *work* at each step; return how many steps there are."""
    step = 0
    while True:
        before()
        ended = in_child(work, kill_at=step)
        assert ended in {DONE, KILLED}
        usage.drain_orphans()
        # Nothing is lost, and whoever comes next finds nothing to do again.
        assert counted(user_id) == expected(step + 1), f"killed at step {step}"
        assert list(parts().spool.folder.glob("*")) == []
        assert usage.verify() == []
        if ended == DONE:
            return step
        step += 1


def test_the_drain_of_a_process_that_is_killed(user_id):
    work = [lambda: write(user_id), usage.drain]

    assert kill_at_each_step(user_id, work) >= LEAST_STEPS


def test_the_drain_of_an_orphan_by_a_process_that_is_killed(user_id):
    def leave_an_orphan():
        assert in_child([lambda: write(user_id)]) == DONE

    steps = kill_at_each_step(user_id, [usage.drain_orphans], before=leave_an_orphan)

    assert steps >= LEAST_STEPS


def test_the_return_of_units_by_a_process_that_is_killed(user_id):
    def give_back():
        usage.give_back_units(is_last=True)

    work = [lambda: write(user_id), usage.drain, give_back]

    assert kill_at_each_step(user_id, work) >= 6
