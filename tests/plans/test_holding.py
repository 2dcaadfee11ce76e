"""A plan holds for the calls of whoever has it, and a changed one soon after."""

import time
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

from portal import accounts, keys, plans, usage
from portal.db import db
from portal.errors import Invalid
from portal.extensions import parts
from portal.inference import housekeeping
from tests.api.calling import bearer, predict_iris
from tests.counted import quota_used, use_quota
from tests.factories import log_in, make_key, make_user


@pytest.fixture(params=["app", "pg_app"])
def database(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def secret(database):
    return make_key(make_user())[1]


@pytest.fixture
def client(database):
    return database.test_client()


def change(**terms):
    plans.change(plans.default(), terms)
    db.session.commit()


@contextmanager
def statements():
    told = []

    def note(*about):
        told.append(about[2])

    event.listen(db.engine, "before_cursor_execute", note)
    yield told
    event.remove(db.engine, "before_cursor_execute", note)


def test_the_plan_that_was_given_holds_for_keys_made_before(client, secret):
    assert predict_iris(client, secret).headers["X-RateLimit-Limit"] == "60"

    team = plans.create("team", {"rate": "5/minute", "monthly_predictions": 7})
    accounts.assign_plan(accounts.find_by_email("ada@example.org"), team)
    db.session.commit()
    me = client.get("/api/v1/me", headers=bearer(secret)).json

    assert me["plan"] == "team"
    assert me["quota"]["limit"] == 7
    # The call before was counted in the same minute.
    assert [(one["limit"], one["left"]) for one in me["limits"]] == [(5, 4)]


def test_a_call_reads_its_plan_without_asking_for_it(client, secret):
    predict_iris(client, secret)

    with statements() as told:
        answer = predict_iris(client, secret)

    assert answer.status_code == 200
    assert [one for one in told if "plans" in one] == []


def test_a_lowered_rate_counts_what_was_called_before(client, secret):
    answers = [predict_iris(client, secret) for _ in range(3)]
    change(rate="4/minute")

    answers += [predict_iris(client, secret) for _ in range(2)]

    # Units that this process held of the old rate may be counted for one second.
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    assert answers[-1].status_code == 429
    assert answers[-1].json["violated-policies"] == ["per-minute"]
    assert "4 calls per minute" in answers[-1].json["detail"]


def test_a_lowered_rate_is_exact_once_what_was_held_is_back(client, secret):
    for _ in range(3):
        predict_iris(client, secret)
    change(rate="5/minute")
    parts().rates.tidy(is_last=True)

    answers = [predict_iris(client, secret).status_code for _ in range(4)]

    assert answers == [200, 200, 429, 429]


def test_a_raised_rate_gives_what_it_has_more(client, secret):
    change(rate="2/minute")
    before = [predict_iris(client, secret).status_code for _ in range(3)]
    change(rate="4/minute")

    after = [predict_iris(client, secret).status_code for _ in range(3)]

    assert (before, after) == ([200, 200, 429], [200, 200, 429])


def test_a_lowered_quota_refuses_at_once_though_units_are_held(client, secret):
    # Here a process holds several units at a time.
    answers = [predict_iris(client, secret) for _ in range(2)]
    change(monthly_predictions=2)

    answers.append(predict_iris(client, secret))

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "all 2 predictions" in answers[-1].json["detail"]


def test_a_raised_quota_answers_again_and_is_exact(client, secret):
    user = accounts.find_by_email("ada@example.org")
    use_quota(user.id, 10_000)
    refused = predict_iris(client, secret)
    change(monthly_predictions=10_002)

    answers = [predict_iris(client, secret).status_code for _ in range(3)]

    assert refused.status_code == 429
    assert answers == [200, 200, 429]
    assert quota_used(user) == 10_002


def test_units_held_under_the_old_quota_come_back(client, secret):
    predict_iris(client, secret)
    change(monthly_predictions=9000)
    predict_iris(client, secret)

    usage.drain()
    usage.give_back_units(is_last=True)

    assert db.session.scalar(text("SELECT reserved FROM monthly_use")) == 0


def test_a_plan_that_changes_while_a_call_runs_holds_for_the_next(
    client, secret, monkeypatch
):
    def change_meanwhile(*_):
        with db.engine.begin() as connection:
            connection.execute(
                text("UPDATE plans SET monthly_predictions = 1, concurrency = 1")
            )

    with monkeypatch.context() as patch:
        run = housekeeping.due
        patch.setattr(
            "portal.inference.housekeeping.due", lambda: (change_meanwhile(), run())
        )
        first = predict_iris(client, secret)
    time.sleep(1.0)  # what was read may be as old as that

    second = predict_iris(client, secret)

    assert (first.status_code, second.status_code) == (200, 429)
    assert second.json["violated-policies"] == ["monthly"]


def test_fewer_slots_hold_for_the_next_call(client, secret):
    user = accounts.find_by_email("ada@example.org")
    with parts().slots.hold(f"user:{user.id}", 2):
        assert predict_iris(client, secret).status_code == 200
        change(concurrency=1)

        refused = predict_iris(client, secret)

    assert refused.json["violated-policies"] == ["concurrency"]
    assert "You have 1 running already" in refused.json["detail"]


def test_a_key_lives_as_long_as_the_plan_allows(database):
    user = make_user()
    with pytest.raises(Invalid, match="between 10 minutes and 365 days"):
        keys.issue(user, name="forever", expires_in=None)
    change(max_key_days=None)

    issued = keys.issue(user, name="forever", expires_in=None)

    assert issued.api_key.expires_at is None
    assert issued.api_key.is_active


def test_the_page_offers_the_lives_that_the_plan_allows(client, database):
    log_in(client, make_user())
    change(max_key_days=7)
    page = client.get("/keys").text
    change(max_key_days=None)
    free = client.get("/keys").text

    assert 'value="7d"' in page
    assert 'value="30d"' not in page
    assert 'value="never"' not in page
    assert 'value="never"' in free
