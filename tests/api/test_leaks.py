"""A key that somebody found in public is ended, and its user told."""

import json
import re
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import keys
from portal.audit import AuditEvent
from portal.config import ROOT
from portal.db import db
from portal.mail.tables import OutgoingMessage
from portal.reference.leaks import GITLEAKS_RULE
from tests.api.calling import bearer
from tests.factories import make_key, make_user

LEAKS = "/api/v1/leaks"
ME = "/api/v1/me"


def report(client, key, **options):
    return client.post(LEAKS, json={"key": key}, **options)


def opens(client, secret):
    return client.get(ME, headers=bearer(secret)).status_code == 200


def mails():
    return db.session.scalars(select(OutgoingMessage)).all()


def test_a_key_seen_in_public_is_revoked_and_its_user_told(client, ada):
    answer = report(client, ada.secret)

    assert answer.status_code == 202
    assert not opens(client, ada.secret)
    (mail,) = mails()
    assert mail.to_address == "ada@example.org"
    assert "“script”" in mail.text
    assert ada.secret[3:11] in mail.text
    assert "/keys" in mail.text
    assert ada.secret not in mail.text + mail.html
    events = db.session.scalars(select(AuditEvent)).all()
    actions = [event.action for event in events]
    assert actions.count("key.leaked") == actions.count("key.revoked") == 1
    assert not any(ada.secret in str(event.details) for event in events)


@pytest.mark.parametrize("kind", ["unknown", "mistyped", "revoked", "text", "empty"])
def test_the_answer_is_the_same_whatever_it_was(client, ada, kind):
    _, revoked = make_key(ada.user, "revoked")
    keys.revoke(keys.find_by_prefix(revoked[3:11]))
    db.session.commit()
    sent = {
        "unknown": keys.make_secret(),
        "mistyped": f"{ada.secret[:-1]}!",
        "revoked": revoked,
        "text": "hello " * 1000,
        "empty": "",
    }[kind]

    answer = report(client, sent)

    assert answer.status_code == 202
    assert answer.json == report(client, ada.secret).json
    assert [mail.text.count("“script”") for mail in mails()] == [1]


def test_of_a_rotated_key_the_old_secret_ends_alone(client, ada):
    new = keys.rotate(ada.api_key, prefix=ada.api_key.prefix).secret
    db.session.commit()

    report(client, ada.secret)

    assert not opens(client, ada.secret)
    assert opens(client, new)
    (mail,) = mails()
    assert "The old secret" in mail.text
    assert ada.secret[3:11] in mail.text


def test_an_old_secret_that_is_ended_already_harms_nothing(client, ada):
    until = keys.Until(timedelta(0))
    new = keys.rotate(ada.api_key, prefix=ada.api_key.prefix, until=until).secret
    db.session.commit()

    assert report(client, ada.secret).status_code == 202

    assert opens(client, new)
    assert mails() == []


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"{}", "application/json", 422),
        (b'{"key": 5}', "application/json", 422),
        (b'["mp_"]', "application/json", 422),
        (b'{"key": "mp_"}', "text/plain", 415),
        (b"", "application/json", 400),
    ],
)
def test_a_body_that_names_no_key_is_refused(client, body, content_type, status):
    answer = client.post(LEAKS, data=body, content_type=content_type)

    assert answer.status_code == status


def test_an_address_sends_thirty_a_minute(client):
    answers = [report(client, "mp_").status_code for _ in range(31)]

    assert answers == [202] * 30 + [429]


def test_of_many_reports_at_once_one_is_mailed(pg_app):
    api_key, secret = make_key(make_user())
    start = threading.Barrier(6, timeout=10)

    def send(number):
        start.wait()
        place = {"REMOTE_ADDR": f"203.0.113.{number}"}
        return report(pg_app.test_client(), secret, environ_base=place).status_code

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(send, range(6)))

    assert answers == [202] * 6
    assert len(mails()) == 1
    db.session.refresh(api_key)
    assert api_key.is_revoked


def test_the_rule_for_gitleaks_finds_keys_and_nothing_that_is_near():
    (rule,) = tomllib.loads(GITLEAKS_RULE)["rules"]
    regex = re.compile(rule["regex"], re.ASCII)

    for _ in range(200):
        secret = keys.make_secret()
        for text in (secret, f'KEY="{secret}"', f"Bearer {secret}\n", f"({secret})"):
            assert regex.search(text).group(1) == secret
        assert any(word in secret for word in rule["keywords"])
        for near in (
            *(secret[:-1], f"{secret}0", f"{secret}_x", f"x{secret}"),
            *(secret.replace("mp_", "mk_"), secret.replace("mp_", "mp-")),
            f"{secret[:20]}-{secret[21:]}",
        ):
            assert regex.search(near) is None


def test_the_docs_have_the_same_rule(client):
    assert GITLEAKS_RULE in (ROOT / "docs/leaks.md").read_text()
    page = client.get("/docs").text
    assert "model-portal-key" in page
    assert json.dumps("mp_…", ensure_ascii=False).replace('"', "&#34;") in page
