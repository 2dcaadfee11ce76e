"""Work on a thread of its own: done when it is due, once more at the end."""

import threading
import time

import pytest

from portal import chores
from portal.chores import Chore

NAME = "tested"


@pytest.fixture
def done():
    """Return a semaphore that the work releases."""
    return threading.Semaphore(0)


@pytest.fixture
def chore(done):
    """Return a chore that has nothing left after each time."""

    def work():
        done.release()
        return False

    chore = Chore(NAME, work, period_s=0.01)
    yield chore
    chore.stop()


def threads():
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def test_no_thread_before_anything_is_due(chore):
    assert threads() == []


def test_what_is_due_is_done(chore, done):
    chore.due()

    assert done.acquire(timeout=5)


def test_a_thread_that_rests_does_what_is_due_then(chore, done, monkeypatch):
    monkeypatch.setattr(chores, "REST_S", 60)
    chore.due()
    assert done.acquire(timeout=5)
    first = threads()

    time.sleep(0.1)
    chore.due()

    assert done.acquire(timeout=5)
    assert threads() == first


def test_a_thread_with_nothing_to_do_ends_and_another_is_started(
    chore, done, monkeypatch
):
    monkeypatch.setattr(chores, "REST_S", 0.01)
    chore.due()
    assert done.acquire(timeout=5)
    ends_at = time.monotonic() + 5
    while threads():
        assert time.monotonic() < ends_at
        time.sleep(0.01)

    chore.due()

    assert done.acquire(timeout=5)


def test_the_end_wakes_a_thread_that_rests_and_does_the_work_once_more(
    chore, done, monkeypatch
):
    monkeypatch.setattr(chores, "REST_S", 60)
    chore.due()
    assert done.acquire(timeout=5)
    time.sleep(0.1)

    chore.stop()

    assert done.acquire(timeout=0)
    assert threads() == []


def test_work_that_has_more_comes_back_by_itself(done):
    left = iter([True, True, False])

    def work():
        done.release()
        return next(left, False)

    chore = Chore(NAME, work, period_s=0.01)
    chore.due()

    assert all(done.acquire(timeout=5) for _ in range(3))
    chore.stop()
