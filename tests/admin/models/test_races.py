"""Two owners who change one model at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal.catalog import Model, ModelVersion
from portal.db import db
from tests.admin.models.pages import audited, send, stored
from tests.factories import log_in, make_user

PATH = "/admin/models/cats"


@pytest.fixture
def browsers(pg_app):
    """Return the browsers of two owners; `cats` has three versions."""
    manifest = {
        "title": "Cats",
        "summary": "",
        "task": "tensor",
        "licence": "",
        "labels": [],
        "examples": [],
        "files": {"model": {"name": "x.onnx", "size_bytes": 1, "sha256": "0"}},
    }
    model = Model(name="cats", live_number=3, previous_number=2)
    model.versions = [
        ModelVersion(number=n, digest=str(n), manifest=manifest, signatures={})
        for n in (1, 2, 3)
    ]
    db.session.add(model)
    db.session.commit()
    browsers = []
    for number in range(2):
        browsers.append(pg_app.test_client())
        log_in(browsers[-1], make_user(f"{number}@example.org", role="owner"))
    return browsers


def at_once(browsers, choices):
    """Let each browser send its choice in the same moment; return the answers."""
    start = threading.Barrier(len(browsers), timeout=10)

    def choose(browser, choice):
        deed, fields = choice
        token_page = browser.get("/account").text
        token = token_page.partition('name="csrf_token" value="')[2].partition('"')[0]
        start.wait()
        return browser.post(f"{PATH}/{deed}", data={"csrf_token": token, **fields})

    with ThreadPoolExecutor(len(browsers)) as threads:
        return list(threads.map(choose, browsers, choices))


@pytest.mark.parametrize(
    ("choices", "outcomes"),
    [
        ([("rollback", {"live": 3})] * 2, {2}),
        (
            [
                ("live-version", {"version": 1, "live": 3}),
                ("live-version", {"version": 2, "live": 3}),
            ],
            {1, 2},
        ),
    ],
    ids=["rollback", "make live"],
)
def test_of_two_choices_made_from_one_page_the_second_is_told(
    browsers, choices, outcomes
):
    answers = at_once(browsers, choices)

    live = stored().live_number
    refused = [answer for answer in answers if answer.status_code == 409]
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    assert live in outcomes
    assert f"Version {live} was made live meanwhile; look again." in refused[0].text
    assert len(audited("model.rolled_back") + audited("model.promoted")) == 1


def test_two_withdrawals_at_once_are_one(browsers):
    answers = at_once(browsers, [("withdrawal", {})] * 2)

    assert [answer.status_code for answer in answers] == [303, 303]
    assert stored().is_withdrawn
    assert len(audited("model.withdrawn")) == 1


def test_a_withdrawal_and_a_choice_at_once_leave_one_state(browsers):
    choices = [("withdrawal", {}), ("live-version", {"version": 1, "live": 3})]

    withdrawn, chosen = at_once(browsers, choices)

    assert withdrawn.status_code == 303
    assert stored().is_withdrawn
    assert stored().live_number == (1 if chosen.status_code == 303 else 3)


def test_the_page_answers_on_postgresql(browsers):
    send(browsers[0], f"{PATH}/live-version", version=1, live=3)

    page = browsers[1].get(PATH)

    assert page.status_code == 200
    assert "Version 1 made live, before it 3" in page.text
    assert stored().live_number == 1
