"""The back office's page of one model, and what can be changed on it."""

import re

import pytest

from portal import catalog, inference
from portal.db import db
from portal.runtime import BatchingTrial
from tests.admin.models.pages import CATS, DEEDS, HTMX, audited, predict, send, stored
from tests.factories import make_key, make_user
from tests.measured import keep_measurement

# What it shows


def test_the_page_tells_the_versions_and_what_happened(owner_browser, owner, give):
    give(owner)
    send(owner_browser, f"{CATS}/visibility", visibility="unlisted")

    page = owner_browser.get(CATS).text

    assert page.count('class="version-row"') == 3
    assert page.index("Version 3<") < page.index("Version 1<")
    for version in stored().versions:
        assert version.digest in page
        assert version.manifest["files"]["model"]["sha256"] in page
    assert "Version 3 published" in page
    assert "command line" in page
    assert "Visibility changed from Public to Unlisted" in page
    assert owner.email in page
    assert 'href="/models/cats"' in page
    assert 'href="/docs/models/cats"' in page
    assert "Roll back to version 2" in page


def test_the_manifest_shows_settings_but_counts_labels(owner_browser, add_model):
    dogs = add_model("dogs")
    more = {"labels": ["rare-word"] * 9999, "settings": {"mark": "</pre>"}}
    dogs.live.manifest = dogs.live.manifest | more
    db.session.commit()

    page = owner_browser.get("/admin/models/dogs").text

    assert "9999" in page
    assert "rare-word" not in page
    assert "mark&#34;: &#34;" in page or 'mark": "' in page
    assert page.count("</pre>") == page.count("<pre")


def test_the_manifest_says_where_a_version_runs(owner_browser, add_model):
    dogs = add_model("dogs")
    before = owner_browser.get("/admin/models/dogs").text
    limits = {"isolated": True, "memory_mb": 2048, "timeout_s": 2.5}
    dogs.live.manifest = dogs.live.manifest | {"limits": limits}
    db.session.commit()

    after = owner_browser.get("/admin/models/dogs").text

    assert "the web processes" in before
    assert "30 seconds" in before
    assert "a process of its own, of at most 2048 MB" in after
    assert "2.5 seconds" in after


def test_many_versions_come_in_pages_and_a_change_keeps_the_place(
    owner_browser, add_model
):
    add_model("dogs", numbers=range(1, 62))
    path = "/admin/models/dogs"

    first = owner_browser.get(path).text
    older = re.search(rf'href="({path}\?before=\d+)"', first)[1]
    query = older.partition("?")[2]
    answer = send(owner_browser, f"{path}/live-version?{query}", version=5, live=61)

    assert first.count('class="version-row"') == 50
    assert owner_browser.get(older).text.count('class="version-row"') == 11
    assert answer.location == older


def test_a_model_without_a_version_has_a_page(owner_browser, add_model):
    add_model("eels", numbers=())

    page = owner_browser.get("/admin/models/eels")

    assert page.status_code == 200
    assert "It has no version yet." in page.text
    assert 'href="/models/eels"' not in page.text


@pytest.mark.parametrize("name", ["nothing", "a%00b", "Cats", "x" * 500])
def test_an_unknown_model_is_not_found(owner_browser, name):
    page = owner_browser.get(f"/admin/models/{name}")
    answer = send(owner_browser, f"/admin/models/{name}/withdrawal")

    assert (page.status_code, answer.status_code) == (404, 404)


def test_the_page_says_how_to_measure_what_was_not(owner_browser):
    page = owner_browser.get(CATS).text

    assert "flask models measure cats" in page


def test_the_page_tells_what_a_version_takes_of_the_machine(owner_browser):
    keep_measurement("cats", 2, BatchingTrial(is_on=False, why_not="it gives <less>"))
    gain = {"joined": 4, "joint_ms": 12.0, "alone_per_s": 91.0, "joined_per_s": 300.0}
    keep_measurement("cats", 3, BatchingTrial(is_on=True, **gain))

    page = owner_browser.get(CATS).text

    assert "flask models measure" not in page
    assert page.index("memory of version 3") < page.index("memory of version 2")
    assert "80 % of 4 cores, each call taking 8.0 ms of one and 2.0 ms" in page
    assert "320 a second" in page
    assert "50.0 MB" in page
    assert "off, since it gives &lt;less&gt;" in page
    assert "91 calls a second when each runs alone, 300 when 4 are joined" in page
    assert re.search(r"Queue</th>\s*<td[^>]*>8.2 ms</td>", page)
    assert len(re.findall(r'<details class="panel measurements" open', page)) == 1


def test_the_page_tells_what_calls_took_in_the_last_hour(app, owner_browser, owner):
    secret = make_key(owner)[1]
    assert predict(app, secret) == (200, 3)
    inference.finish()

    page = owner_browser.get(CATS).text

    assert "Last hour, calls: 1" in page
    assert "Measured, runs" not in page


# Changing


def test_another_version_answers_the_next_call(owner_browser, owner, app):
    _, secret = make_key(make_user())
    before = predict(app, secret)

    answer = send(owner_browser, f"{CATS}/live-version", version=1, live=3)

    assert (answer.status_code, answer.location) == (303, CATS)
    assert (before, predict(app, secret)) == ((200, 3), (200, 1))
    details = {"version": 1, "previous": 3}
    assert audited("model.promoted") == [("model:cats", owner.id, details)]


