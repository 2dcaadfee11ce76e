"""The portal of these tests, in this process and as a real server."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal.app import create_app
from portal.db import db
from tests.conftest import SECRET, make_config
from tests.factories import make_key, make_user
from tests.published import (
    config,
    copy_published,
    copy_store,
    make_portal_config,
    pg_app,
    published,
)
from tests.servers import Portal

__all__ = [
    "config",
    "copy_published",
    "make_portal_config",
    "pg_app",
    "published",
]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def portal(published: Path) -> Iterator[Portal]:
    """Return a running portal that believes one proxy in front of it."""
    portal = Portal.embedded(PORTAL_TRUSTED_PROXIES="1", PORTAL_SECRET_KEY=SECRET)
    copy_store(published, portal.data_dir)
    with portal:
        # Its last words to the owner; from here on the log is that of requests.
        while "/setup/" not in portal.log_text():
            time.sleep(0.05)
        yield portal


@pytest.fixture
def address() -> dict[str, str]:
    """Return the header that gives this test an address of its own.

    Limits per address would otherwise let one test refuse another.
    """
    number = next(_numbers)
    return {"X-Forwarded-For": f"10.0.{number // 256}.{number % 256}"}


@pytest.fixture
def new_key(portal: Portal) -> Callable[[], str]:
    """Return a function that makes a user of the server and returns their key."""

    def make() -> str:
        with create_app(make_config(portal.data_dir)).app_context():
            user = make_user(f"user{next(_numbers)}@example.org")
            _, secret = make_key(user)
            db.session.remove()
            db.engine.dispose()
        return secret

    return make
