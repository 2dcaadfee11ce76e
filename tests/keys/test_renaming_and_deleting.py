"""A key gets another name, or leaves the list once it opens nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from portal import accounts, keys, usage
from portal.audit import AuditEvent
from portal.db import db, now
from portal.errors import Invalid, NotFound
from portal.keys import ApiKey
from portal.usage import Surface
from tests.factories import make_key, make_user
from tests.plans.figures import DEFAULT_PLAN


@pytest.fixture(params=["app", "pg_app"])
def portal(request):
    """The portal on SQLite, then on PostgreSQL."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def user(portal):
    return make_user()


def audited(action):
    db.session.rollback()
    return db.session.scalars(
        select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)
    ).all()


def stored(api_key):
    db.session.rollback()
    return db.session.get(ApiKey, api_key.id, populate_existing=True)


def make_revoked_key(user, name="script"):
    api_key, secret = make_key(user, name)
    keys.revoke(api_key)
    db.session.commit()
    return api_key, secret


def count_a_call(user, api_key, request_id="req_1"):
    usage.record(
        request_id=request_id,
        user_id=user.id,
        api_key_id=api_key.id,
        model_id=None,
        version=None,
        surface=Surface.API,
        status=200,
        latency_ms=1.0,
        compute_ms=1.0,
        unit_of=f"{now():%Y-%m}",
    )
    db.session.commit()


def usage_by_key(user):
    found = usage.rows_by(user, usage.By.KEY, usage.last_days(7))
    return [(row.label.text, row.label.is_named, row.sum.calls) for row in found]


def at_once(portal, deeds):
    """Do every one of *deeds* at the same time, each in a context of its own."""
    start = threading.Barrier(len(deeds), timeout=10)

    def do(deed):
        with portal.app_context():
            start.wait()
            outcome = deed()
            db.session.remove()
        return outcome

    with ThreadPoolExecutor(len(deeds)) as threads:
        return list(threads.map(do, deeds))


# Renaming


def test_a_key_goes_by_its_new_name(user):
    api_key, secret = make_key(user, "laptop")

    keys.rename(api_key, "  desk  ", actor_id=user.id)
    db.session.commit()

    assert keys.authenticate(secret).name == "desk"
    (event,) = audited("key.renamed")
    assert event.subject == f"key:{api_key.id}"
    assert event.actor_id == user.id
    assert event.details["name"] == "desk"
    assert event.details["prefix"] == api_key.prefix


def test_the_usage_of_a_renamed_key_goes_by_the_new_name(user):
    api_key, _ = make_key(user, "laptop")
    count_a_call(user, api_key)

    keys.rename(api_key, "desk")
    db.session.commit()

    assert usage_by_key(user) == [("desk", True, 1)]


@pytest.mark.parametrize("name", ["", "  ", "a" * 81, "a\nb", "a\x00b", "a\u202eb"])
def test_a_name_that_can_not_be_shown_is_refused(user, name):
    api_key, _ = make_key(user, "laptop")

    with pytest.raises(Invalid) as refused:
        keys.rename(api_key, name)

    assert refused.value.field == "name"
    assert stored(api_key).name == "laptop"


def test_the_same_name_again_is_no_deed(user):
    api_key, _ = make_key(user, "laptop")

    keys.rename(api_key, "laptop")
    db.session.commit()

    assert audited("key.renamed") == []


def test_of_two_renames_at_once_both_are_written_down_and_the_last_one_holds(
    portal, user
):
    api_key, _ = make_key(user, "laptop")
    api_key_id, user_id = api_key.id, user.id

    def rename_to(name):
        def rename():
            found = keys.find(api_key_id, owner=accounts.find(user_id))
            keys.rename(found, name)
            db.session.commit()

        return rename

    at_once(portal, [rename_to("desk"), rename_to("attic")])

    names = [event.details["name"] for event in audited("key.renamed")]
    assert sorted(names) == ["attic", "desk"]
    assert stored(api_key).name in names


def test_a_key_that_was_deleted_meanwhile_can_not_be_renamed(user):
    api_key, _ = make_revoked_key(user)
    keys.delete(api_key)
    db.session.commit()

    with pytest.raises(NotFound):
        keys.rename(api_key, "desk")

    assert audited("key.renamed") == []


# Deleting


def test_a_key_that_still_works_is_not_deleted(user):
    api_key, secret = make_key(user)

    with pytest.raises(keys.KeyActive, match="Revoke it first, then delete it"):
        keys.delete(api_key)

    db.session.rollback()
    assert keys.authenticate(secret).id == api_key.id
    assert keys.list_of(user) == [api_key]
    assert audited("key.deleted") == []


