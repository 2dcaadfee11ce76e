"""The portal of these tests: every bundled model is published."""

from typing import NamedTuple

import pytest
from flask import Flask

from portal.accounts import User
from portal.keys import ApiKey
from tests.factories import make_key, make_user
from tests.published import config, make_portal_config, pg_app, published

__all__ = ["config", "make_portal_config", "pg_app", "published"]


class Ada(NamedTuple):
    """A verified user with a key."""

    user: User
    api_key: ApiKey
    secret: str


@pytest.fixture
def ada(app: Flask) -> Ada:
    """Return Ada, who has a key."""
    user = make_user("ada@example.org")
    return Ada(user, *make_key(user))
