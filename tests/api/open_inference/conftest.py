"""The portal of these tests: bundled models, and one of many types beside them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from portal import catalog
from portal.app import create_app
from portal.config import Config
from portal.db import db
from tests import onnx_files
from tests.conftest import make_config
from tests.published import copy_published, copy_store, published

__all__ = ["published"]


@pytest.fixture(scope="session")
def with_types(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the bundled models and the model ``types``."""
    folder = tmp_path_factory.mktemp("with-types") / "data"
    copy_store(published, folder)
    config = make_config(folder)
    file = folder / "types.onnx"
    file.write_bytes(onnx_files.many_types())
    with create_app(config).app_context():
        catalog.publish(file, config=config, overrides=catalog.Overrides())
        db.session.commit()
        db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.session.remove()
        db.engine.dispose()
    return folder


@pytest.fixture
def make_portal_config(with_types: Path, tmp_path: Path) -> Callable[..., Config]:
    """Return a function that makes settings for a copy of these models."""

    def make(**environ: str) -> Config:
        copy_published(with_types, tmp_path)
        return make_config(tmp_path, **environ)

    return make


@pytest.fixture
def config(make_portal_config: Callable[..., Config]) -> Config:
    """Return the settings of ``app``."""
    return make_portal_config()
