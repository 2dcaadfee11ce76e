"""Every answer is counted once, whatever is killed or restarted meanwhile."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
import requests

from tests.servers import Portal, Postgres, Redis

pytestmark = pytest.mark.slow

USERS = 3
CALLS = 50  # of each; the plan allows 60 a minute
IRIS = {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}


@pytest.fixture
def database(postgres: Postgres) -> str:
    return postgres.create_database("counting")


@pytest.fixture
def portal(database: str) -> Iterator[Portal]:
    # Its Redis is of its own, since it is stopped.
    with Redis() as redis, Portal.production(database, redis.url) as running:
        running.redis = redis
        yield running


def make_secret(portal: Portal, number: int) -> str:
    email = ("--email", f"user{number}@example.org")
    portal.flask("users", "create", *email, "--verified")
    return portal.flask("keys", "create", *email, "--name", "k").stdout.strip()


def call(portal: Portal, secret: str) -> int:
    """Return the status of a call; 0 when its connection broke."""
    try:
        return requests.post(
            f"{portal.base_url}/api/v1/models/iris/predict",
            json=IRIS,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=20,
        ).status_code
    except requests.RequestException:
        return 0


def kill_web_processes(portal: Portal, until: float) -> int:
    """Kill one after another; return how many."""
    killed = 0
    while time.monotonic() < until:
        time.sleep(0.4)
        with open(f"/proc/{portal.pid}/task/{portal.pid}/children") as file:  # noqa: PTH123 - procfs
            workers = [int(pid) for pid in file.read().split()]
        if workers:
            os.kill(workers[killed % len(workers)], signal.SIGKILL)
            killed += 1
    return killed


def counted(database: str) -> tuple[int, int, int, int]:
    """Return the answers by minute, hour and day, and the units used and reserved."""
    connection = psycopg2.connect(database)
    # One picture of all tables, whatever is drained meanwhile.
    connection.set_session(isolation_level="REPEATABLE READ")
    with connection, connection.cursor() as cursor:
        sums = []
        for table in ("usage_minutes", "usage_hours", "usage_days"):
            cursor.execute(
                f"SELECT COALESCE(SUM(calls), 0) FROM {table} WHERE status = 200"  # noqa: S608
            )
            sums.append(int(cursor.fetchone()[0]))
        cursor.execute("SELECT SUM(used), SUM(reserved) FROM monthly_use")
        used, reserved = cursor.fetchone()
    connection.close()
    assert sums == sums[:1] * 3
    return sums[0], int(used or 0), int(reserved or 0)


def test_killed_workers_and_a_lost_redis_cost_no_count(
    portal: Portal, database: str
) -> None:
    secrets = [make_secret(portal, number) for number in range(USERS)]
    begun = time.monotonic()

    with ThreadPoolExecutor(USERS + 1) as threads:
        killing = threads.submit(kill_web_processes, portal, begun + 4)
        paced = [
            threads.submit(_call_often, portal, secret, begun) for secret in secrets
        ]
        time.sleep(1.5)
        portal.redis.stop()
        portal.stop_worker()
        time.sleep(1)
        portal.redis.start()
        portal.start_worker()
        statuses = [status for one in paced for status in one.result()]
        killed = killing.result()

    answered, broken = statuses.count(200), statuses.count(0)
    assert killed >= 5
    assert answered > USERS * CALLS / 2
    deadline = time.monotonic() + 15
    while (found := counted(database))[2] and time.monotonic() < deadline:
        time.sleep(0.2)
    calls, used, reserved = found
    # What was counted when its connection broke can't be told from what was not.
    assert answered <= calls <= answered + broken
    assert used == calls
    assert reserved == 0


def _call_often(portal: Portal, secret: str, begun: float) -> list[int]:
    statuses = []
    for number in range(CALLS):
        # So that all kills find calls on their way.
        time.sleep(max(0.0, begun + number * 4.5 / CALLS - time.monotonic()))
        statuses.append(call(portal, secret))
    return statuses
