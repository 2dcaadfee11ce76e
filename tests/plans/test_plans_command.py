"""`flask plans`: list, set, assign, delete."""

import json

import pytest

from portal import accounts, audit, plans
from portal.db import db
from tests.factories import make_user
from tests.plans.figures import FIGURES


def terms_of(plan):
    return {name: getattr(plan, name) for name in FIGURES}


def last_event():
    events = db.session.query(audit.AuditEvent)
    return events.order_by(audit.AuditEvent.id.desc()).first()


def listed(runner, name):
    rows = json.loads(runner.invoke(args=["plans", "list", "--json"]).stdout)
    return next(row for row in rows if row["name"] == name)


def actions():
    events = db.session.query(audit.AuditEvent).order_by(audit.AuditEvent.id)
    return [event.action for event in events if "plan" in event.action]


def test_a_new_portal_has_the_default_plan_of_the_contract(app):
    assert terms_of(plans.default()) == FIGURES
    assert len(plans.list_all()) == 1


def test_set_makes_a_plan_as_the_default_one_but_for_what_is_said(runner):
    result = runner.invoke(
        args=[
            *("plans", "set", "team", "--rate", "120 per minute", "--quota", "50000"),
            *("--compute-seconds", "7200", "--concurrency", "4", "--upload-mb", "8"),
            *("--keys", "20", "--key-days", "never"),
        ]
    )

    assert result.exit_code == 0
    assert terms_of(plans.find("team")) == {
        "name": "team",
        "rate": "120/minute",
        "monthly_predictions": 50_000,
        "monthly_compute_s": 7200,
        "concurrency": 4,
        "max_upload_mb": 8,
        "max_keys": 20,
        "max_key_days": None,
        "models": [],
    }
    assert actions() == ["plan.created"]


def test_set_changes_what_is_said_and_writes_that_down(runner):
    runner.invoke(args=["plans", "set", "default", "--quota", "5", "--upload-mb", "3"])

    result = runner.invoke(
        args=["plans", "set", "default", "--quota", "6", "--upload-mb", "portal"]
    )

    assert result.exit_code == 0
    assert "6 predictions" in result.stdout
    db.session.rollback()
    assert terms_of(plans.default()) == FIGURES | {"monthly_predictions": 6}
    assert last_event().details == {
        "monthly_predictions": "5 → 6",
        "max_upload_mb": "3 → no limit of its own",
    }


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Say what to change"),
        (["--rate", "often"], "written like 60/minute"),
        (["--rate", "0/minute"], "at least one call"),
        (["--rate", "5/minute;6/minute"], "each window once"),
        (["--rate", "5/2 years"], "no longer than a year"),
        (["--quota", "-1"], "from 0 to 1000000000"),
        (["--quota", "many"], "'many' is not a valid integer"),
        (["--quota", str(10**12)], "from 0 to 1000000000"),
        (["--compute-seconds", "-1"], "from 0 to 1000000000"),
        (["--concurrency", "0"], "from 1 to 100000"),
        (["--upload-mb", "11"], "from 1 to 10."),
        (["--upload-mb", "all"], "neither a number nor portal"),
        (["--keys", "1001"], "from 0 to 1000"),
        (["--key-days", "0"], "1 to 3650 days"),
        (["--models", "no-such-model"], "There is no model “no-such-model”."),
        (["--models", "ocr,,$$"], "There is no model “$$”."),
    ],
)
def test_a_wrong_argument_ends_with_2_and_one_sentence(runner, options, sentence):
    result = runner.invoke(args=["plans", "set", "default", *options])

    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert terms_of(plans.default()) == FIGURES


@pytest.mark.parametrize("name", ["Team", "-a", "", "a" * 41, "a b", "a\x00"])
def test_a_name_that_no_plan_can_have_ends_with_2(runner, name):
    result = runner.invoke(args=["plans", "set", "--quota", "1", "--", name])

    assert result.exit_code == 2
    assert "1 to 40 of a-z, 0-9 and -" in result.stderr
    assert len(plans.list_all()) == 1


def test_assign_gives_a_person_the_plan_and_list_counts_them(runner):
    user_id = make_user("ada@example.org").id
    make_user("eve@example.org")
    runner.invoke(args=["plans", "set", "team", "--quota", "1"])

    result = runner.invoke(args=["plans", "assign", "Ada@example.org", "team"])
    again = runner.invoke(args=["plans", "assign", "ada@example.org", "team"])

    assert (result.exit_code, again.exit_code) == (0, 0)
    assert accounts.find(user_id).plan.name == "team"
    assert listed(runner, "team")["people"] == 1
    assert listed(runner, "default")["people"] == 1
    shown = runner.invoke(args=["plans", "list"]).stdout
    assert "team     60/minute;2000/hour, 1 predictions" in shown
    assert actions().count("user.plan_changed") == 1


def test_back_on_the_default_plan_one_has_none(runner):
    user_id = make_user().id
    runner.invoke(args=["plans", "set", "team", "--quota", "1"])
    runner.invoke(args=["plans", "assign", "ada@example.org", "team"])

    runner.invoke(args=["plans", "assign", "ada@example.org", "default"])

    db.session.rollback()
    assert accounts.find(user_id).plan_id is None
    assert accounts.find(user_id).plan.name == "default"


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["assign", "ada@example.org", "gold"], 1, "There is no plan “gold”."),
        (["assign", "nobody@example.org", "default"], 1, "There is no such user."),
        (["assign", "nonsense", "default"], 2, ""),
        (["delete", "gold"], 1, "There is no plan “gold”."),
        (["delete", "default"], 1, "can be changed, but not deleted"),
        (["delete", "team"], 1, "People have the plan “team”."),
    ],
)
def test_a_refused_operation_ends_with_1(runner, words, status, sentence):
    make_user("ada@example.org")
    runner.invoke(args=["plans", "set", "team", "--quota", "1"])
    runner.invoke(args=["plans", "assign", "ada@example.org", "team"])

    result = runner.invoke(args=["plans", *words])

    assert result.exit_code == status
    assert sentence in result.stderr
    assert {plan.name for plan in plans.list_all()} == {"default", "team"}


def test_delete_takes_a_plan_that_nobody_has(runner):
    runner.invoke(args=["plans", "set", "team", "--quota", "1"])

    result = runner.invoke(args=["plans", "delete", "team"])

    assert result.exit_code == 0
    assert [plan.name for plan in plans.list_all()] == ["default"]
    assert actions() == ["plan.created", "plan.deleted"]
