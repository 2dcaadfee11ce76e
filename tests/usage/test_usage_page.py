"""The page of a user's usage, and the same numbers as CSV."""

import csv
import io
import re
from datetime import date
from secrets import token_hex

import pytest
import time_machine
from sqlalchemy import update

from portal import accounts, keys, plans, usage
from portal.catalog import Model
from portal.db import db
from portal.usage import By, Span, Surface
from portal.usage.tables import MonthlyUse
from tests.counted import add_calls, use_quota
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

    span = Span(date(2028, 2, 27), date(2028, 3, 2))
    found = usage.summary(anywhere, usage.Asked(span))

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
    assert numbers == ["3", "1", "60", "9,998"]
    assert "33.3 % of these calls" in page
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


def test_the_page_says_what_the_plan_of_the_user_gives(client, user):
    terms = {"monthly_predictions": 50, "monthly_compute_s": 7_200}
    accounts.assign_plan(user, plans.create("small", terms))
    use_quota(user.id, 20)
    db.session.execute(update(MonthlyUse).values(compute_ms=1_200_000))
    db.session.commit()

    page = client.get("/usage").text

    (month,) = re.findall(r"Left this month.+?</dd>", page, re.DOTALL)
    assert "20 of 50 predictions used" in month
    assert "1,200 of 7,200 compute seconds used, 6,000 left" in month
    assert "Plan: small" in month


@pytest.mark.parametrize(
    ("query", "calls"),
    [("?days=7", "1"), ("?days=90", "2"), ("", "1"), ("?days=x", "1")],
)
def test_the_page_covers_as_many_days_as_asked_for(client, user, query, calls):
    record(user, "2026-11-18T00:00:00Z")
    record(user, "2026-10-01T00:00:00Z")

    page = client.get(f"/usage{query}").text

    assert re.findall(r'stat__value">\s*([\d,]+)', page)[0] == calls


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("?from=2026-11-20&to=2026-11-23", ["2026-11-23", "2026-11-20"]),
        ("?from=2026-11-20", ["2026-11-24", "2026-11-23", "2026-11-20"]),
        ("?days=7&to=2026-11-20", ["2026-11-20", "2026-10-31"]),
        ("?days=month", ["2026-11-24", "2026-11-23", "2026-11-20"]),
    ],
)
def test_the_page_covers_the_days_that_are_chosen(client, user, query, days):
    for day in (*("2026-11-24", "2026-11-23"), *("2026-11-20", "2026-10-31")):
        add_calls(user, date.fromisoformat(day), {200: 1})

    page = client.get(f"/usage{query}").text

    assert re.findall(r'class="nowrap">\s+([\d-]+)', page) == days
    assert re.findall(r'stat__value">\s*([\d,]+)', page)[0] == str(len(days))


def test_the_page_and_the_csv_show_one_model_and_key(client, user):
    laptop, _ = make_key(user, "laptop")
    ocr, iris = make_plain_model("ocr"), make_plain_model("iris")
    record(user, "2026-11-24T07:00:00Z", api_key=laptop, model=ocr, status=422)
    record(user, "2026-11-24T07:00:00Z", api_key=laptop, model=iris)
    record(user, "2026-11-24T07:00:00Z", model=ocr)
    record(user, "2026-11-24T07:00:00Z")

    found = {
        query: [
            (row["model"], row["key"])
            for row in read_csv(client.get(f"/usage.csv?{query}"))
        ]
        for query in (
            *("model=ocr", f"key={laptop.prefix}", "key=_playground"),
            *(f"model=ocr&key={laptop.prefix}", "model=_unknown", "model=unknown"),
        )
    }
    page = client.get(f"/usage?days=7&model=ocr&key={laptop.prefix}").text

    assert list(found.values()) == [
        [("ocr", "laptop"), ("ocr", "playground")],
        [("iris", "laptop"), ("ocr", "laptop")],
        [("ocr", "playground"), ("unknown", "playground")],
        [("ocr", "laptop")],
        [("unknown", "playground")],
        [],
    ]
    assert re.findall(r'stat__value">\s*([\d,]+)', page)[:2] == ["1", "1"]
    assert re.findall(r'data-answered="(?!0")|data-errors="([^0]+)"', page) == ["1"]
    (csv_address,) = re.findall(r'href="(/usage.csv\?[^"]+)"', page)
    narrowed = f"model=ocr&amp;key={laptop.prefix}"
    assert csv_address == f"/usage.csv?days=7&amp;{narrowed}"
    assert f'href="/usage?days=90&amp;{narrowed}"' in page
    # What is filtered away can still be chosen.
    chosen = re.findall(r'<option value="(\w*)"\s+(selected|)', page)
    assert chosen == [
        *(("", ""), ("iris", ""), ("ocr", "selected"), ("_unknown", "")),
        *(("", ""), (laptop.prefix, "selected"), ("_playground", "")),
    ]


