"""A portal with the model `cats`, of which three versions were published once."""

import shutil

import pytest

from portal import catalog
from portal.app import create_app
from portal.catalog import Model, ModelVersion
from portal.db import db
from tests import onnx_files
from tests.conftest import make_config
from tests.factories import log_in, make_user


@pytest.fixture(scope="session")
def three_cats(migrated_sqlite, tmp_path_factory):
    """Return a data folder with `cats`, whose versions add 1, 2 and 3."""
    folder = tmp_path_factory.mktemp("cats")
    shutil.copy(migrated_sqlite, folder / "portal.sqlite3")
    config = make_config(folder)
    path = folder / "cats.onnx"
    with create_app(config).app_context():
        for amount in (1, 2, 3):
            path.write_bytes(onnx_files.adder(amount))
            catalog.publish(path, config=config)
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    return folder


@pytest.fixture
def config(three_cats, tmp_path):
    """Return the settings of ``app``, on a copy of the three versions."""
    shutil.copytree(three_cats, tmp_path, dirs_exist_ok=True)
    return make_config(tmp_path)


@pytest.fixture
def give(app):
    """Return a function that gives `cats` a publisher and a visibility."""

    def give(owner, visibility="public"):
        model = catalog.find_any("cats")
        model.owner_id, model.visibility = owner.id, visibility
        db.session.commit()

    return give


@pytest.fixture
def add_model(app):
    """Return a function that adds a model by rows: it can be seen, not called."""

    def add_model(name, *, owner=None, visibility="public", title="", numbers=(1,)):
        cats = catalog.find_any("cats").live
        model = Model(
            name=name,
            visibility=visibility,
            owner_id=owner.id if owner else None,
            live_number=max(numbers, default=None),
        )
        model.versions = [
            ModelVersion(
                number=number,
                digest=f"{number:064}",
                manifest=cats.manifest | {"title": title or name.title()},
                signatures=cats.signatures,
            )
            for number in numbers
        ]
        db.session.add(model)
        db.session.commit()
        return model

    return add_model


@pytest.fixture
def publisher(app):
    """Return a publisher who isn't an owner."""
    return make_user("pat@example.org", role="publisher")


@pytest.fixture
def publisher_browser(app, publisher):
    """Return a browser in which the publisher is logged in."""
    browser = app.test_client()
    log_in(browser, publisher)
    return browser
