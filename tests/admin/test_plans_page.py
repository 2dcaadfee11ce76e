"""The back office's pages of the plans, and the plan on the page of a person."""

import re

import pytest

from portal import accounts, audit, plans
from portal.db import db
from tests.factories import make_user
from tests.pages import csrf_token
from tests.plans.figures import FIGURES

TERMS = {
    "rate": "120/minute",
    "monthly_predictions": "50000",
    "monthly_compute_s": "7200",
    "concurrency": "4",
    "max_upload_mb": "",
    "max_keys": "20",
    "max_key_days": "",
}


@pytest.fixture
def ada(app):
    return make_user("ada@example.org")


def post(browser, path, **fields):
    form = {"csrf_token": csrf_token(browser, "/admin/plans"), **fields}
    return browser.post(path, data=form)


def give_plan(browser, user, plan):
    return post(browser, f"/admin/people/{user.id}/plan?back=person", plan=plan)


def make_plan(name="team"):
    plan = plans.create(name, {})
    db.session.commit()
    return plan


def last_event():
    events = db.session.query(audit.AuditEvent)
    return events.order_by(audit.AuditEvent.id.desc()).first()


def test_the_list_shows_the_plans_and_how_many_have_each(owner_browser, ada):
    accounts.assign_plan(ada, make_plan())
    db.session.commit()

    page = owner_browser.get("/admin/plans")

    assert page.status_code == 200
    rows = re.findall(r'<tr class="plan-row">.*?</tr>', page.text, re.DOTALL)
    assert len(rows) == 2
    assert all("60/minute, 2000/hour" in row for row in rows)
    assert all("36,000" in row for row in rows)
    assert "/admin/people?plan=team" in rows[1]
    assert 'value="36000"' in page.text
    assert 'value="default"' not in page.text


def test_a_plan_is_made_and_that_is_written_down(owner_browser, owner):
    answer = post(owner_browser, "/admin/plans", name="team", **TERMS)

    assert answer.status_code == 303
    plan = plans.find("team")
    assert plan.rate == "120/minute"
    assert (plan.monthly_predictions, plan.monthly_compute_s) == (50_000, 7200)
    assert (plan.max_upload_mb, plan.max_key_days, plan.models) == (None, None, [])
    assert last_event().action == "plan.created"
    assert last_event().actor_id == owner.id
    assert "is there." in owner_browser.get("/admin/plans").text


def test_a_plan_is_changed_and_the_trail_says_from_what_to_what(owner_browser):
    fields = TERMS | {"concurrency": "2", "max_keys": "5", "max_upload_mb": "5"}
    answer = post(owner_browser, "/admin/plans/default", **fields)

    assert answer.status_code == 303
    db.session.expire_all()
    assert plans.default().max_upload_mb == 5
    assert last_event().details == {
        "rate": "60/minute;2000/hour → 120/minute",
        "monthly_predictions": "10000 → 50000",
        "monthly_compute_s": "36000 → 7200",
        "max_upload_mb": "no limit of its own → 5",
        "max_key_days": "365 → no limit of its own",
    }


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": "Team!"}, "1 to 40 of a-z"),
        ({"name": ""}, "1 to 40 of a-z"),
        ({"name": "default"}, "There is a plan “default” already."),
        ({"rate": "often"}, "written like 60/minute"),
        ({"monthly_predictions": "many"}, "Predictions a month: a number from 0"),
        ({"monthly_predictions": ""}, "Predictions a month: a number from 0"),
        ({"monthly_compute_s": "-1"}, "Compute seconds a month: a number from 0"),
        ({"concurrency": "0"}, "Calls at the same time: a number from 1"),
        ({"max_upload_mb": "11"}, "in MB: a number from 1 to 10."),
        ({"max_keys": "1e3"}, "Keys: a number from 0 to 1000."),
        ({"max_key_days": "9" * 40}, "1 to 3650 days"),
        ({"models": ["no-such"]}, "There is no model “no-such”."),
    ],
)
def test_a_wrong_form_comes_back_with_what_was_typed(owner_browser, changed, sentence):
    fields = {"name": "team", **TERMS, **changed}
    answer = post(owner_browser, "/admin/plans", **fields)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'value="{fields["monthly_compute_s"]}"' in answer.text
    assert [plan.name for plan in plans.list_all()] == ["default"]


def test_a_plan_that_nobody_has_is_deleted(owner_browser):
    make_plan()

    answer = post(owner_browser, "/admin/plans/team/deletion")

    assert answer.status_code == 303
    assert plans.find_if_any("team") is None
    assert last_event().action == "plan.deleted"


def test_a_plan_that_people_have_stays(owner_browser, ada):
    accounts.assign_plan(ada, make_plan())
    db.session.commit()

    answer = post(owner_browser, "/admin/plans/team/deletion")

    assert answer.status_code == 409
    assert "People have the plan “team”." in answer.text
    assert "Delete plan" not in owner_browser.get("/admin/plans/team").text
    db.session.expire_all()
    assert accounts.find(ada.id).plan.name == "team"


def test_the_default_plan_stays(owner_browser):
    answer = post(owner_browser, "/admin/plans/default/deletion")

    assert answer.status_code == 409
    assert "can be changed, but not deleted" in answer.text
    assert {k: getattr(plans.default(), k) for k in FIGURES} == FIGURES


def test_a_plan_that_is_not_there_is_404(owner_browser):
    assert owner_browser.get("/admin/plans/gold").status_code == 404
    assert post(owner_browser, "/admin/plans/gold", **TERMS).status_code == 404
    assert post(owner_browser, "/admin/plans/gold/deletion").status_code == 404


def test_a_person_is_given_a_plan_on_their_page(owner_browser, ada):
    make_plan()

    answer = post(
        owner_browser, f"/admin/people/{ada.id}/plan?back=person", plan="team"
    )

    assert answer.status_code == 303
    db.session.expire_all()
    assert accounts.find(ada.id).plan.name == "team"
    assert last_event().details == {"before": "default", "after": "team"}
    page = owner_browser.get(f"/admin/people/{ada.id}").text
    assert "/admin/plans/team" in page
    assert "0 of 36,000 seconds" in page


def test_a_plan_that_is_gone_is_given_to_nobody(owner_browser, ada):
    answer = post(
        owner_browser, f"/admin/people/{ada.id}/plan?back=person", plan="gold"
    )

    assert answer.status_code == 422
    assert "There is no plan “gold”." in answer.text


def test_people_are_found_by_their_plan(owner_browser, ada):
    accounts.assign_plan(ada, make_plan())
    db.session.commit()

    team = owner_browser.get("/admin/people?plan=team").text
    default = owner_browser.get("/admin/people?plan=default").text
    unknown = owner_browser.get("/admin/people?plan=gold").text

    assert ("ada@" in team, "owner@example.org</a>" in team) == (True, False)
    assert ("ada@" in default, "owner@example.org</a>" in default) == (False, True)
    assert ("ada@" in unknown, "owner@example.org</a>" in unknown) == (True, True)
