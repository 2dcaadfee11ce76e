"""Loading and unloading a model: for its publisher and the owners."""

import pytest

from portal import catalog, extensions, keys
from portal.db import db
from portal.errors import Forbidden
from tests.api.calling import bearer, predict_iris
from tests.factories import make_key, make_user

LOAD = "/v2/repository/models/iris/load"
UNLOAD = "/v2/repository/models/iris/unload"


def writing_key(user):
    issued = keys.issue(user, name="deploy", scopes=[keys.Scope.MODELS_WRITE])
    db.session.commit()
    return bearer(issued.secret)


def names_in_memory():
    return [one.spec.model_name for one in extensions.parts().pool.loaded()]


def give_iris_to(user):
    catalog.find_any("iris").owner_id = user.id
    db.session.commit()


@pytest.mark.parametrize("role", ["publisher", "owner"])
def test_its_publisher_and_an_owner_load_and_unload_it(client, app, role):
    user = make_user(role=role)
    if role == "publisher":
        give_iris_to(user)
    headers = writing_key(user)

    loaded = client.post(LOAD, json={}, headers=headers)
    in_memory = names_in_memory()
    body = {"parameters": {"unload_dependents": False}}
    unloaded = client.post(UNLOAD, json=body, headers=headers)

    assert (loaded.status_code, unloaded.status_code) == (200, 200)
    assert loaded.headers["RateLimit"]
    assert in_memory == ["iris"]
    assert names_in_memory() == []


def test_an_unloaded_model_is_still_called(client, ada):
    client.post(
        UNLOAD, headers=writing_key(make_user("boss@example.org", role="owner"))
    )

    assert predict_iris(client, ada.secret).status_code == 200


@pytest.mark.parametrize("path", [LOAD, UNLOAD])
def test_nobody_else_loads_or_unloads_it(client, ada, path):
    owner = make_user("boss@example.org", role="owner")
    other = make_user("other@example.org", role="publisher")
    _, without_scope = make_key(owner)

    assert client.post(path).status_code == 401
    assert client.post(path, headers=bearer(without_scope)).status_code == 403
    assert client.post(path, headers=bearer(ada.secret)).status_code == 403
    assert client.post(path, headers=writing_key(other)).status_code == 403
    assert names_in_memory() == []


def test_a_publisher_who_is_none_any_more_loads_nothing(client, app):
    user = make_user(role="publisher")
    give_iris_to(user)
    headers = writing_key(user)
    user.role = "user"
    db.session.commit()

    assert client.post(LOAD, headers=headers).status_code == 403


def test_a_user_gets_no_key_that_changes_models(app):
    user = make_user()

    with pytest.raises(Forbidden, match="models:write"):
        keys.issue(user, name="deploy", scopes=[keys.Scope.MODELS_WRITE])


@pytest.mark.parametrize(
    "parameters", [{"config": "{}"}, {"file:1/model.onnx": "AAAA"}]
)
def test_a_model_is_changed_by_publishing_only(client, app, parameters):
    headers = writing_key(make_user(role="owner"))

    answer = client.post(LOAD, json={"parameters": parameters}, headers=headers)

    assert answer.status_code == 422
    assert "publish a new version" in answer.get_json(force=True)["error"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"[]", 422), (b"{", 400), (b'{"parameters": 1}', 422)]
)
def test_a_body_that_is_no_object_is_refused(client, app, body, status):
    headers = writing_key(make_user(role="owner"))

    assert client.post(LOAD, data=body, headers=headers).status_code == status


def test_a_model_that_is_not_there_is_404(client, app):
    headers = writing_key(make_user(role="owner"))
    path = "/v2/repository/models/nothing/load"

    assert client.post(path, headers=headers).status_code == 404
