"""Models to publish, and a portal with the bundled ones."""

import pytest
from sqlalchemy import func, select

from portal import catalog, extensions
from portal.app import create_app
from portal.catalog import Model, ModelVersion
from portal.db import db
from portal.extensions import store_dir
from tests import onnx_files
from tests.conftest import make_config
from tests.published import copy_published, published

__all__ = ["published"]

MANIFEST = """
name = "adder"
title = "An adder"
summary = "Adds one."
licence = "MIT"
card = "card.md"
labels = "labels.txt"

[files]
model = "adder.onnx"

[[examples]]
title = "Small"
inputs = { x = [[1, 2]] }

[[examples]]
title = "Large"
inputs = { x = [[100, 200], [300, 400]] }
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder with everything that a model may have."""
    folder = tmp_path / "draft"
    folder.mkdir()
    (folder / "model.toml").write_text(MANIFEST)
    (folder / "card.md").write_text("# Adder\n\nAdds *one*.\n")
    (folder / "labels.txt").write_text("low\n\n  high  \n")
    (folder / "adder.onnx").write_bytes(onnx_files.adder())
    return folder


@pytest.fixture
def onnx_file(tmp_path):
    """Return an ONNX file by itself."""
    path = tmp_path / "My Adder_v2.onnx"
    path.write_bytes(onnx_files.adder())
    return path


@pytest.fixture
def publish(app, config):
    """Return a function that publishes and commits, as the command does."""

    def publish(path, *, owner=None, **overrides):
        version, _ = catalog.publish(
            path,
            config=config,
            overrides=catalog.Overrides(**overrides),
            owner=owner,
        )
        db.session.commit()
        return version

    return publish


@pytest.fixture
def stored(app, config):
    """Return a function that tells what is stored: rows, then files."""

    def stored():
        rows = [
            db.session.scalar(select(func.count()).select_from(table))
            for table in (Model, ModelVersion)
        ]
        files = [p for p in store_dir(config).rglob("*") if p.is_file()]
        return rows, sorted(path.name for path in files)

    return stored


@pytest.fixture
def bundled_app(published, tmp_path):
    """Return a portal of this test alone, with the bundled models published."""
    copy_published(published, tmp_path)
    app = create_app(make_config(tmp_path))
    extensions.limiter.reset()
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