def test_a_revoked_key_leaves_the_list(user):
    api_key, secret = make_revoked_key(user)

    keys.delete(api_key, actor_id=user.id)
    db.session.commit()

    assert keys.list_of(user) == []
    assert keys.list_all() == []
    with pytest.raises(NotFound):
        keys.find(api_key.id, owner=user)
    with pytest.raises(NotFound):
        keys.find_by_prefix(api_key.prefix)
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(secret)
    (event,) = audited("key.deleted")
    assert event.subject == f"key:{api_key.id}"
    assert event.actor_id == user.id


def test_an_expired_key_is_deleted_to_the_second(user):
    with time_machine.travel("2026-11-24T12:00:00Z", tick=False) as clock:
        api_key = keys.issue(
            user, name="short", expires_in=timedelta(minutes=10)
        ).api_key
        db.session.commit()

        clock.shift(timedelta(minutes=9, seconds=59))
        with pytest.raises(keys.KeyActive):
            keys.delete(api_key)

        clock.shift(timedelta(seconds=1))
        keys.delete(api_key)
        db.session.commit()
        assert keys.list_of(user) == []


def test_of_a_deleted_key_the_name_and_who_used_it_are_forgotten(user):
    api_key, secret = make_key(user, "Ada's laptop")
    keys.mark_used(api_key, secret, address="198.51.100.7", user_agent="curl/8.5.0")
    keys.revoke(api_key)
    keys.delete(api_key)
    db.session.commit()

    row = stored(api_key)

    assert row.name == ""
    assert row.last_used_address is None
    assert row.last_used_agent is None


def test_the_calls_of_a_deleted_key_stay_counted_as_those_of_a_deleted_key(user):
    laptop, _ = make_revoked_key(user, "laptop")
    attic, _ = make_revoked_key(user, "attic")
    desk, _ = make_key(user, "desk")
    for number, api_key in enumerate((laptop, laptop, attic, desk)):
        count_a_call(user, api_key, f"req_{number}")

    keys.delete(laptop)
    keys.delete(attic)
    db.session.commit()

    assert usage_by_key(user) == [("deleted", False, 3), ("desk", True, 1)]
    assert usage.quota(user.id, DEFAULT_PLAN).used == 4


def test_a_deleted_key_is_no_active_key(user):
    make_key(user)
    api_key, _ = make_revoked_key(user)

    keys.delete(api_key)
    db.session.commit()

    assert keys.active_count(user) == 1


def test_the_prefix_of_a_deleted_key_is_not_drawn_again(user, monkeypatch):
    api_key, secret = make_revoked_key(user)
    keys.delete(api_key)
    db.session.commit()
    fresh = keys.make_secret()
    drawn = iter([secret, fresh])
    monkeypatch.setattr("portal.keys.secrets.make_secret", lambda: next(drawn))

    assert keys.issue(user, name="second").secret == fresh


def test_a_key_is_deleted_once_by_however_many_at_once(portal, user):
    api_key, _ = make_revoked_key(user)
    api_key_id = api_key.id

    def delete():
        keys.delete(db.session.get(ApiKey, api_key_id))
        db.session.commit()

    at_once(portal, [delete] * 4)

    assert len(audited("key.deleted")) == 1


def test_a_call_under_way_is_counted_though_its_key_is_deleted_meanwhile(user):
    """It began before the key was revoked; its answer is owed a record."""
    api_key, secret = make_key(user)
    authenticated = keys.authenticate(secret)
    keys.revoke(api_key)
    keys.delete(api_key)
    db.session.commit()

    keys.mark_used(authenticated, secret, address="198.51.100.7", user_agent="curl")
    count_a_call(user, authenticated)

    assert usage_by_key(user) == [("deleted", False, 1)]
    assert usage.quota(user.id, DEFAULT_PLAN).used == 1
    assert stored(api_key).last_used_address is None


def test_deleting_while_calling_loses_no_call(portal, user):
    api_key, _ = make_revoked_key(user)
    api_key_id, user_id = api_key.id, user.id

    def delete():
        keys.delete(db.session.get(ApiKey, api_key_id))
        db.session.commit()

    def record(number):
        return lambda: count_a_call(
            accounts.find(user_id), db.session.get(ApiKey, api_key_id), f"req_{number}"
        )

    at_once(portal, [delete, *(record(number) for number in range(6))])

    assert usage_by_key(user) == [("deleted", False, 6)]
    assert usage.quota(user.id, DEFAULT_PLAN).used == 6


def test_a_user_can_be_removed_with_every_key(user):
    api_key, _ = make_revoked_key(user)
    make_key(user)
    keys.delete(api_key)
    db.session.commit()

    db.session.delete(user)
    db.session.commit()

    assert db.session.scalars(select(ApiKey)).all() == []
