"""Who finds which models."""

import pytest

from portal import catalog
from portal.catalog import ModelNotFound
from portal.db import db
from portal.runtime import ModelPool
from tests import onnx_files
from tests.factories import make_user

VIEWERS = ["visitor", "user", "publisher of the model", "owner"]


@pytest.fixture
def viewers(app):
    return {
        "visitor": None,
        "user": make_user("bob@example.org"),
        "publisher of the model": make_user("ada@example.org", role="publisher"),
        "owner": make_user("grace@example.org", role="owner"),
    }


@pytest.fixture
def models(viewers, publish, tmp_path):
    """Publish one model of each visibility, and one that is withdrawn."""
    path = tmp_path / "adder.onnx"
    path.write_bytes(onnx_files.adder())
    for name in ("public", "unlisted", "private", "withdrawn"):
        publish(
            path,
            name=name,
            visibility="public" if name == "withdrawn" else name,
            owner=viewers["publisher of the model"],
        )
    catalog.withdraw(catalog.find_any("withdrawn"))
    db.session.commit()


@pytest.mark.parametrize(
    ("name", "finders"),
    [
        ("public", VIEWERS),
        ("unlisted", VIEWERS),
        ("private", ["publisher of the model", "owner"]),
        ("withdrawn", []),
        ("no-such-model", []),
    ],
)
def test_a_model_is_found_by_name_by_those_who_may_see_it(
    models, viewers, name, finders
):
    found = [viewer for viewer in VIEWERS if finds(name, viewers[viewer])]

    assert found == finders


@pytest.mark.parametrize("portal", ["app", "pg_app"])
@pytest.mark.parametrize(
    "name", ["a\x00b", "\ud800", "Iris", "a" * 5000, "", "../iris"]
)
def test_what_is_no_name_is_no_model(request, portal, name):
    request.getfixturevalue(portal)

    with pytest.raises(ModelNotFound):
        catalog.find_model(name, viewer=None)


def finds(name, viewer):
    try:
        model = catalog.find_model(name, viewer=viewer)
    except ModelNotFound as refused:
        assert "There is no model" in str(refused)  # noqa: PT017 - either will do
        return False
    return model.name == name


@pytest.mark.parametrize(
    ("viewer", "names"),
    [
        ("visitor", ["public"]),
        ("user", ["public"]),
        ("publisher of the model", ["private", "public"]),
        ("owner", ["private", "public"]),
    ],
)
def test_a_reader_lists_the_public_models_and_the_own_private_ones(
    models, viewers, viewer, names
):
    listed = catalog.list_visible(viewers[viewer])

    assert [model.name for model in listed] == names


def test_the_gallery_lists_the_public_models(models):
    assert [model.name for model in catalog.list_public()] == ["public"]


def test_the_owners_list_holds_every_model_by_name(models):
    names = [model.name for model in catalog.list_all()]

    assert names == ["private", "public", "unlisted", "withdrawn"]


def test_another_publisher_does_not_find_a_private_model(models):
    other = make_user("eve@example.org", role="publisher")

    with pytest.raises(ModelNotFound):
        catalog.find_model("private", viewer=other)


def test_a_private_model_without_a_publisher_is_for_owners_only(
    viewers, publish, tmp_path
):
    path = tmp_path / "adder.onnx"
    path.write_bytes(onnx_files.adder())
    publish(path, visibility="private")

    found = [viewer for viewer in VIEWERS if finds("adder", viewers[viewer])]

    assert found == ["owner"]


def test_a_withdrawn_model_is_found_for_its_owner(models):
    model = catalog.find_any("withdrawn")

    assert model.is_withdrawn


def test_withdrawing_twice_changes_nothing(models):
    model = catalog.find_any("withdrawn")
    first = model.withdrawn_at

    catalog.withdraw(model)

    assert model.withdrawn_at == first


@pytest.fixture
def two_versions(publish, tmp_path):
    path = tmp_path / "adder.onnx"
    for amount in (1, 2):
        path.write_bytes(onnx_files.adder(amount))
        version = publish(path)
    return version.model


@pytest.mark.parametrize(("number", "found"), [(None, 2), (1, 1), (2, 2)])
def test_a_version_is_found_by_number_and_the_live_one_without(
    two_versions, number, found
):
    assert catalog.find_version(two_versions, number).number == found


@pytest.mark.parametrize("number", [0, 3, -1, 2**70])
def test_a_version_that_does_not_exist_is_refused(two_versions, number):
    with pytest.raises(ModelNotFound, match=f"adder has no version {number}"):
        catalog.find_version(two_versions, number)


def test_an_old_version_does_not_push_the_live_one_out_of_memory(two_versions, config):
    old, live = (
        catalog.version_spec(catalog.find_version(two_versions, number), config)
        for number in (1, 2)
    )
    pool = ModelPool()

    pool.get(live)
    pool.get(old)

    assert [one.spec.digest for one in pool.loaded()] == [live.digest, old.digest]


def test_a_long_name_is_not_repeated_in_full(app):
    with pytest.raises(ModelNotFound) as refused:
        catalog.find_model("x" * 5000, viewer=None)

    assert len(str(refused.value)) < 120
