"""The page of a user's usage, and the same numbers as CSV."""

import csv
import io
import re
from datetime import date
from secrets import token_hex

import pytest
import time_machine

from portal import keys, usage
from portal.catalog import Model
from portal.db import db
from portal.usage import By, Span, Surface
from tests.counted import add_calls
from tests.factories import log_in, make_key, make_user

TODAY = Span(date(2026, 11, 24), date(2026, 11, 24))
AS_FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def user(app, client):
    with time_machine.travel("2026-11-24T08:00:00Z"):
        user = make_user()
        log_in(client, user)
        yield user


@pytest.fixture(params=["app", "pg_app"])
def anywhere(request):
    """A user on SQLite, then on PostgreSQL."""
    request.getfixturevalue(request.param)
    return make_user()


def record(user, at, *, api_key=None, model=None, status=200):
    db.session.commit()
    with time_machine.travel(at, tick=False):
        usage.record(
            request_id=f"req_{token_hex(12)}",
            user_id=user.id,
            api_key_id=api_key.id if api_key else None,
            model_id=model.id if model else None,
            version=1 if model else None,
            surface=Surface.API if api_key else Surface.PLAYGROUND,
            status=status,
            latency_ms=30.0,
            compute_ms=20.0,
            unit_of=at[:7] if status == 200 else "",
        )


def make_plain_model(name):
    model = Model(name=name, live_number=1)
    db.session.add(model)
    db.session.commit()
    return model


def rows(found):
    return [(row.label.text, row.sum.calls, row.sum.errors) for row in found]


def read_csv(answer):
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_calls_are_summed_by_day_model_and_key(anywhere):
    api_key, _ = make_key(anywhere, "laptop")
    ocr, iris = make_plain_model("ocr"), make_plain_model("iris")
    record(anywhere, "2026-11-23T23:59:59Z", api_key=api_key, model=ocr)
    record(anywhere, "2026-11-24T00:00:00Z", api_key=api_key, model=ocr, status=422)
    record(anywhere, "2026-11-24T08:00:00Z", model=ocr)
    record(anywhere, "2026-11-24T09:00:00Z", api_key=api_key, model=iris)
    span = Span(date(2026, 11, 23), date(2026, 11, 24))

    by_day = usage.rows_by(anywhere, By.DAY, span)
    by_hour = usage.rows_by(anywhere, By.HOUR, span)
    by_model = usage.rows_by(anywhere, By.MODEL, span)
    by_key = usage.rows_by(anywhere, By.KEY, span)

    assert rows(by_day) == [("2026-11-23", 1, 0), ("2026-11-24", 3, 1)]
    assert rows(by_hour) == [
        ("2026-11-23T23:00:00Z", 1, 0),
        ("2026-11-24T00:00:00Z", 1, 1),
        ("2026-11-24T08:00:00Z", 1, 0),
        ("2026-11-24T09:00:00Z", 1, 0),
    ]
    assert rows(by_model) == [("ocr", 3, 1), ("iris", 1, 0)]
    assert rows(by_key) == [("laptop", 3, 1), ("playground", 1, 0)]
    assert by_key[0].label.detail == f"mp_{api_key.prefix}…"
    latest = by_day[1].sum
    assert (latest.api, latest.playground, latest.compute_ms) == (2, 1, 60.0)
    assert 20 < latest.p50_ms < latest.p95_ms < latest.p99_ms <= 30
    everything = {usage.total(row.sum for row in found) for found in (by_day, by_hour)}
    assert everything == {usage.total(row.sum for row in by_model)}


def test_days_are_counted_in_utc_and_both_ends_belong(anywhere):
    record(anywhere, "2026-11-22T23:59:59.999999Z")
    record(anywhere, "2026-11-23T00:00:00Z")
    record(anywhere, "2026-11-24T23:59:59.999999Z")
    record(anywhere, "2026-11-25T00:00:00Z")

    span = Span(date(2026, 11, 23), date(2026, 11, 24))

    assert rows(usage.rows_by(anywhere, By.DAY, span)) == [
        ("2026-11-23", 1, 0),
        ("2026-11-24", 1, 0),
    ]
    assert len(usage.rows_by(anywhere, By.HOUR, span)) == 2


def test_the_chart_has_a_row_for_every_day_of_the_span(anywhere):
    record(anywhere, "2028-02-28T23:59:59Z")
    record(anywhere, "2028-03-01T00:00:00Z", status=422)
    record(anywhere, "2028-03-01T08:00:00Z")
    record(anywhere, "2028-03-03T08:00:00Z")

    found = usage.summary(anywhere, Span(date(2028, 2, 27), date(2028, 3, 2)))

    assert rows(found.every_day) == [
        ("2028-02-27", 0, 0),
        ("2028-02-28", 1, 0),
        ("2028-02-29", 0, 0),
        ("2028-03-01", 2, 1),
        ("2028-03-02", 0, 0),
    ]
    assert [row.sum.answered for row in found.every_day] == [0, 1, 0, 1, 0]
    assert [row for row in found.every_day[::-1] if row.sum.calls] == found.days


def test_two_keys_of_the_same_name_stay_apart(anywhere):
    for _ in range(2):
        api_key, _ = make_key(anywhere, "laptop")
        record(anywhere, "2026-11-24T08:00:00Z", api_key=api_key)

    found = usage.rows_by(anywhere, By.KEY, TODAY)

    assert rows(found) == [("laptop", 1, 0), ("laptop", 1, 0)]


