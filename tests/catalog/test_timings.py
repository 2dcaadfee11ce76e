"""What calls really took is kept for an hour, of all processes together."""

import json

import numpy as np
import pytest
import time_machine

from portal import catalog, extensions
from portal.catalog.tables import VersionTiming
from portal.db import db
from portal.runtime import Statistics
from tests import onnx_files
from tests.published import publish_iris

NOON = "2026-11-28 12:00:00+00:00"
TIMINGS = {"queue": 1.0, "preprocess": 2.0, "inference": 30.0, "postprocess": 3.0}
ROW = {"x": np.zeros((1, 2), np.float32)}


@pytest.fixture
def version(publish, tmp_path):
    path = tmp_path / "cats.onnx"
    path.write_bytes(onnx_files.adder())
    return publish(path)


class Process:
    """A process that has the version in memory."""

    def __init__(self, version, holder):
        self.spec = catalog.version_spec(version, extensions.config())
        self.statistics = Statistics()
        self.holder = holder

    def call(self, total_ms, *, joined=1):
        self.statistics.succeeded(TIMINGS | {"total": total_ms}, joined=joined)

    def keep(self):
        catalog.keep_timings([self], holder=self.holder)


def told(version):
    """Return how many calls there were, and half and 99 % of their times."""
    tally = catalog.lately([version]).get(version.id)
    total = tally.durations["total"]
    return tally.calls, round(total.p50_ms), round(total.p99_ms)


def test_what_processes_counted_is_told_together(version):
    one, other = Process(version, "one"), Process(version, "other")
    for _ in range(60):
        one.call(40)
    for _ in range(40):
        other.call(400, joined=2)

    one.keep()
    other.keep()

    calls, half, slowest = told(version)
    assert calls == 100
    assert half == pytest.approx(40, rel=0.06)
    assert slowest == pytest.approx(400, rel=0.06)
    tally = catalog.lately([version])[version.id]
    assert tally.durations["queue"].p50_ms == pytest.approx(1, rel=0.06)
    assert tally.durations["total"].sum_ms == pytest.approx(18_400)
    assert tally.joined == {1: 60, 2: 40}


def test_what_is_kept_again_is_not_counted_twice(version):
    process = Process(version, "one")
    process.call(40)
    process.keep()

    process.call(40)
    assert process.statistics.has_news
    process.keep()

    assert told(version)[0] == 2
    assert not process.statistics.has_news


def test_a_call_belongs_to_one_span(version):
    process = Process(version, "one")
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(3):
            process.call(40)
            process.keep()
            clock.shift(600)

        assert told(version)[0] == 3


def test_what_could_not_be_kept_is_kept_in_the_next_span(version, monkeypatch):
    process = Process(version, "one")
    with time_machine.travel(NOON, tick=False) as clock:
        process.call(40)
        process.keep()
        process.call(40)
        with monkeypatch.context() as patch:
            patch.setattr(db.session, "commit", lambda: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                process.keep()
        db.session.rollback()
        assert process.statistics.has_news
        clock.shift(600)
        process.keep()

        assert told(version)[0] == 2


def test_calls_before_the_last_hour_are_told_no_more_and_then_forgotten(
    version, runner
):
    process = Process(version, "one")
    with time_machine.travel(NOON, tick=False) as clock:
        process.call(40)
        process.keep()
        clock.shift(4000)
        process.call(400)
        process.keep()
        clock.shift(300)

        assert told(version)[0] == 1
        runner.invoke(args=["worker", "--once"])

    assert db.session.query(VersionTiming).count() == 1


def test_a_version_that_is_gone_keeps_no_other_from_being_kept(version, publish):
    process, gone = Process(version, "one"), Process(version, "one")
    gone.spec = onnx_files.version(gone.spec.files["model"], b"", digest="gone")
    process.call(40)
    gone.call(40)

    catalog.keep_timings([gone, process], holder="one")

    assert told(version)[0] == 1


def test_processes_keep_theirs_on_postgresql(pg_app):
    version = publish_iris()
    for holder in ("one", "other", "one"):
        process = Process(version, holder)
        process.call(40)
        process.keep()

    # The third has the name of the first, so it writes over what that kept.
    assert told(version)[0] == 2


def test_show_tells_it(version, runner):
    process = Process(version, "one")
    process.call(40, joined=3)
    process.keep()

    text = runner.invoke(args=["models", "show", "cats"]).stdout
    (shown,) = json.loads(
        runner.invoke(args=["models", "show", "cats", "--json"]).stdout
    )["versions"]

    assert "in the last hour 1 call(s): 39 ms" in text  # within six per cent
    assert shown["last_hour"]["calls"] == 1
    assert shown["last_hour"]["joined"] == {"3": 1}
    assert shown["last_hour"]["durations"]["inference"]["count"] == 1
