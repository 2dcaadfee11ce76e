"""How many runs of a model go on at once, and who is told to come back."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from portal.runtime.deadline import Deadline, RunTimedOut
from portal.runtime.scheduler import Busy, Scheduler


class Crowd:
    """Threads that take a turn of one model and keep it until they are let go."""

    def __init__(self, scheduler, *, limit_s=5):
        self.lane = scheduler.lane()
        self.limit_s = limit_s
        self.let_go = threading.Event()
        self.running = 0
        self.most_running = 0
        self.waited_ms = []
        self._lock = threading.Lock()

    def take_turn(self):
        with self.lane.turn(Deadline(self.limit_s)) as waited_ms:
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
    crowd = Crowd(Scheduler(max_running=3, places=20))
    turns = [threads.submit(crowd.take_turn) for _ in range(10)]
    wait_for(lambda: crowd.running == 3)
    time.sleep(0.05)

    crowd.let_go.set()
    for turn in turns:
        turn.result()

    assert crowd.most_running == 3
    assert len(crowd.waited_ms) == 10


def test_those_who_wait_are_told_how_long_it_took(threads):
    crowd = Crowd(Scheduler(max_running=1, places=2))
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
    crowd = Crowd(Scheduler(max_running=1, places=3))
    turns = [threads.submit(crowd.take_turn) for _ in range(8)]

    wait_for(lambda: sum(turn.done() for turn in turns) == 5)
    refused = [turn.exception() for turn in turns if turn.done()]
    crowd.let_go.set()
    served = [turn for turn in turns if turn.exception() is None]

    assert len(served) == 3
    assert [type(refusal) for refusal in refused] == [Busy] * 5
    assert all(refusal.retry_after_s >= 1 for refusal in refused)
    assert refused[0].headers["Retry-After"] == str(refused[0].retry_after_s)


def test_nobody_waits_for_longer_than_the_deadline(threads):
    scheduler = Scheduler(max_running=1, places=5)
    crowd = Crowd(scheduler)
    turn = threads.submit(crowd.take_turn)
    wait_for(lambda: crowd.running == 1)

    with pytest.raises(RunTimedOut), crowd.lane.turn(Deadline(0.1)):
        pass

    assert crowd.lane.held == 1
    crowd.let_go.set()
    turn.result()
    with crowd.lane.turn(Deadline(1)) as waited_ms:
        assert waited_ms < 100


def test_a_place_is_given_back_after_an_exception():
    lane = Scheduler(max_running=1, places=1).lane()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), lane.turn(Deadline(1)):
            raise ZeroDivisionError

    with lane.turn(Deadline(1)) as waited_ms:
        assert waited_ms < 100


def test_a_refusal_takes_no_place():
    lane = Scheduler(max_running=1, places=1).lane()
    with lane.turn(Deadline(1)):
        for _ in range(3):
            with pytest.raises(Busy), lane.turn(Deadline(1)):
                pass

    with lane.turn(Deadline(1)) as waited_ms:
        assert waited_ms < 100


def test_a_quiet_model_runs_at_once_beside_a_busy_one(threads):
    scheduler = Scheduler(max_running=2, places=4)
    busy, quiet = Crowd(scheduler), Crowd(scheduler)
    turns = [threads.submit(busy.take_turn) for _ in range(10)]
    wait_for(lambda: sum(turn.done() for turn in turns) == 6)

    quiet_turn = threads.submit(quiet.take_turn)
    wait_for(lambda: quiet.running == 1)

    assert busy.running == 2
    assert quiet.waited_ms[0] < 100
    busy.let_go.set()
    quiet.let_go.set()
    quiet_turn.result()


def test_the_share_of_a_busy_model_shrinks_with_others_about(threads):
    scheduler = Scheduler(max_running=2, places=4)
    first, second = Crowd(scheduler), Crowd(scheduler)
    first_turns = [threads.submit(first.take_turn) for _ in range(4)]
    wait_for(lambda: first.lane.held == 4)
    second_turn = threads.submit(second.take_turn)
    wait_for(lambda: second.running == 1)

    with pytest.raises(Busy), first.lane.turn(Deadline(1)):
        pass
    with pytest.raises(Busy), second.lane.turn(Deadline(1)):
        pass  # the first holds all places until some of it are done

    first.let_go.set()
    for turn in first_turns:
        turn.result()
    second_waits = threads.submit(second.take_turn)
    wait_for(lambda: second.running == 2)
    second.let_go.set()
    second_turn.result()
    second_waits.result()


def test_a_free_place_goes_to_the_model_that_runs_least(threads):
    scheduler = Scheduler(max_running=1, places=6)
    first, second = Crowd(scheduler), Crowd(scheduler)
    first_turns = [threads.submit(first.take_turn) for _ in range(3)]
    wait_for(lambda: first.lane.held == 3)
    second_turns = [threads.submit(second.take_turn) for _ in range(2)]
    wait_for(lambda: second.lane.held == 2)
    assert (first.running, second.running) == (1, 1)

    first.let_go.set()
    wait_for(lambda: all(turn.done() for turn in first_turns))

    assert second.running == 1
    second.let_go.set()
    for turn in second_turns:
        turn.result()
    assert (first.lane.held, second.lane.held) == (0, 0)


@pytest.mark.parametrize(
    ("run_s", "earliest_s", "latest_s"), [(0.01, 1, 1), (1.2, 2, 2)]
)
def test_the_longer_runs_take_the_later_one_is_told_to_come_back(
    monkeypatch, run_s, earliest_s, latest_s
):
    monkeypatch.setattr("portal.runtime.scheduler.SMOOTHING", 1)
    lane = Scheduler(max_running=1, places=1).lane()
    with lane.turn(Deadline(5)):
        time.sleep(run_s)

    with lane.turn(Deadline(5)):
        retries = set()
        for _ in range(50):
            with pytest.raises(Busy) as busy, lane.turn(Deadline(5)):
                pass
            retries.add(busy.value.retry_after_s)

    assert min(retries) == earliest_s
    assert max(retries) == latest_s


def test_not_all_are_told_to_come_back_at_once():
    lane = Scheduler(max_running=1, places=1).lane()
    lane.run_s = 10

    with lane.turn(Deadline(5)):
        retries = {lane.retry_after_s() for _ in range(100)}

    assert min(retries) >= 10
    assert max(retries) <= 15
    assert len(retries) > 3


def test_calls_that_may_share_a_run_count_as_one():
    scheduler = Scheduler(max_running=3, places=12)
    shared, other = scheduler.lane(max_running=1, batch=3), scheduler.lane()

    with ExitStack() as turns:
        for _ in range(3):
            turns.enter_context(shared.turn(Deadline(0.05)))
        with pytest.raises(RunTimedOut), shared.turn(Deadline(0.05)):
            pass
        for _ in range(2):
            turns.enter_context(other.turn(Deadline(0.05)))
        with pytest.raises(RunTimedOut), other.turn(Deadline(0.05)):
            pass

    with ExitStack() as turns:  # all of it was given back
        for _ in range(3):
            turns.enter_context(other.turn(Deadline(0.05)))


def test_each_call_that_shares_a_run_holds_a_place():
    scheduler = Scheduler(max_running=2, places=3)
    lane = scheduler.lane(max_running=1, batch=8)

    with ExitStack() as turns:
        for _ in range(3):
            turns.enter_context(lane.turn(Deadline(1)))
        with pytest.raises(Busy), lane.turn(Deadline(1)):
            pass