def test_calls_of_a_deleted_key_are_still_counted(anywhere):
    api_key, _ = make_key(anywhere, "laptop")
    record(anywhere, "2026-11-24T08:00:00Z", api_key=api_key)
    db.session.delete(api_key)
    db.session.commit()

    found = usage.rows_by(anywhere, By.KEY, TODAY)

    assert rows(found) == [("deleted", 1, 0)]


def test_the_page_needs_a_login(client):
    assert client.get("/usage").status_code == 303
    assert client.get("/usage.csv").status_code == 303


def test_without_calls_the_page_leads_to_the_docs(client, user):
    page = client.get("/usage").text

    assert "No calls in these days" in page
    assert "data-day-chart" not in page
    assert 'href="/docs"' in page
    assert "10,000" in page


def test_the_page_shows_calls_errors_and_what_is_left(client, user):
    api_key, _ = make_key(user, "laptop")
    model = make_plain_model("ocr")
    record(user, "2026-11-24T07:00:00Z", api_key=api_key, model=model)
    record(user, "2026-11-24T07:00:00Z", api_key=api_key, model=model, status=422)
    record(user, "2026-11-24T07:00:00Z", model=model)

    page = client.get("/usage").text

    numbers = re.findall(r'stat__value">\s*([\d,]+)', page)
    assert numbers == ["3", "1", "9,998"]
    assert "2026-11-24" in page
    assert "laptop" in page
    assert "playground" in page
    assert page.count('role="meter"') == 4


def test_the_page_draws_every_day_without_a_script(client, user):
    add_calls(user, date(2026, 11, 24), {200: 3, 422: 1})
    add_calls(user, date(2026, 11, 19), {200: 2})

    page = client.get("/usage?days=7").text

    columns = re.findall(r'data-day="(.+?)" .+ data-answered="(\d+)" .*="(\d+)"', page)
    heights = re.findall(r'chart__(answered|errors)" x="(\d+)".+height="(.+?)"', page)
    assert [day for day, *_ in columns] == [f"2026-11-{n}" for n in range(18, 25)]
    assert [calls for _, *calls in columns if calls != ["0", "0"]] == [
        ["2", "0"],
        ["3", "1"],
    ]
    assert heights == [
        ("answered", "11", "50.00"),
        ("answered", "61", "75.00"),
        ("errors", "61", "25.00"),
    ]
    assert 'data-day="2026-11-24" data-name="24 Nov"' in page
    assert "<title>2026-11-24: answered 3, errors 1</title>" in page


def test_one_call_beside_many_can_be_seen(client, user):
    add_calls(user, date(2026, 11, 24), {200: 999, 500: 1})
    add_calls(user, date(2026, 11, 23), {200: 1})

    page = client.get("/usage").text

    assert re.findall(r'chart__(?:answered|errors)".+height="(.+?)"', page) == [
        "0.50",
        "99.90",
        "0.50",
    ]
    assert "at most 1,000 in a day" in page


def test_the_page_says_how_much_of_the_month_is_used_and_left(client, user):
    for _ in range(3):
        record(user, "2026-11-24T07:00:00Z")

    page = client.get("/usage").text

    (month,) = re.findall(r"Left this month.+?</dd>", page, re.DOTALL)
    assert "9,997" in month
    assert "3 of 10,000 predictions used" in month


@pytest.mark.parametrize(
    ("query", "calls"),
    [("?days=7", "1"), ("?days=90", "2"), ("", "1"), ("?days=x", "1")],
)
def test_the_page_covers_as_many_days_as_asked_for(client, user, query, calls):
    record(user, "2026-11-18T00:00:00Z")
    record(user, "2026-10-01T00:00:00Z")

    page = client.get(f"/usage{query}").text

    assert re.findall(r'stat__value">\s*([\d,]+)', page)[0] == calls


def test_htmx_gets_the_part_that_changes(client, user):
    answer = client.get("/usage?days=7", headers=AS_FRAGMENT)

    assert 'id="usage"' in answer.text
    assert "<html" not in answer.text


def test_the_usage_of_someone_else_is_not_shown(client, user):
    other = make_user("bob@example.org")
    api_key, _ = make_key(other, "bobs-server")
    record(other, "2026-11-24T07:00:00Z", api_key=api_key)

    assert "bobs-server" not in client.get("/usage").text
    assert read_csv(client.get("/usage.csv")) == []


def test_the_csv_has_the_numbers_of_the_page(client, user):
    api_key, _ = make_key(user, "laptop")
    model = make_plain_model("ocr")
    record(user, "2026-11-23T07:00:00Z", api_key=api_key, model=model)
    record(user, "2026-11-24T07:00:00Z", api_key=api_key, model=model, status=422)
    record(user, "2026-11-24T07:00:00Z")

    answer = client.get("/usage.csv?days=7")

    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=usage-2026-11-18-to-2026-11-24.csv"
    )
    assert sorted(tuple(row.values()) for row in read_csv(answer)) == [
        ("2026-11-23", "ocr", "laptop", "1", "0", "20.0"),
        ("2026-11-24", "ocr", "laptop", "1", "1", "20.0"),
        ("2026-11-24", "unknown", "playground", "1", "0", "20.0"),
    ]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", '=A,"b"'])
def test_no_name_is_a_formula_to_a_spreadsheet(client, user, name):
    api_key = keys.issue(user, name=name).api_key
    record(user, "2026-11-24T07:00:00Z", api_key=api_key)

    (row,) = read_csv(client.get("/usage.csv"))

    assert row["key"] == f"'{name}"