def test_a_filter_without_calls_stays_chosen_and_can_be_left(client, user):
    record(user, "2026-11-24T07:00:00Z")

    page = client.get("/usage?model=%3Cb%3E&from=2026-11-01&to=2026-11-24").text

    assert "No such calls in these days" in page
    assert "&lt;b&gt;</option>" in page
    assert 'href="/usage?from=2026-11-01&amp;to=2026-11-24"' in page


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("from=2026-11-24&to=2026-11-20", "from", "must not be after the last one"),
        ("from=2020-01-01&to=2026-11-24", "from", "at most 366 are told at once"),
        ("to=24.11.2026", "to", "a day such as 2026-11-24, not 24.11.2026"),
    ],
)
def test_days_that_can_not_be_meant_are_refused(client, user, query, field, message):
    answer = client.get(f"/usage?{query}")

    assert answer.status_code == 422
    assert message in answer.text
    assert f'aria-describedby="field-{field}-error"' in answer.text
    assert f'value="{re.search(f"{field}=([^&]+)", query)[1]}"' in answer.text
    assert client.get(f"/usage.csv?{query}").status_code == 422


def predict_on(user, answers):
    """Add as many answered predictions of *user* on each of these days of November."""
    for day, count in answers.items():
        add_calls(user, date(2026, 11, day), {200: count, 429: 500})
    use_quota(user.id, sum(answers.values()))


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        # 1,980 a day, and 3,400 are left: they last a day and 17 hours.
        ({21: 2000, 22: 2000, 23: 2000, 24: 600}, "it runs out on 26 Nov."),
        ({20: 10, 24: 5}, "it lasts the month."),
        # The whole week is the pace, its quiet days included.
        ({18: 6500, 24: 1}, "it runs out on 27 Nov."),
        # One day is no pace, and what was before the week is none either.
        ({24: 9000}, None),
        ({17: 9000, 24: 10}, None),
        ({23: 5000, 24: 5000}, None),
        ({}, None),
    ],
)
def test_the_page_says_when_the_quota_runs_out(client, user, answers, words):
    predict_on(user, answers)

    page = client.get("/usage").text

    told = re.findall(r"At the pace of the last 7 days (.+?)<", page)
    assert told == ([words] if words else [])


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
    within = ("25.0", "29.5", "29.9")
    assert sorted(tuple(row.values()) for row in read_csv(answer)) == [
        ("2026-11-23", "ocr", "laptop", "1", "0", "20.0", *within),
        ("2026-11-24", "ocr", "laptop", "1", "1", "20.0", *within),
        ("2026-11-24", "unknown", "playground", "1", "0", "20.0", *within),
    ]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", '=A,"b"'])
def test_no_name_is_a_formula_to_a_spreadsheet(client, user, name):
    api_key = keys.issue(user, name=name).api_key
    record(user, "2026-11-24T07:00:00Z", api_key=api_key)

    (row,) = read_csv(client.get("/usage.csv"))

    assert row["key"] == f"'{name}"
