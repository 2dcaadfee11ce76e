import json
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from portal import accounts
from portal.audit import AuditEvent
from portal.db import db, now
from portal.mail import OutgoingMessage
from tests.factories import PASSWORD, log_in, make_user
from tests.pages import csrf_token

NEW_PASSWORD = "nine patient herons wade"


@pytest.fixture
def users(runner):
    """Return `flask users` as a function."""
    return lambda *args, **options: runner.invoke(args=["users", *args], **options)


@pytest.fixture
def link(users):
    """Return the path that `flask users create` printed for a new user."""
    done = users("create", "--email", "ada@example.org", "--verified")
    return "/" + done.stdout.strip().split("/", 3)[3]


def set_password(client, link, password=NEW_PASSWORD):
    token = csrf_token(client, link)
    return client.post(link, data={"csrf_token": token, "password": password})


def test_a_user_is_made_with_a_password_from_stdin(users):
    done = users(
        *("create", "--email", "Ada@Example.org", "--role", "publisher"),
        *("--verified", "--password-stdin"),
        input=f"{PASSWORD}\n",
    )

    user = accounts.log_in("ada@example.org", PASSWORD, network="::")
    assert done.exit_code == 0
    assert (user.role, user.is_verified) == ("publisher", True)
    assert PASSWORD not in done.output


def test_without_a_password_only_a_link_is_printed_on_stdout(app, users):
    done = users("create", "--email", "ada@example.org")

    base_url = app.extensions["portal"].config.base_url
    user = accounts.find_by_email("ada@example.org")
    assert done.stdout.startswith(f"{base_url}/reset-password/")
    assert len(done.stdout.splitlines()) == 1
    assert (user.role, user.is_verified) == ("user", False)


def test_the_link_sets_a_password(client, link):
    answer = set_password(client, link)

    assert (answer.status_code, answer.location) == (303, "/login")
    assert accounts.log_in("ada@example.org", NEW_PASSWORD, network="::")


def test_the_link_works_once(app, client, link):
    late = app.test_client()
    token = csrf_token(late, link)
    set_password(client, link)

    answer = late.post(link, data={"csrf_token": token, "password": PASSWORD})

    assert answer.status_code == 404
    assert accounts.log_in("ada@example.org", NEW_PASSWORD, network="::")


def test_opening_the_link_uses_nothing_up(client, link):
    assert [client.get(link).status_code for _ in range(3)] == [200] * 3
    assert set_password(client, link).status_code == 303


def test_a_poor_password_leaves_the_link_usable(client, link):
    refused = set_password(client, link, "password1234")

    assert refused.status_code == 422
    assert refused.headers["Referrer-Policy"] == "no-referrer"
    assert set_password(client, link).status_code == 303


def test_the_link_works_for_an_hour(client, link):
    with time_machine.travel(now() + timedelta(minutes=61)):
        answer = client.get(link)

    assert answer.status_code == 404
    assert "expired" in answer.text


def test_the_link_verifies_nobody(client, link):
    token = link.rpartition("/")[2]

    assert client.get(f"/verify-email/{token}").status_code == 404


def test_a_password_set_by_a_link_ends_every_session_and_is_told(app, client):
    user = make_user()
    log_in(client, user)
    link = "/" + accounts.set_password_link(user).split("/", 3)[3]
    db.session.commit()

    set_password(app.test_client(), link)

    (mail,) = db.session.scalars(select(OutgoingMessage))
    assert mail.kind == "password-changed"
    assert client.get("/account").status_code == 303


def test_users_are_listed(users):
    make_user("ada@example.org", role="owner")
    make_user("bob@example.org", is_verified=False, is_suspended=True)

    lines = users("list").stdout.splitlines()
    listed = json.loads(users("list", "--json").stdout)

    assert lines == [
        "ada@example.org  owner      verified",
        "bob@example.org  user       not verified, suspended",
    ]
    assert [user["email"] for user in listed] == ["ada@example.org", "bob@example.org"]
    assert listed[1]["suspended"] is True


def test_a_suspended_user_is_shut_out_until_restored(users, client):
    log_in(client, make_user())

    assert users("suspend", "ada@example.org").exit_code == 0
    assert client.get("/account").status_code == 303
    with pytest.raises(accounts.errors.UserSuspended):
        accounts.log_in("ada@example.org", PASSWORD, network="::")

    assert users("restore", "ADA@example.org").exit_code == 0
    assert accounts.log_in("ada@example.org", PASSWORD, network="::")


def test_a_new_role_ends_the_sessions(users, client):
    log_in(client, make_user())

    done = users("role", "ada@example.org", "publisher")

    assert done.exit_code == 0
    assert accounts.find_by_email("ada@example.org").role == "publisher"
    assert client.get("/account").status_code == 303


@pytest.mark.parametrize(
    "args", [("suspend", "ada@example.org"), ("role", "ada@example.org", "user")]
)
def test_the_last_owner_stays(users, args):
    make_user(role="owner")
    make_user("bob@example.org", role="owner", is_suspended=True)

    done = users(*args)

    assert done.exit_code == 1
    assert "last owner" in done.stderr
    assert accounts.find_by_email("ada@example.org").is_owner


def test_one_of_two_owners_may_go(users):
    make_user(role="owner")
    make_user("bob@example.org", role="owner")

    assert users("role", "ada@example.org", "user").exit_code == 0


@pytest.mark.parametrize(
    ("args", "status", "sentence"),
    [
        (("create", "--email", "ada@example.org"), 1, "has an account already"),
        (("create", "--email", "a@b.c, d@e.f"), 2, "one address only"),
        (("create", "--email", "x@y.test", "--role", "king"), 2, "king"),
        (("create",), 2, "--email"),
        (("suspend", "nobody@example.org"), 1, "no such user"),
        (("restore", "nobody"), 2, "e-mail address"),
        (("role", "ada@example.org", "king"), 2, "king"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(users, args, status, sentence):
    make_user()

    done = users(*args)

    assert done.exit_code == status
    assert done.stdout == ""
    assert sentence in done.stderr


def test_a_poor_password_is_a_wrong_argument(users):
    done = users(
        "create", "--email", "ada@example.org", "--password-stdin", input="password1234"
    )

    assert done.exit_code == 2
    assert "easy to guess" in done.stderr
    assert accounts.list_users() == []


def test_every_deed_is_audited(users):
    users("create", "--email", "ada@example.org")
    users("suspend", "ada@example.org")
    users("restore", "ada@example.org")
    users("role", "ada@example.org", "publisher")

    actions = list(
        db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id))
    )
    assert actions == [
        "user.created",
        "user.suspended",
        "user.restored",
        "user.role_changed",
    ]
