"""`GET /`: the public models."""

import re

import pytest

from portal import catalog
from portal.db import db
from tests.factories import log_in, make_user
from tests.published import publish_iris


def links(page):
    return re.findall(r'class="model-card__link"\s+href="/models/([^"]+)"', page.text)


def test_it_shows_every_public_model_by_name(client):
    page = client.get("/")

    assert page.status_code == 200
    assert {"file-type", "iris", "mrz", "ocr"} <= set(links(page))
    assert links(page) == sorted(links(page))


def test_a_card_says_what_the_model_does_and_shows_an_examples_result(client):
    page = client.get("/")

    assert "Names the species of an iris from four measurements." in page.text
    assert re.search(r"setosa 99\.\d %", page.text)
    assert "HARBOUR BAKERY" in page.text
    assert 'src="/models/ocr/examples/1/image?v=' in page.text


def test_hardly_possible_labels_are_left_out(client):
    page = client.get("/")

    assert "virginica" not in page.text


def test_a_model_whose_file_is_gone_is_offline(app, client, tmp_path):
    version = catalog.find_any("iris").live
    sha256 = version.manifest["files"]["model"]["sha256"]
    (tmp_path / "models" / sha256[:2] / sha256).unlink()

    page = client.get("/")

    assert len(re.findall("status-light--offline", page.text)) == 1


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
def test_only_public_models_are_shown_even_to_the_owner(client, visibility):
    log_in(client, make_user(role="owner"))
    publish_iris(name="other", visibility=visibility)

    assert "other" not in links(client.get("/"))


def test_a_withdrawn_model_is_not_shown(client):
    catalog.withdraw(catalog.find_any("iris"))
    db.session.commit()

    assert "iris" not in links(client.get("/"))


def test_a_portal_without_models_says_how_to_publish_one(client):
    for model in catalog.list_all():
        catalog.withdraw(model)
    db.session.commit()

    page = client.get("/")

    assert "flask models publish" in page.text


def test_what_an_owner_writes_is_shown_as_text(client):
    publish_iris(name="other", title='<script>alert("x")</script>')

    page = client.get("/")

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text


def test_a_visit_costs_no_login_session_and_is_not_kept(client):
    page = client.get("/")

    assert page.headers["Cache-Control"] == "no-store"