def test_a_rollback_brings_the_version_before_back(owner_browser, owner, app):
    _, secret = make_key(make_user())

    answer = send(owner_browser, f"{CATS}/rollback", live=3)

    assert answer.status_code == 303
    assert predict(app, secret) == (200, 2)
    details = {"version": 2, "previous": 3}
    assert audited("model.rolled_back") == [("model:cats", owner.id, details)]


def test_a_withdrawn_model_is_gone_until_it_is_brought_back(owner_browser, owner, app):
    _, secret = make_key(make_user())

    withdrawn = send(owner_browser, f"{CATS}/withdrawal")
    gone = predict(app, secret)[0], owner_browser.get("/models/cats").status_code
    page = owner_browser.get(CATS).text
    restored = send(owner_browser, f"{CATS}/restoration")

    assert (withdrawn.status_code, restored.status_code) == (303, 303)
    assert gone == (404, 404)
    assert "Bring back" in page
    assert "Make live" not in page
    assert "Roll back to" not in page
    assert predict(app, secret) == (200, 3)
    assert audited("model.withdrawn") == [("model:cats", owner.id, {})]
    assert audited("model.restored") == [("model:cats", owner.id, {})]


def test_what_is_so_already_is_no_event(owner_browser):
    answers = [
        send(owner_browser, f"{CATS}/restoration"),
        send(owner_browser, f"{CATS}/visibility", visibility="public"),
        send(owner_browser, f"{CATS}/withdrawal"),
        send(owner_browser, f"{CATS}/withdrawal"),
    ]

    assert [answer.status_code for answer in answers] == [303] * 4
    assert audited("model.restored") + audited("model.visibility_changed") == []
    assert len(audited("model.withdrawn")) == 1


def test_visibility_says_who_finds_the_model(owner_browser, owner, app):
    answer = send(owner_browser, f"{CATS}/visibility", visibility="private")

    assert answer.status_code == 303
    assert app.test_client().get("/models/cats").status_code == 404
    details = {"before": "public", "after": "private"}
    assert audited("model.visibility_changed") == [("model:cats", owner.id, details)]


@pytest.mark.parametrize(
    ("deed", "fields"),
    [
        ("visibility", {"visibility": "secret"}),
        ("visibility", {}),
        ("live-version", {"version": "one", "live": 3}),
        ("live-version", {"version": 1}),
        ("live-version", {"version": 1, "live": ""}),
        ("rollback", {}),
        ("rollback", {"live": "9" * 5000}),
    ],
)
def test_a_value_that_is_none_is_refused(owner_browser, deed, fields):
    answer = send(owner_browser, f"{CATS}/{deed}", **fields)

    assert answer.status_code == 422
    assert (stored().live_number, stored().visibility) == (3, "public")


@pytest.mark.parametrize("number", [0, 4, -1, 10**30])
def test_a_version_that_is_not_there_is_not_found(owner_browser, number):
    answer = send(owner_browser, f"{CATS}/live-version", version=number, live=3)

    assert answer.status_code == 404
    assert stored().live_number == 3


def test_without_an_earlier_version_the_page_says_so(owner_browser, add_model):
    add_model("dogs")
    path = "/admin/models/dogs"

    page = owner_browser.get(path).text
    answer = send(owner_browser, f"{path}/rollback", live=1)

    assert "There is no earlier version to roll back to" in page
    assert f'action="{path}/rollback"' not in page
    assert answer.status_code == 409


@pytest.mark.parametrize("deed", [deed for deed, _ in DEEDS])
def test_no_link_changes_anything(owner_browser, deed):
    assert owner_browser.get(f"{CATS}/{deed}").status_code == 405


# Meanwhile


@pytest.mark.parametrize(
    ("deed", "fields"), [("live-version", {"version": 1}), ("rollback", {})]
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_a_choice_made_from_an_old_page_is_refused_in_place(
    owner_browser, deed, fields, headers
):
    catalog.promote(stored(), 2)
    db.session.commit()

    answer = send(owner_browser, f"{CATS}/{deed}", headers=headers, live=3, **fields)

    assert answer.status_code == 409
    assert "Version 2 was made live meanwhile; look again." in answer.text
    assert 'name="live" value="2"' in answer.text
    assert ("<html" in answer.text) == (not headers)
    assert stored().live_number == 2


def test_sending_the_same_choice_twice_is_harmless(owner_browser):
    for _ in range(2):
        answer = send(owner_browser, f"{CATS}/live-version", version=1, live=3)

    assert answer.status_code == 303
    assert len(audited("model.promoted")) == 1


def test_a_model_withdrawn_meanwhile_is_said_in_place(owner_browser):
    catalog.withdraw(stored())
    db.session.commit()

    answer = send(owner_browser, f"{CATS}/live-version", version=1, live=3)

    assert answer.status_code == 409
    assert "cats is withdrawn." in answer.text
    assert "Bring back" in answer.text
    assert stored().live_number == 3
