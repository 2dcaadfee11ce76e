"""What a key may be narrowed to, and how that is written."""

import pytest
from sqlalchemy import select

from portal import keys
from portal.audit import AuditEvent
from portal.db import db
from portal.errors import Forbidden, Invalid, NotFound
from portal.keys import Restrictions, check_place, read_restrictions
from tests.factories import log_in, make_key, make_user
from tests.pages import csrf_token


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0::/48", "2001:db8::/48"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
    ],
)
def test_an_address_is_kept_in_its_shortest_form(typed, kept):
    assert read_restrictions(addresses=[typed]).addresses == (kept,)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://example.org", "https://example.org"),
        ("https://example.org/", "https://example.org"),
        ("HTTPS://Example.ORG:443", "https://example.org"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(typed, kept):
    assert read_restrictions(origins=[typed]).origins == (kept,)


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        ("models", "Ocr"),
        ("models", "ocr/versions"),
        ("models", "a" * 64),
        ("addresses", "203.0.113.256"),
        ("addresses", "203.0.113.0/33"),
        ("addresses", "example.org"),
        ("addresses", "fe80::1%eth0"),
        ("addresses", "::1/129"),
        ("origins", "example.org"),
        ("origins", "null"),
        ("origins", "*"),
        ("origins", "https://*.example.org"),
        ("origins", "https://example.org/app"),
        ("origins", "https://example.org?x"),
        ("origins", "https://ada@example.org"),
        ("origins", "https://example.org:99999"),
        ("origins", "https://example.org:http"),
        ("origins", "https://[::1"),
        ("origins", "https://"),
        ("origins", "javascript:alert(1)"),
        ("origins", "https://exa\x00mple.org"),
        ("origins", f"https://{'a' * 300}.org"),
    ],
)
def test_an_entry_that_can_not_be_one_is_named(kind, entry):
    with pytest.raises(Invalid) as refused:
        read_restrictions(**{kind: [entry]})

    assert refused.value.field == kind
    assert f"“{entry[:80]}" in str(refused.value)


def test_an_address_with_the_length_of_its_network_is_asked_about():
    with pytest.raises(Invalid, match=r"Write 203\.0\.113\.0/24 for the network"):
        read_restrictions(addresses=["203.0.113.7/24"])


def test_more_entries_than_are_judged_quickly_are_refused():
    with pytest.raises(Invalid, match=r"At most 50 of these .* are 51"):
        read_restrictions(models=[f"model-{number}" for number in range(51)])


def test_the_same_entry_twice_is_one():
    assert read_restrictions(models=["ocr", "mrz", "ocr"]).models == ("ocr", "mrz")


@pytest.mark.parametrize(
    ("address", "is_within"),
    [
        ("203.0.113.7", True),
        ("203.0.114.7", False),
        ("::ffff:203.0.113.7", True),
        ("2001:db8:0:1::5", True),
        ("2001:db9::5", False),
        ("fe80::1%eth0", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_an_address_is_judged_by_its_network(address, is_within):
    restrictions = read_restrictions(addresses=["203.0.113.0/24", "2001:db8::/32"])

    if is_within:
        check_place(restrictions, address=address, origin="")
    else:
        with pytest.raises(Forbidden, match="may not be used from the address"):
            check_place(restrictions, address=address, origin="")


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.org:444",
        "http://example.org",
        "https://example.org.evil.test",
        "https://sub.example.org",
        "null",
        "",
    ],
)
def test_an_origin_is_the_same_or_another(origin):
    restrictions = Restrictions(origins=("https://example.org",))
    check_place(restrictions, address="", origin="https://example.org")

    with pytest.raises(Forbidden, match="web pages"):
        check_place(restrictions, address="", origin=origin)


def test_changing_what_a_key_is_restricted_to_is_audited_once(app):
    api_key, _ = make_key(make_user())
    restrictions = read_restrictions(models=["ocr"])

    keys.restrict(api_key, restrictions)
    keys.restrict(api_key, restrictions)
    db.session.commit()

    (event,) = db.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "key.restricted")
    )
    assert event.details["models"] == ["ocr"]
    assert api_key.restrictions == restrictions


def test_a_deleted_key_is_not_restricted(app):
    api_key, _ = make_key(make_user())
    keys.revoke(api_key)
    keys.delete(api_key)
    db.session.commit()

    with pytest.raises(NotFound):
        keys.restrict(api_key, Restrictions())


@pytest.fixture
def user(app, client):
    user = make_user()
    log_in(client, user)
    return user


def create(client, **fields):
    form = {
        "csrf_token": csrf_token(client, "/keys"),
        "name": "web page",
        "expires_in": "90d",
    }
    return client.post("/keys", data=form | fields)


def test_a_key_is_restricted_when_it_is_made(client, user):
    answer = create(
        client,
        models="ocr, mrz\n",
        addresses="203.0.113.0/24\r\n2001:db8::/32",
        origins="https://example.org",
        scopes=["predict", "usage:read"],
    )

    (api_key,) = keys.list_of(user)
    assert answer.status_code == 201
    assert api_key.scopes == ["predict", "usage:read"]
    assert api_key.models == ["ocr", "mrz"]
    assert api_key.addresses == ["203.0.113.0/24", "2001:db8::/32"]
    assert api_key.origins == ["https://example.org"]
    page = client.get("/keys").text
    for entry in (*api_key.models, *api_key.addresses, *api_key.origins):
        assert entry in page


def test_a_wrong_entry_is_named_beside_its_field_and_all_stays_typed(client, user):
    answer = create(client, addresses="203.0.113.0/24, nowhere", models="ocr")

    assert answer.status_code == 422
    assert "“nowhere” is no address." in answer.text
    assert "203.0.113.0/24, nowhere</textarea>" in answer.text
    assert "ocr</textarea>" in answer.text
    assert keys.list_of(user) == []


@pytest.mark.parametrize(("role", "status"), [("user", 422), ("publisher", 201)])
def test_a_key_that_changes_models_is_for_publishers(app, client, role, status):
    user = make_user(role=role)
    log_in(client, user)

    answer = create(client, scopes=["models:write"])

    assert answer.status_code == status
    assert ("models:write" in client.get("/keys").text) == (role == "publisher")


def test_restrictions_are_changed_on_the_page_of_the_key(client, user):
    api_key, secret = make_key(user)
    path = f"/keys/{api_key.id}"
    form = {"csrf_token": csrf_token(client, path), "models": "ocr", "origins": "*"}

    wrong = client.post(f"{path}/restrictions", data=form)
    answer = client.post(f"{path}/restrictions", data=form | {"origins": ""})

    assert wrong.status_code == 422
    assert "“*” is no origin." in wrong.text
    assert answer.status_code == 303
    assert answer.location == path
    assert "\nocr</textarea>" in client.get(path).text
    assert keys.authenticate(secret).models == ["ocr"]


def test_the_page_of_somebody_elses_key_is_not_there(client, user):
    api_key, _ = make_key(make_user("bob@example.org"))
    form = {"csrf_token": csrf_token(client, "/keys"), "models": "ocr"}

    assert client.get(f"/keys/{api_key.id}").status_code == 404
    assert client.post(f"/keys/{api_key.id}/restrictions", data=form).status_code == 404
    assert api_key.models == []
