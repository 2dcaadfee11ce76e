"""`flask keys`, as the owner types it."""

import json

import pytest
import time_machine

from portal import keys
from portal.db import db
from tests.factories import make_key, make_user


@pytest.fixture
def user(app):
    return make_user()


def test_create_prints_the_key_and_nothing_else(runner, user):
    result = runner.invoke(
        args=["keys", "create", "--email", user.email, "--name", "cron"]
    )

    assert result.exit_code == 0
    assert result.stdout == f"{result.stdout.strip()}\n"
    assert keys.authenticate(result.stdout.strip()).name == "cron"


def test_create_takes_scopes_and_a_lifetime(runner, user):
    options = ["--scope", "predict", "--scope", "usage:read", "--expires-in", "12h"]

    result = runner.invoke(
        args=["keys", "create", "--email", user.email, "--name", "cron", *options]
    )

    api_key = keys.authenticate(result.stdout.strip())
    assert api_key.scopes == ["predict", "usage:read"]
    assert (api_key.expires_at - api_key.created_at).total_seconds() == 12 * 3600


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--expires-in", "soon"], "written like 10m, 12h or 30d"),
        (["--expires-in", "5m"], "between 10 minutes and 365 days"),
        (["--expires-in", "366d"], "between 10 minutes and 365 days"),
        (["--scope", "everything"], "'everything' is not one of"),
    ],
)
def test_a_wrong_argument_ends_with_status_2(runner, user, options, sentence):
    result = runner.invoke(
        args=["keys", "create", "--email", user.email, "--name", "cron", *options]
    )

    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""
    assert keys.list_of(user) == []


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("nobody@example.org", "There is no such user."),
        ("bob@example.org", "Keys need a confirmed address."),
    ],
)
def test_a_refused_key_ends_with_status_1(runner, app, email, sentence):
    make_user("bob@example.org", is_verified=False)

    result = runner.invoke(args=["keys", "create", "--email", email, "--name", "cron"])

    assert result.exit_code == 1
    assert sentence in result.stderr
    assert result.stdout == ""


def test_list_shows_a_line_for_each_key(runner, user):
    api_key, secret = make_key(user, "laptop")
    make_key(make_user("bob@example.org"), "server")

    everybody = runner.invoke(args=["keys", "list"])
    hers = runner.invoke(args=["keys", "list", "--email", user.email])

    assert "laptop" in everybody.stdout
    assert "server" in everybody.stdout
    assert "server" not in hers.stdout
    assert api_key.prefix in hers.stdout
    assert secret not in hers.stdout


def test_list_prints_json(runner, user):
    api_key, _ = make_key(user, "laptop")

    result = runner.invoke(args=["keys", "list", "--json"])

    (row,) = json.loads(result.stdout)
    assert row["prefix"] == api_key.prefix
    assert row["email"] == "ada@example.org"
    assert row["scopes"] == ["predict"]
    assert row["status"] == "active"
    assert row["expires_at"].endswith("+00:00")


def test_list_says_who_used_a_key_last(runner, user):
    make_key(user, "attic")
    api_key, secret = make_key(user, "laptop")
    with time_machine.travel("2026-11-25T12:34:56Z", tick=False):
        keys.mark_used(api_key, secret, address="198.51.100.7", user_agent="curl/8.5.0")

    used, unused = runner.invoke(args=["keys", "list"]).stdout.splitlines()
    row, other = json.loads(runner.invoke(args=["keys", "list", "--json"]).stdout)

    assert "last used 2026-11-25T12:34+00:00 from 198.51.100.7 (curl/8.5.0)" in used
    assert "never used" in unused
    assert row["last_used_at"] == "2026-11-25T12:34+00:00"
    assert row["last_used_address"] == "198.51.100.7"
    assert row["last_used_agent"] == "curl/8.5.0"
    assert other["last_used_at"] is None


def test_list_leaves_deleted_keys_out(runner, user):
    api_key, _ = make_key(user, "laptop")
    keys.revoke(api_key)
    keys.delete(api_key)
    db.session.commit()

    assert runner.invoke(args=["keys", "list"]).stdout == ""
    assert json.loads(runner.invoke(args=["keys", "list", "--json"]).stdout) == []


@pytest.mark.parametrize("mark", ["", "mp_"])
def test_revoke_ends_the_key_with_that_prefix(runner, user, mark):
    api_key, secret = make_key(user)

    result = runner.invoke(args=["keys", "revoke", f"{mark}{api_key.prefix}"])

    assert result.exit_code == 0
    db.session.refresh(api_key)
    with pytest.raises(keys.KeyRefused):
        keys.authenticate(secret)


def test_revoke_says_when_there_is_no_such_key(runner, app):
    result = runner.invoke(args=["keys", "revoke", "nothing0"])

    assert result.exit_code == 1
    assert "There is no such key." in result.stderr


def test_create_takes_restrictions(runner, user):
    options = ["--model", "ocr", "--model", "mrz", "--address", "2001:DB8::/48"]
    options += ["--origin", "https://example.org"]

    runner.invoke(
        args=["keys", "create", "--email", user.email, "--name", "page", *options]
    )
    listed = runner.invoke(args=["keys", "list", "--json"])
    line = runner.invoke(args=["keys", "list"]).stdout

    (row,) = json.loads(listed.stdout)
    assert row["models"] == ["ocr", "mrz"]
    assert row["addresses"] == ["2001:db8::/48"]
    assert row["origins"] == ["https://example.org"]
    assert "only ocr,mrz  from 2001:db8::/48  on https://example.org" in line


def test_create_names_an_entry_that_is_no_address(runner, user):
    options = ["--address", "somewhere"]

    result = runner.invoke(
        args=["keys", "create", "--email", user.email, "--name", "page", *options]
    )

    assert result.exit_code == 2
    assert "“somewhere” is no address." in result.stderr
    assert keys.list_of(user) == []
