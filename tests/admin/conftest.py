"""What the tests of the back office share."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.accounts import User
from tests.factories import log_in, make_user


@pytest.fixture
def owner(app: Flask) -> User:
    """Return the owner of the portal."""
    return make_user("owner@example.org", role="owner")


@pytest.fixture
def owner_browser(client: FlaskClient, owner: User) -> FlaskClient:
    """Return a browser in which the owner is logged in."""
    log_in(client, owner)
    return client
