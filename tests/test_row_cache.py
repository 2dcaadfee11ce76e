"""Rows that every call asks for are read once a second, and never stay wrong."""

import sqlite3
import time

import pytest
from sqlalchemy import event, select, update

from portal import accounts, keys
from portal.accounts import User
from portal.db import cached, db
from tests.factories import make_key, make_user


@pytest.fixture
def user(app):
    return make_user("ada@example.org")


@pytest.fixture
def statements(app):
    told = []
    event.listen(
        db.engine, "before_cursor_execute", lambda *about: told.append(about[2])
    )
    return told


def email_of(user_id):
    query = select(User).where(User.id == user_id)
    return cached(("user", user_id), lambda session: session.scalar(query)).email


def test_what_was_read_lately_is_not_read_again(user, statements):
    user_id = user.id
    email_of(user_id)
    statements.clear()

    answers = [email_of(user_id) for _ in range(3)]

    assert answers == ["ada@example.org"] * 3
    assert statements == []


@pytest.mark.parametrize("how", ["object", "statement"])
def test_a_commit_of_this_process_is_seen_at_once(user, how):
    user_id = user.id
    email_of(user_id)

    if how == "object":
        accounts.find(user_id).email = "eve@example.org"
    else:
        db.session.execute(update(User).values(email="eve@example.org"))
    before = email_of(user_id)
    db.session.commit()

    assert (before, email_of(user_id)) == ("ada@example.org", "eve@example.org")


def test_what_another_process_commits_is_seen_within_a_second(user, config):
    user_id = user.id
    email_of(user_id)
    with sqlite3.connect(config.data_dir / "portal.sqlite3") as other:
        other.execute("UPDATE users SET email = 'eve@example.org'")
    began = time.monotonic()

    while email_of(user_id) != "eve@example.org":
        assert time.monotonic() - began < 1
        time.sleep(0.01)


def test_what_is_not_there_is_looked_for_again(app):
    secret = keys.make_secret()
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(secret)

    api_key, found = make_key(make_user())

    assert keys.authenticate(found).id == api_key.id


def test_what_was_read_before_a_commit_is_not_kept_after_it(user):
    user_id = user.id
    query = select(User).where(User.id == user_id)

    def read_slowly(session):
        row = session.scalar(query)
        accounts.find(user_id).email = "eve@example.org"  # meanwhile, elsewhere
        db.session.commit()
        return row

    assert cached(("user", user_id), read_slowly).email == "ada@example.org"
    assert email_of(user_id) == "eve@example.org"


def test_a_revoked_key_is_refused_at_the_next_call(user):
    api_key, secret = make_key(user)
    keys.authenticate(secret)

    keys.revoke(api_key)
    db.session.commit()

    with pytest.raises(keys.KeyRefused):
        keys.authenticate(secret)


def test_what_a_rollback_takes_back_changes_nothing(user, statements):
    user_id = user.id
    email_of(user_id)
    accounts.find(user_id).email = "eve@example.org"
    db.session.flush()
    db.session.rollback()
    statements.clear()

    assert email_of(user_id) == "ada@example.org"
    assert statements == []


def test_what_is_not_committed_is_not_kept(user):
    user_id = user.id
    accounts.find(user_id).email = "eve@example.org"
    db.session.flush()
    assert email_of(user_id) == "eve@example.org"

    db.session.rollback()

    assert email_of(user_id) == "ada@example.org"


def test_a_transaction_needs_no_second_connection(user):
    held = []
    assert db.session.scalar(select(User.email)) == user.email

    def look(session):
        session.scalar(select(User.id))
        held.append(db.engine.pool.checkedout())

    cached(("held",), look)

    assert held == [1]
