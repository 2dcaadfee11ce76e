"""Fixtures of the surfaces' tests: a portal on which the bundled models answer.

Publishing them takes seconds, so they are published once per run, and every
test gets a copy of the database beside a link to the model files.
"""

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from portal import catalog, extensions
from portal.app import create_app
from portal.catalog import ModelVersion
from portal.config import ROOT, Config
from portal.db import db
from tests.conftest import make_config

DATABASE = "portal.sqlite3"
MODELS = "models"


@pytest.fixture(scope="session")
def published(migrated_sqlite: Path) -> Path:
    """Return a data folder with every bundled model, to be copied."""
    return _publish(migrated_sqlite)


@cache
def _publish(migrated_sqlite: Path) -> Path:
    # To pytest, `published` is another fixture in each conftest that imports it.
    folder = migrated_sqlite.with_name("published")
    folder.mkdir()
    shutil.copy(migrated_sqlite, folder / DATABASE)
    config = make_config(folder)
    with create_app(config).app_context():
        catalog.publish_bundled(config)
        db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.session.remove()
        db.engine.dispose()
    return folder


@pytest.fixture
def make_portal_config(published: Path, tmp_path: Path) -> Callable[..., Config]:
    """Return a function that makes settings for a copy of the published models."""

    def make(**environ: str) -> Config:
        copy_published(published, tmp_path)
        return make_config(tmp_path, **environ)

    return make


@pytest.fixture
def config(make_portal_config: Callable[..., Config]) -> Config:
    """Return the settings of ``app``."""
    return make_portal_config()


@pytest.fixture
def pg_app(pg_app: Flask) -> Flask:
    """Return the portal on PostgreSQL and Redis, with the model ``iris``."""
    publish_iris()
    return pg_app


def copy_published(published: Path, folder: Path) -> None:
    """Give *folder* the published models; the store itself is only linked."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(published / DATABASE, folder / DATABASE)
    if not (folder / MODELS).exists():
        (folder / MODELS).symlink_to(published / MODELS)


def copy_store(published: Path, folder: Path) -> None:
    """Give *folder* model files of its own, hard-linked: what is published adds."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(published / DATABASE, folder / DATABASE)
    shutil.copytree(published / MODELS, folder / MODELS, copy_function=os.link)


def publish_iris(**overrides: object) -> ModelVersion:
    """Publish the bundled model ``iris``, or a variant of it; commit."""
    version, _ = catalog.publish(
        ROOT / "bundled/iris",
        config=extensions.config(),
        overrides=catalog.Overrides(**overrides),
    )
    db.session.commit()
    return version
