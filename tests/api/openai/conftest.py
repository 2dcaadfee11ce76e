"""The portal of these tests: three models that embed texts, and one that doesn't."""

import shutil

import numpy as np
import pytest
from sqlalchemy import text

from portal import catalog
from portal.app import create_app
from portal.catalog import Model
from portal.db import db, now
from portal.extensions import config as settings
from tests import onnx_tasks
from tests.conftest import make_config
from tests.published import DATABASE, publish_iris

# The vectors of [PAD] [CLS] [SEP] [UNK] good bad day night.
TABLE = np.array(
    [
        [99, 99, 99],
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [2, 0, 0],
        [0, 2, 0],
        [0, 0, 2],
        [0, 3, 3],
    ],
    np.float32,
)
VISIBILITIES = {"words": "public", "aside": "unlisted", "secret": "private"}
MANIFEST = """\
name = "words"
title = "Words"
task = "text-embedding"
[files]
model = "m.onnx"
tokenizer = "tokenizer.json"
[settings]
max_length = 8
[[examples]]
title = "Weather"
inputs = { text = "good day" }
"""


@pytest.fixture(scope="package")
def published(migrated_sqlite, tmp_path_factory):
    """Return a data folder with models that embed texts, and ``iris``."""
    folder = tmp_path_factory.mktemp("words")
    shutil.copy(migrated_sqlite, folder / DATABASE)
    with create_app(make_config(folder)).app_context():
        publish_iris()
        # It had the others once, so a start publishes none of them.
        for name in catalog.bundled.WHEELS:
            db.session.add(Model(name=name, withdrawn_at=now()))
        publish_words(tmp_path_factory.mktemp("source"))
        db.session.commit()
        db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.session.remove()
        db.engine.dispose()
    return folder


def publish_words(source):
    """Publish ``words``, which is public, ``aside`` and ``secret``, from *source*."""
    (source / "model.toml").write_text(MANIFEST)
    (source / "m.onnx").write_bytes(onnx_tasks.language_model(TABLE))
    (source / "tokenizer.json").write_bytes(onnx_tasks.tokenizer())
    for name, visibility in VISIBILITIES.items():
        overrides = catalog.Overrides(name=name, visibility=visibility)
        catalog.publish(source, config=settings(), overrides=overrides)
