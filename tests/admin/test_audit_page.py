"""The back office's room for the audit trail."""

import ast
import csv
import gc
import io
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import current_app
from sqlalchemy import event as sql_event
from sqlalchemy import select, text

from portal import audit
from portal.admin import audit as trail
from portal.admin.actions import ACTIONS, CHOICES, KINDS
from portal.audit import AuditEvent, EventSearch, Origin
from portal.config import ROOT
from portal.db import db, now
from tests.factories import log_in, make_user

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture(autouse=True)
def _request_origin(app):
    audit.set_origin(Origin("req_1", "198.51.100.7", "Firefox"))
    yield
    audit.set_origin(Origin())


def happen(action="key.issued", *, at=None, **values) -> AuditEvent:
    audit.record(action, **{"subject": "key:7", **values})
    db.session.flush()
    event = db.session.scalars(
        select(AuditEvent).order_by(AuditEvent.id.desc())
    ).first()
    if at is not None:
        event.at = at
    db.session.commit()
    return event


def shown(page) -> list[str]:
    return re.findall(r'<code translate="no">([^<]+)</code>', page.text)


def row(page) -> str:
    """Return the words of the first line, without its marks."""
    line = page.text.partition('<tr class="trail-line">')[2].partition("</tr>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", line).split())


def test_an_empty_trail_says_what_will_be_there(owner_browser):
    db.session.execute(text("DELETE FROM audit_events"))
    db.session.commit()

    assert "Nothing happened yet" in owner_browser.get("/admin/audit").text


def test_a_line_says_what_happened_who_did_it_to_what_and_from_where(
    owner_browser, owner
):
    happen("key.revoked", actor_id=owner.id, name="laptop", scopes=["predict"])

    page = owner_browser.get("/admin/audit")

    assert row(page).startswith(
        "Revoked a key key.revoked owner@example.org key:7 "
        'name: laptop; scopes: ["predict"]'.replace('"', "&#34;")
    )
    assert "198.51.100.7 req_1" in row(page)


def test_the_latest_is_first(owner_browser):
    happen("key.issued")
    happen("key.revoked")

    assert shown(owner_browser.get("/admin/audit"))[:2] == ["key.revoked", "key.issued"]


def test_who_is_a_user_a_visitor_or_the_command_line(owner_browser):
    ada = make_user()
    happen(actor_id=ada.id)
    by_user = row(owner_browser.get("/admin/audit"))
    happen(actor_id=4711)
    by_former = row(owner_browser.get("/admin/audit"))
    audit.set_origin(Origin("req_2", "198.51.100.7", "command line"))
    happen()
    by_visitor = row(owner_browser.get("/admin/audit"))
    audit.set_origin(Origin())
    happen()
    by_owner = row(owner_browser.get("/admin/audit"))

    assert "ada@example.org" in by_user
    assert "user 4711, who is gone" in by_former
    assert "visitor" in by_visitor
    assert "command line" in by_owner


@pytest.mark.parametrize(
    ("subject", "href"),
    [
        ("user:1", "/admin/people/1"),
        ("model:iris", "/admin/models/iris"),
        ("message:7", "/admin/mail/7"),
        ("user:4711", None),
        ("user:unknown", None),
        ("user:99999999999999999999", None),
        ("user:²", None),
        ("message:99999999999", None),
        ("model:", None),
        ("", None),
        ("key:7", None),
    ],
)
def test_a_subject_leads_to_its_page_where_there_is_one(owner_browser, subject, href):
    happen("key.issued", subject=subject)

    page = owner_browser.get("/admin/audit?action=key.issued")

    found = re.findall(r'href="(/admin/(?:people|models|mail)/[^"]+)"', page.text)
    assert found == ([href] if href else [])


def test_an_action_of_another_release_is_named_as_it_is(owner_browser):
    happen("moon.changed")

    assert row(owner_browser.get("/admin/audit")).startswith("moon.changed")


@pytest.mark.parametrize(
    "details",
    [
        {"name": "<script>alert(1)</script>"},
        {"deep": {"list": [1, None, {"<script>": True}]}},
        ["<script>"],
        "<script>",
        {"name": "half \ud800 <script> and \x00"},
    ],
)
def test_whatever_the_details_are_they_are_text(owner_browser, details):
    happen().details = details
    db.session.commit()

    page = owner_browser.get("/admin/audit")
    export = owner_browser.get("/admin/audit.csv")

    assert page.status_code == export.status_code == 200
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "<script>" in export.text


