"""How many runs of a model go on at once, and who is told to come back."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal.runtime.scheduler import Busy, Scheduler


class Crowd:
    """Threads that take a turn and keep it until they are let go."""

    def __init__(self, scheduler):
        self.scheduler = scheduler
        self.let_go = threading.Event()
        self.running = 0
        self.most_running = 0
        self.waited_ms = []
        self._lock = threading.Lock()

    def take_turn(self):
        with self.scheduler.turn() as waited_ms:
            with self._lock:
                self.running += 1
                self.most_running = max(self.running, self.most_running)
                self.waited_ms.append(waited_ms)
            self.let_go.wait(5)
            with self._lock:
                self.running -= 1


@pytest.fixture
def threads():
    with ThreadPoolExecutor(20) as pool:
        yield pool


def wait_for(is_so):
    deadline = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_no_more_run_at_once_than_there_are_places(threads):
    crowd = Crowd(Scheduler(max_running=3, max_waiting=20))
    turns = [threads.submit(crowd.take_turn) for _ in range(10)]
    wait_for(lambda: crowd.running == 3)
    time.sleep(0.05)

    crowd.let_go.set()
    for turn in turns:
        turn.result()

    assert crowd.most_running == 3
    assert len(crowd.waited_ms) == 10


def test_those_who_wait_are_told_how_long_it_took(threads):
    crowd = Crowd(Scheduler(max_running=1, max_waiting=1))
    turns = [threads.submit(crowd.take_turn)]
    wait_for(lambda: crowd.running == 1)
    turns.append(threads.submit(crowd.take_turn))
    time.sleep(0.1)

    crowd.let_go.set()
    for turn in turns:
        turn.result()

    first_ms, second_ms = crowd.waited_ms
    assert first_ms < 50
    assert 80 < second_ms < 5000


def test_when_the_queue_is_full_the_next_is_refused_at_once(threads):
    crowd = Crowd(Scheduler(max_running=1, max_waiting=2))
    turns = [threads.submit(crowd.take_turn) for _ in range(8)]

    wait_for(lambda: sum(turn.done() for turn in turns) == 5)
    refused = [turn.exception() for turn in turns if turn.done()]
    crowd.let_go.set()
    served = [turn for turn in turns if turn.exception() is None]

    assert len(served) == 3
    assert [type(refusal) for refusal in refused] == [Busy] * 5
    assert all(refusal.retry_after_s >= 1 for refusal in refused)
    assert refused[0].headers["Retry-After"] == str(refused[0].retry_after_s)


def test_nobody_waits_for_longer_than_the_limit(threads, monkeypatch):
    monkeypatch.setattr("portal.runtime.scheduler.WAIT_LIMIT_S", 0.1)
    crowd = Crowd(Scheduler(max_running=1, max_waiting=5))
    turn = threads.submit(crowd.take_turn)
    wait_for(lambda: crowd.running == 1)

    with pytest.raises(Busy):
        crowd.take_turn()

    crowd.let_go.set()
    turn.result()
    with crowd.scheduler.turn():
        pass


def test_a_place_is_given_back_after_an_exception():
    scheduler = Scheduler(max_running=1, max_waiting=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), scheduler.turn():
            raise ZeroDivisionError

    with scheduler.turn() as waited_ms:
        assert waited_ms < 100


def test_a_refusal_takes_no_place():
    scheduler = Scheduler(max_running=1, max_waiting=0)
    with scheduler.turn():
        for _ in range(3):
            with pytest.raises(Busy), scheduler.turn():
                pass

    with scheduler.turn() as waited_ms:
        assert waited_ms < 100


@pytest.mark.parametrize(("run_s", "retry_after_s"), [(0.01, 1), (1.6, 2)])
def test_the_longer_runs_take_the_later_one_is_told_to_come_back(
    monkeypatch, run_s, retry_after_s
):
    monkeypatch.setattr("portal.runtime.scheduler.SMOOTHING", 1)
    scheduler = Scheduler(max_running=1, max_waiting=0)
    with scheduler.turn():
        time.sleep(run_s)

    with scheduler.turn(), pytest.raises(Busy) as busy, scheduler.turn():
        pass

    assert busy.value.retry_after_s == retry_after_s
