"""`GET /api/v1/models` and `/models/<name>`: what can be called, and how."""

import pytest

from portal import catalog
from portal.db import db
from tests.api.calling import bearer
from tests.conftest import make_config
from tests.factories import make_key, make_user
from tests.published import copy_store, publish_iris

MODELS = "/api/v1/models"


@pytest.fixture
def config(published, tmp_path):
    copy_store(published, tmp_path)
    return make_config(tmp_path)


def names(answer):
    return [model["name"] for model in answer.json["models"]]


def test_public_models_are_listed_without_a_key(client):
    answer = client.get(MODELS)

    assert answer.status_code == 200
    assert {"file-type", "iris", "mrz", "ocr"} <= set(names(answer))
    assert names(answer) == sorted(names(answer))


def test_the_list_shows_no_limits_to_a_visitor(client):
    answer = client.get(MODELS)

    assert "RateLimit" not in answer.headers


def test_a_wrong_key_is_refused_even_for_the_public_list(client):
    answer = client.get(MODELS, headers=bearer("mp_wrong"))

    assert answer.status_code == 401


def test_a_model_says_what_it_takes_and_gives(client):
    answer = client.get(f"{MODELS}/iris")

    model = answer.json
    assert model["name"] == "iris"
    assert model["title"] == "Iris species"
    assert (model["versions"], model["live_version"]) == ([1], 1)
    assert [(i["name"], i["kind"]) for i in model["inputs"]] == [("features", "tensor")]
    assert model["inputs"][0]["schema"]["items"]["maxItems"] == 4
    assert [(o["name"], o["kind"]) for o in model["outputs"]] == [
        ("labels", "labels"),
        ("probabilities", "tensor"),
    ]
    assert model["limits"]["rate"] == "60/minute;2000/hour"


def test_a_parameter_comes_with_its_default_and_bounds(client):
    answer = client.get(f"{MODELS}/ocr")

    (parameter,) = answer.json["parameters"]
    assert (parameter["name"], parameter["kind"]) == ("min_score", "float")
    assert parameter["schema"] == {
        "type": "number",
        "default": 0.5,
        "minimum": 0,
        "maximum": 1,
    }


@pytest.mark.parametrize("name", ["nothing", "IRIS", "iris ", "a" * 300, "%00", "ир"])
def test_an_unknown_model_is_404(client, name):
    answer = client.get(f"{MODELS}/{name}")

    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("visibility", "is_listed", "status"),
    [("public", True, 200), ("unlisted", False, 200), ("private", False, 404)],
)
def test_visibility_says_who_finds_a_model(client, visibility, is_listed, status):
    publish_iris(name="other", visibility=visibility)

    assert ("other" in names(client.get(MODELS))) is is_listed
    assert client.get(f"{MODELS}/other").status_code == status


def test_a_private_model_is_there_for_its_owner_and_nobody_else(client):
    _, owner = make_key(make_user("owner@example.org", role="owner"))
    _, stranger = make_key(make_user("bob@example.org"))
    publish_iris(name="secret", visibility="private")

    seen = {
        who: (
            "secret" in names(client.get(MODELS, headers=bearer(secret))),
            client.get(f"{MODELS}/secret", headers=bearer(secret)).status_code,
        )
        for who, secret in (("owner", owner), ("stranger", stranger))
    }

    assert seen == {"owner": (True, 200), "stranger": (False, 404)}


def test_what_is_private_looks_like_what_is_not_there(client):
    publish_iris(name="hidden", visibility="private")

    hidden = client.get(f"{MODELS}/hidden").json
    nothing = client.get(f"{MODELS}/nothing").json

    assert hidden["detail"].replace("hidden", "nothing") == nothing["detail"]
    assert set(hidden) == set(nothing)


def test_a_withdrawn_model_is_gone(client):
    catalog.withdraw(catalog.find_any("iris"))
    db.session.commit()

    assert "iris" not in names(client.get(MODELS))
    assert client.get(f"{MODELS}/iris").status_code == 404


def test_a_second_version_is_listed_and_live(client):
    publish_iris(title="Iris again")

    answer = client.get(f"{MODELS}/iris")

    assert (answer.json["versions"], answer.json["live_version"]) == ([1, 2], 2)
    assert answer.json["title"] == "Iris again"


def test_a_keyed_look_shows_the_limits_and_uses_nothing(client):
    _, secret = make_key(make_user())

    for _ in range(2):
        answer = client.get(MODELS, headers=bearer(secret))

    assert answer.headers["X-RateLimit-Remaining"] == "60"
