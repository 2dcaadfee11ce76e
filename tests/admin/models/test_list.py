"""The back office's list of models."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import delete

from portal import catalog
from portal.catalog import Model
from portal.db import db, now
from tests.admin.models.pages import HTMX, names
from tests.counted import add_call
from tests.factories import make_user


def call_cats(days_ago):
    cats = catalog.find_any("cats")
    add_call(now() - timedelta(days=days_ago), model_id=cats.id, version=3)


def test_the_list_tells_what_answers_and_who_published_it(
    owner_browser, owner, add_model
):
    add_model(
        "dogs", owner=owner, title="Dogs & co", visibility="unlisted", numbers=(1, 2)
    )

    page = owner_browser.get("/admin/models")

    assert page.status_code == 200
    for words in ("Dogs &amp; co", "2 of 2", "tensor", "Unlisted", owner.email, "Live"):
        assert words in page.text


def test_the_list_counts_the_calls_of_seven_days(owner_browser):
    for days_ago in (0, 1, 6, 8):
        call_cats(days_ago)
    db.session.commit()

    page = owner_browser.get("/admin/models")

    assert 'data-label="Calls in 7 days">3</td>' in page.text


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["dogs", "cats"]),
        ("CAT", ["cats"]),
        ("four PAWS", ["dogs"]),
        ("%", []),
        ("_", []),
        ("\\", []),
        ("/", []),
        ("\0", ["dogs", "cats"]),
        ("x" * 10_000, []),
        ("<b>", []),
    ],
)
def test_a_search_finds_a_part_of_the_name_or_title(
    owner_browser, add_model, search, found
):
    add_model("dogs", title="On four paws")

    page = owner_browser.get("/admin/models", query_string={"q": search})

    assert page.status_code == 200
    assert names(page) == found
    assert "<b>" not in page.text


def test_only_the_live_title_is_searched(owner_browser, add_model):
    dogs = add_model("dogs", title="Hounds", numbers=(1, 2))
    dogs.versions[1].manifest = dogs.live.manifest | {"title": "Dogs"}
    db.session.commit()

    page = owner_browser.get("/admin/models?q=hounds")

    assert names(page) == []


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("live", ["cats"]),
        ("withdrawn", ["dogs"]),
        ("no-version", ["eels"]),
        ("nonsense", ["eels", "dogs", "cats"]),
    ],
)
def test_the_list_is_filtered_by_status(owner_browser, add_model, status, found):
    catalog.withdraw(add_model("dogs"))
    add_model("eels", numbers=())

    page = owner_browser.get(f"/admin/models?status={status}")

    assert names(page) == found


def test_a_long_list_goes_on_with_its_search_kept(owner_browser):
    db.session.add_all([Model(name=f"model-{number}") for number in range(60)])
    db.session.commit()

    first = owner_browser.get("/admin/models?q=model-")
    older = re.search(r'href="(/admin/models\?[^"]*before=[^"]*)"', first.text)[1]
    second = owner_browser.get(older.replace("&amp;", "&"))

    assert (len(names(first)), len(names(second))) == (50, 10)
    assert "cats" not in names(first) + names(second)


def test_the_list_alone_is_a_fragment(owner_browser):
    page = owner_browser.get("/admin/models?q=cats", headers=HTMX)

    assert page.text.lstrip().startswith('<div class="stack" id="models">')
    assert names(page) == ["cats"]


def test_an_empty_list_says_what_will_be_here(owner_browser):
    nothing_found = owner_browser.get("/admin/models?q=x").text
    db.session.execute(delete(Model))
    db.session.commit()
    nothing = owner_browser.get("/admin/models").text

    assert "Show all models" in nothing_found
    assert "flask models publish" in nothing


def test_no_cache_keeps_the_list(owner_browser):
    page = owner_browser.get("/admin/models")

    assert page.headers["Cache-Control"] == "no-store"


def test_a_publisher_lists_all_but_the_private_models_of_others(
    publisher_browser, publisher, owner, add_model
):
    add_model("crows", visibility="private")
    add_model("dogs", visibility="private", owner=publisher)
    add_model("eels", visibility="unlisted", owner=owner)
    catalog.withdraw(add_model("foxes"))
    db.session.commit()

    everything = publisher_browser.get("/admin/models")
    searched = publisher_browser.get("/admin/models?q=c")

    assert names(everything) == ["foxes", "eels", "dogs", "cats"]
    assert names(searched) == ["cats"]


def test_the_list_is_searched_on_postgresql(pg_app):
    owner = make_user("owner@example.org", role="owner")
    model = Model(name="dogs", owner_id=owner.id, live_number=1)
    manifest = {"title": "Über four paws", "task": "tensor"}
    model.versions = [
        catalog.ModelVersion(number=1, digest="0", manifest=manifest, signatures={})
    ]
    db.session.add(model)
    db.session.commit()

    found = {
        search: len(catalog.list_for(owner, search=search).rows)
        for search in ("DOG", "über FOUR", "%", "\0", "x" * 10_000, "'")
    }

    (facts,) = catalog.list_for(owner, search="dogs").rows
    assert found == {"DOG": 1, "über FOUR": 1, "%": 0, "\0": 1, "x" * 10_000: 0, "'": 0}
    assert (facts.title, facts.versions, facts.publisher) == (
        "Über four paws",
        1,
        owner.email,
    )
