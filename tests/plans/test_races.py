"""Two who change plans at once leave nobody without one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal import accounts, plans
from portal.db import db
from portal.errors import PortalError
from tests.factories import make_user


@pytest.fixture(params=["app", "pg_app"])
def database(request):
    return request.getfixturevalue(request.param)


def together(app, *deeds):
    """Do all *deeds* at once; return what became of each."""
    start = threading.Barrier(len(deeds), timeout=10)

    def do(deed):
        with app.app_context():
            start.wait()
            try:
                deed()
                db.session.commit()
            except PortalError as refusal:
                db.session.rollback()
                return type(refusal).__name__
            return "done"

    with ThreadPoolExecutor(len(deeds)) as threads:
        return list(threads.map(do, deeds))


def test_a_plan_that_is_deleted_while_it_is_given_leaves_one_of_both(database):
    user_id = make_user().id
    for number in range(5):
        name = f"team-{number}"
        plans.create(name, {})
        db.session.commit()

        outcomes = together(
            database,
            lambda name=name: accounts.assign_plan(
                accounts.find(user_id), plans.find(name)
            ),
            lambda name=name: plans.delete(plans.find(name)),
        )

        db.session.rollback()
        has_it = accounts.find(user_id).plan.name == name
        is_there = plans.find_if_any(name) is not None
        assert has_it == is_there
        assert outcomes == (
            ["done", "PlanInUse"] if has_it else ["PlanNotFound", "done"]
        )


def test_of_two_who_make_a_plan_of_one_name_one_does(database):
    outcomes = together(database, *[lambda: plans.create("team", {})] * 2)

    assert sorted(outcomes) == ["PlanTaken", "done"]


def test_two_changes_at_once_both_hold(database):
    together(
        database,
        lambda: plans.change(plans.default(), {"max_keys": 7}),
        lambda: plans.change(plans.default(), {"concurrency": 3}),
    )

    db.session.rollback()
    assert (plans.default().max_keys, plans.default().concurrency) == (7, 3)