@pytest.mark.parametrize("details", [None, 7, [], {}])
def test_details_may_be_missing(owner_browser, details):
    happen().details = details
    db.session.commit()

    assert owner_browser.get("/admin/audit").status_code == 200


def test_long_details_wait_behind_a_line_one_opens(owner_browser):
    happen(name="x" * 50_000)

    page = owner_browser.get("/admin/audit")

    line = page.text.partition('<tr class="trail-line">')[2].partition("</tr>")[0]
    summary = line.partition("<summary>")[2].partition("</summary>")[0]
    assert len(summary) < 130
    assert summary.endswith("…")
    assert 9_000 < len(line) < 12_000


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("action=key.", ["key.revoked", "key.issued"]),
        ("action=key.issued", ["key.issued"]),
        ("action=nonsense", ["user.created", "key.revoked", "key.issued"]),
        ("subject=key:7", ["key.issued"]),
        ("subject=key:", []),
        ("subject=key%25", []),
        ("subject=%00key:7", ["key.issued"]),
        ("person=4711", ["key.revoked"]),
        ("person=%20BOB@example.org", ["user.created", "key.issued"]),
        ("person=2", ["user.created", "key.issued"]),
        ("person=nobody@example.org", []),
        ("person=no%20address", []),
        ("person=99999999999999999999", []),
        ("person=%C2%B2", []),
        ("person=" + "a" * 10_000, []),
        ("from=2026-03-02", ["user.created", "key.revoked"]),
        ("to=2026-03-01", ["key.issued"]),
        ("from=2026-03-02&to=2026-03-02", ["key.revoked"]),
        ("from=soon&to=never", ["user.created", "key.revoked", "key.issued"]),
        (
            "to=9999-12-31&from=0001-01-01",
            ["user.created", "key.revoked", "key.issued"],
        ),
        ("action=key.&person=2&from=2026-03-01", ["key.issued"]),
    ],
)
def test_the_trail_is_filtered_by_its_address(owner_browser, query, found):
    make_user("bob@example.org")
    db.session.execute(text("DELETE FROM audit_events"))
    first = datetime(2026, 3, 1, 23, 59, 59, 999999, UTC)
    happen("key.issued", subject="key:7", actor_id=2, at=first)
    happen("key.revoked", subject="key:8", actor_id=4711, at=first + timedelta(hours=1))
    happen("user.created", subject="user:2", at=first + timedelta(days=2))

    page = owner_browser.get(f"/admin/audit?{query}")

    assert shown(page) == found


def test_a_long_trail_comes_in_pages_that_keep_the_filter(owner_browser):
    for number in range(51):
        audit.record("key.issued", subject="key:7", number=number)
    db.session.commit()

    first = owner_browser.get("/admin/audit?action=key.", headers=HTMX)
    older = re.search(r'href="(/admin/audit\?[^"]*before=\d+[^"]*)"', first.text)[1]
    second = owner_browser.get(older.replace("&amp;", "&"))

    assert len(shown(first)) == 50
    assert "action=key." in older
    assert "number: 0 " in f"{row(second)} "


def test_a_page_takes_the_same_statements_however_long_it_is(owner_browser):
    def statements(path: str) -> int:
        seen = []
        sql_event.listen(db.engine, "before_cursor_execute", _note(seen))
        assert owner_browser.get(path).status_code == 200
        return len(seen)

    happen("key.issued", subject="user:1", actor_id=1)
    few = statements("/admin/audit?action=key.")
    users = [make_user(f"user{number}@example.org") for number in range(20)]
    for user in users * 2:
        audit.record("key.issued", subject=f"user:{user.id}", actor_id=user.id)
    db.session.commit()

    assert statements("/admin/audit?action=key.") <= few + 1


def _note(seen: list):
    return lambda _c, _k, statement, *_rest: seen.append(statement)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (EventSearch(actions=("key.issued",)), "ix_audit_events_action_id"),
        (EventSearch(actor_id=7, about="user:7"), "ix_audit_events_actor_id_id"),
        (EventSearch(actor_id=7, about="user:7"), "ix_audit_events_subject_id"),
        (EventSearch(subject="key:7"), "ix_audit_events_subject_id"),
        (
            EventSearch(first=date(2026, 3, 1), last=date(2026, 3, 2)),
            "ix_audit_events_at",
        ),
    ],
)
def test_each_filter_has_its_index(app, wanted, index):
    seen = []

    def note(_connection, _cursor, statement, parameters, *_rest):
        if statement.startswith("SELECT audit_events"):
            seen.append((statement, parameters))

    sql_event.listen(db.engine, "before_cursor_execute", note)
    audit.search(wanted)

    (statement, parameters), *_ = seen
    raw = db.session.connection().connection.cursor()
    plan = raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    assert index in str(plan)


