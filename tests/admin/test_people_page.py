"""The back office's list of people: searching, filtering, changing them."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import event, select

from portal import accounts, audit, keys, usage
from portal.db import db, now
from tests.counted import use_quota
from tests.factories import log_in, make_key, make_user
from tests.pages import csrf_token

AS_FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial"}
DEEDS = (
    "suspension",
    "restoration",
    "role",
    "sessions/ending",
    "reset-link",
    "verification-link",
)


def addresses(page):
    return re.findall(r'translate="no">([^<]+@[^<]+)</a>', page.text)


def change(browser, path, **fields):
    form = {"csrf_token": csrf_token(browser, "/admin/people"), **fields}
    return browser.post(path, data=form)


def fresh(user):
    db.session.expire_all()
    return accounts.find(user.id)


def events(action):
    query = select(audit.AuditEvent).where(audit.AuditEvent.action == action)
    return db.session.scalars(query.order_by(audit.AuditEvent.id)).all()


@contextmanager
def counted_statements():
    seen = []

    def note(_connection, _cursor, statement, *_rest):
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def make_people(amount):
    for number in range(amount):
        db.session.add(
            accounts.User(email=f"person{number}@example.org", link_nonce=str(number))
        )
    db.session.commit()


def test_the_list_says_of_each_person_what_an_owner_needs(owner, owner_browser):
    ada = make_user("ada@example.org", role="publisher")
    make_key(ada)
    expired, _ = make_key(ada, "old")
    keys.revoke(expired)
    db.session.commit()
    usage.record(
        request_id="req_1",
        user_id=ada.id,
        api_key_id=None,
        model_id=None,
        version=None,
        surface=usage.Surface.API,
        status=200,
        latency_ms=1.0,
        compute_ms=1.0,
        unit_of=f"{now():%Y-%m}",
    )

    page = owner_browser.get("/admin/people")

    row = page.text[page.text.index("ada@example.org") :].split("</tr>")[0]
    assert page.status_code == 200
    assert 'data-label="Role">Publisher<' in row
    assert "Verified" in row
    assert f"{now():%b %Y}" in row
    assert 'data-label="Last login">never<' in row
    assert 'data-label="Active keys">1<' in row
    assert 'data-label="Predictions">1<' in row


def test_the_newest_people_come_first(owner, owner_browser):
    make_user("ada@example.org")
    make_user("bob@example.org")

    page = owner_browser.get("/admin/people")

    assert addresses(page) == ["bob@example.org", "ada@example.org", owner.email]


def test_a_long_list_comes_in_pages_that_keep_the_search(owner_browser):
    make_people(60)

    first = owner_browser.get("/admin/people?q=person&status=unverified")
    older = re.search(r'href="([^"]*before=[^"]*)"', first.text).group(1)
    second = owner_browser.get(older.replace("&amp;", "&"))

    assert len(addresses(first)) == 50
    assert addresses(first)[0] == "person59@example.org"
    assert addresses(second) == [f"person{n}@example.org" for n in range(9, -1, -1)]


def test_a_full_page_takes_as_many_statements_as_one_row(owner, owner_browser):
    with counted_statements() as few:
        owner_browser.get("/admin/people")
    make_people(49)
    for user in accounts.list_users():
        use_quota(user.id, 1)

    with counted_statements() as many:
        page = owner_browser.get("/admin/people")

    assert len(addresses(page)) == 50
    assert len(many) == len(few)
    assert len(few) <= 5


def test_an_address_is_found_by_a_part_of_it(owner_browser):
    make_user("ada@example.org")
    make_user("b_b@example.org")
    everybody = ["b_b@example.org", "ada@example.org", "owner@example.org"]
    asked = {
        "ada": ["ada@example.org"],
        " ADA@Example ": ["ada@example.org"],
        "a\x00da": ["ada@example.org"],
        "_": ["b_b@example.org"],
        "%": [],
        "\\": [],
        "a" * 10_000: [],
        "' OR 1=1 --": [],
        "example.org": everybody,
        "": everybody,
    }

    found = {
        typed: addresses(owner_browser.get("/admin/people", query_string={"q": typed}))
        for typed in asked
    }

    assert found == asked


def test_people_are_filtered_by_role_and_status(owner_browser):
    make_user("ada@example.org", role="publisher")
    make_user("una@example.org", is_verified=False)
    make_user("sue@example.org", is_suspended=True, is_verified=False)
    asked = {
        "role=publisher": ["ada"],
        "role=owner": ["owner"],
        "status=suspended": ["sue"],
        "status=unverified": ["una"],
        "status=verified": ["ada", "owner"],
        "status=verified&role=publisher&q=ad": ["ada"],
        "role=user&status=verified": [],
        "role=king&status=odd&before=x": ["sue", "una", "ada", "owner"],
    }

    found = {
        address: addresses(owner_browser.get(f"/admin/people?{address}"))
        for address in asked
    }

    assert found == {
        address: [f"{name}@example.org" for name in names]
        for address, names in asked.items()
    }


def test_what_was_asked_for_stands_in_the_form(owner_browser):
    page = owner_browser.get('/admin/people?q="><b>&role=publisher&status=suspended')

    assert 'value="&#34;&gt;&lt;b&gt;"' in page.text
    assert re.search(r'value="publisher"\s+selected', page.text)
    assert re.search(r'value="suspended"\s+selected', page.text)
    assert "Nobody found" in page.text


def test_the_list_comes_as_a_fragment_to_htmx(owner, owner_browser):
    answer = owner_browser.get("/admin/people?q=owner", headers=AS_FRAGMENT)

    assert answer.text.strip().startswith('<div class="stack" id="people">')
    assert addresses(answer) == [owner.email]
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_suspended_person_is_out_at_once(app, owner, owner_browser):
    ada = make_user("ada@example.org")
    _, secret = make_key(ada)
    browser = app.test_client()
    log_in(browser, ada)

    answer = change(owner_browser, f"/admin/people/{ada.id}/suspension")

    call = browser.get("/api/v1/me", headers={"X-API-Key": secret})
    (written,) = events("user.suspended")
    assert (answer.status_code, answer.location) == (303, "/admin/people")
    assert browser.get("/keys").location.startswith("/login")
    assert call.status_code == 403
    assert (written.actor_id, written.subject) == (owner.id, f"user:{ada.id}")
    assert written.address == "127.0.0.1"
    assert "Suspended" in owner_browser.get("/admin/people?q=ada").text


def test_a_restored_person_gets_in_again(owner, owner_browser):
    ada = make_user("ada@example.org", is_suspended=True)

    answer = change(owner_browser, f"/admin/people/{ada.id}/restoration")

    (written,) = events("user.restored")
    assert answer.status_code == 303
    assert not fresh(ada).is_suspended
    assert written.actor_id == owner.id


def test_another_role_ends_the_logins(app, owner, owner_browser):
    ada = make_user("ada@example.org")
    browser = app.test_client()
    log_in(browser, ada)

    answer = change(owner_browser, f"/admin/people/{ada.id}/role", role="publisher")

    (written,) = events("user.role_changed")
    assert answer.status_code == 303
    assert fresh(ada).role == "publisher"
    assert browser.get("/keys").location.startswith("/login")
    assert written.actor_id == owner.id
    assert written.details == {"before": "user", "after": "publisher"}


def test_a_role_form_changes_nothing_but_the_role(owner_browser):
    ada = make_user("ada@example.org", is_verified=False)
    fields = {"email": "eve@example.org", "verified_at": "2020-01-01", "id": "1"}

    change(owner_browser, f"/admin/people/{ada.id}/role", role="publisher", **fields)

    ada = fresh(ada)
    assert (ada.role, ada.email) == ("publisher", "ada@example.org")
    assert not ada.is_verified


@pytest.mark.parametrize("role", ["king", "", "OWNER"])
def test_a_role_that_there_is_not_is_refused_in_place(owner_browser, role):
    ada = make_user("ada@example.org")

    answer = change(owner_browser, f"/admin/people/{ada.id}/role?q=ada", role=role)

    assert answer.status_code == 422
    assert "There is no such role." in answer.text
    assert addresses(answer) == ["ada@example.org"]
    assert fresh(ada).role == "user"


def test_a_deed_comes_back_to_the_list_as_it_was(owner_browser):
    ada = make_user("ada@example.org")
    make_user("bob@example.org")
    shown = f"/admin/people?q=ada&role=user&status=verified&before={ada.id + 5}"
    page = owner_browser.get(shown)
    action = re.search(r'action="([^"]*/suspension[^"]*)"', page.text).group(1)

    answer = change(owner_browser, action.replace("&amp;", "&"))

    assert answer.location == shown


@pytest.mark.parametrize("headers", [{}, AS_FRAGMENT])
def test_a_refusal_is_said_above_the_list_as_it_is_now(owner, owner_browser, headers):
    form = {"csrf_token": csrf_token(owner_browser, "/admin/people"), "role": "user"}

    answer = owner_browser.post(
        f"/admin/people/{owner.id}/role?q=own", data=form, headers=headers
    )

    assert answer.status_code == 409
    assert "This is the last owner. Make somebody else an owner first." in answer.text
    assert addresses(answer) == [owner.email]
    assert ("<html" in answer.text) is not bool(headers)
    assert fresh(owner).is_owner


def test_the_last_owner_who_gets_in_is_not_suspended(app, owner, owner_browser):
    second = make_user("second@example.org", role="owner")
    token = csrf_token(owner_browser, "/admin/people")
    accounts.suspend(second)
    db.session.commit()

    answer = owner_browser.post(
        f"/admin/people/{owner.id}/role",
        data={"csrf_token": token, "role": "publisher"},
    )

    assert answer.status_code == 409


def test_nobody_suspends_themselves(owner, owner_browser):
    make_user("second@example.org", role="owner")

    answer = change(owner_browser, f"/admin/people/{owner.id}/suspension")

    assert answer.status_code == 409
    assert "This is you. Only another owner can suspend you." in answer.text
    assert not fresh(owner).is_suspended
    assert events("user.suspended") == []


def test_one_s_own_row_does_not_offer_it(owner, owner_browser):
    page = owner_browser.get("/admin/people").text

    assert f"/admin/people/{owner.id}/role" in page
    assert f"/admin/people/{owner.id}/suspension" not in page
    assert f'hx-post="/admin/people/{owner.id}' not in page


def test_who_gives_up_being_an_owner_logs_in_anew(app, owner, owner_browser):
    make_user("second@example.org", role="owner")

    answer = change(owner_browser, f"/admin/people/{owner.id}/role", role="user")

    page = owner_browser.get(answer.location)
    assert (answer.status_code, answer.location) == (303, "/login")
    assert page.status_code == 200
    assert "The role of owner@example.org is changed." in page.text
    assert fresh(owner).role == "user"


def test_the_role_one_has_already_changes_nothing(owner, owner_browser):
    answer = change(owner_browser, f"/admin/people/{owner.id}/role", role="owner")

    assert answer.location == "/admin/people"
    assert owner_browser.get("/admin/people").status_code == 200
    assert events("user.role_changed") == []


def test_suspending_twice_is_harmless(owner_browser):
    ada = make_user("ada@example.org", is_suspended=True)
    since = ada.suspended_at

    answer = change(owner_browser, f"/admin/people/{ada.id}/suspension")

    assert answer.status_code == 303
    assert fresh(ada).suspended_at == since
    assert events("user.suspended") == []


def test_suspending_and_taking_an_owner_s_role_ask_first(owner_browser):
    make_user("ada@example.org")

    page = owner_browser.get("/admin/people").text

    assert 'data-confirm="Suspend ada@example.org?' in page
    assert 'data-confirm="Change the role of owner@example.org, an owner?' in page
    assert 'data-confirm="Change the role of ada@' not in page


@pytest.mark.parametrize("role", ["user", "publisher"])
def test_only_an_owner_changes_people(client, owner, role):
    user = make_user("ada@example.org", role=role)
    key, _ = make_key(owner)
    log_in(client, user)
    form = {"csrf_token": csrf_token(client, "/keys"), "role": "owner"}

    answers = {
        client.post(f"/admin/people/{person.id}/{deed}", data=form).status_code
        for person in (user, owner)
        for deed in (*DEEDS, f"keys/{key.id}/revocation")
    }

    assert answers == {403}
    assert fresh(user).role == role
    assert not fresh(owner).is_suspended
    assert key.is_active


@pytest.mark.parametrize(
    "path", ["/admin/people/999/role", f"/admin/people/{10**30}/role"]
)
def test_a_person_who_is_not_there_is_not_found(owner_browser, path):
    assert change(owner_browser, path, role="user").status_code == 404


def test_two_owners_who_suspend_each_other_leave_one(pg_app):
    owners = [make_user(f"owner{n}@example.org", role="owner") for n in range(2)]
    browsers = [pg_app.test_client() for _ in owners]
    forms = []
    for browser, owner in zip(browsers, owners, strict=True):
        log_in(browser, owner)
        forms.append({"csrf_token": csrf_token(browser, "/admin/people")})

    def suspend_other(number):
        path = f"/admin/people/{owners[1 - number].id}/suspension"
        return browsers[number].post(path, data=forms[number]).status_code

    with ThreadPoolExecutor(2) as both:
        answers = sorted(both.map(suspend_other, range(2)))

    # The one who comes second is refused, or has no login any more.
    assert answers in ([303, 303], [303, 409])
    assert sum(fresh(owner).is_suspended for owner in owners) == 1


def test_the_search_is_as_exact_on_postgresql(pg_app):
    browser = pg_app.test_client()
    log_in(browser, make_user("owner@example.org", role="owner"))
    make_user("a_da@example.org")
    make_user("a%da@example.org")
    asked = {
        "_D": ["a_da"],
        "a%d": ["a%da"],
        "a\x00_": ["a_da"],
        "\\": [],
        "\ufffd": [],
    }

    found = {
        typed: addresses(browser.get("/admin/people", query_string={"q": typed}))
        for typed in asked
    }

    assert found == {
        typed: [f"{name}@example.org" for name in names]
        for typed, names in asked.items()
    }
    assert browser.get("/admin/people?q=%ff%00%ed%a0%80").status_code == 200
