"""The portal of these tests: every bundled model is published."""

from pathlib import Path

import pytest

from portal.config import Config
from tests.conftest import make_config
from tests.published import copy_store, pg_app, published

__all__ = ["pg_app", "published"]


@pytest.fixture
def config(published: Path, tmp_path: Path) -> Config:
    """Return the settings of ``app``."""
    copy_store(published, tmp_path)
    return make_config(tmp_path)