def test_the_csv_holds_what_is_filtered(owner_browser, owner):
    happen("key.revoked", actor_id=owner.id, name="laptop")
    happen("login.failed", subject="user:unknown")

    answer = owner_browser.get("/admin/audit.csv?action=key.")

    (line,) = csv.DictReader(io.StringIO(answer.text))
    assert answer.content_type == "text/csv; charset=utf-8"
    assert "audit-trail.csv" in answer.headers["Content-Disposition"]
    assert (line["actor"], line["action"]) == ("owner@example.org", "key.revoked")
    assert line["details"] == '{"name": "laptop"}'
    assert line["request_id"] == "req_1"
    assert line["at"].endswith("+00:00")


def test_no_cell_of_the_csv_is_a_formula(owner_browser):
    audit.set_origin(Origin("req_1", "198.51.100.7", "=cmd|'/c calc'!A1"))
    happen("key.issued", subject="@SUM(A1)")
    happen("key.issued").details = "-1"
    starts = ("\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201")
    for start in starts:
        happen("key.issued", subject=start)
    db.session.commit()

    answer = owner_browser.get("/admin/audit.csv?action=key.")

    cells = [cell for line in csv.reader(io.StringIO(answer.text)) for cell in line]
    assert "'@SUM(A1)" in cells
    assert "'=cmd|'/c calc'!A1" in cells
    assert not [
        cell for cell in cells if cell.startswith(("=", "+", "-", "@", *starts))
    ]


def test_the_csv_comes_in_parts_and_ends(owner_browser, monkeypatch):
    monkeypatch.setattr(trail, "CSV_BATCH", 3)
    monkeypatch.setattr(trail, "CSV_ROWS", 9)
    for number in range(10):
        audit.record("key.issued", subject=f"key:{number}")
    db.session.commit()

    answer = owner_browser.get("/admin/audit.csv?action=key.", buffered=False)
    parts = [part.decode() for part in answer.response]

    subjects = re.findall(r"key:(\d)", "".join(parts))
    assert len(parts) == 4
    assert subjects == ["9", "8", "7", "6", "5", "4", "3", "2", "1"]


def test_a_csv_that_is_not_read_to_its_end_leaves_nothing_open(app, owner_browser):
    answer = owner_browser.get("/admin/audit.csv", buffered=False)
    assert answer.status_code == 200

    with app.app_context():
        del answer
        gc.collect()  # what it left open would end in the wrong context now

        assert current_app == app


def test_nobody_but_an_owner_reads_the_trail(app, client):
    log_in(client, make_user("pub@example.org", role="publisher"))

    assert client.get("/admin/audit").status_code == 403
    assert client.get("/admin/audit.csv").status_code == 403


def test_every_action_that_is_recorded_has_words():
    recorded = set()
    for path in ROOT.glob("portal/**/*.py"):
        source = path.read_text()
        if re.search(r'audit\.record\(|\brecord\(\s*"', source):
            recorded |= _action_names(ast.parse(source))

    assert len(recorded) > 15
    assert recorded == set(ACTIONS)
    assert {f"{name.partition('.')[0]}." for name in ACTIONS} == set(KINDS)
    assert set(CHOICES) == set(ACTIONS) | set(KINDS)


def _action_names(tree: ast.Module) -> set[str]:
    """Return the texts that look like actions, but for log lines and endpoints."""
    others = {
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and node.args
        and re.match(r"log\.|url_for", ast.unparse(node.func))
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node not in others
        and re.fullmatch(r"[a-z]+\.[a-z_]+", node.value)
    }


def test_the_search_runs_on_postgresql(pg_app):
    happen("key.issued", actor_id=7, name="naïve \ud800")

    wanted = EventSearch(
        actions=("key.issued",),
        actor_id=7,
        about="user:7",
        subject="key:7",
        first=date(1, 1, 1),
        last=date(9999, 12, 31),
    )
    found = audit.search(wanted, before=99)

    assert [event.action for event in found.rows] == ["key.issued"]
    assert found.rows[0].at <= now()
