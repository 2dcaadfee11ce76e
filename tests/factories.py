"""People, keys and models for tests."""

from flask.testing import FlaskClient

from portal import accounts, keys
from portal.accounts import User
from portal.accounts.login import cookie_name
from portal.db import db, now
from tests.once import hash_of

PASSWORD = "seven wonderful otters"


def make_user(
    email: str = "ada@example.org",
    *,
    role: str = "user",
    is_verified: bool = True,
    is_suspended: bool = False,
    password: str = PASSWORD,
) -> User:
    """Return a new user, committed."""
    user = accounts.create(email, role=role)
    user.password_hash = hash_of(password)
    user.verified_at = now() if is_verified else None
    user.suspended_at = now() if is_suspended else None
    db.session.commit()
    return user


def make_key(user: User, name: str = "script") -> tuple[keys.ApiKey, str]:
    """Return a new key of *user* and its secret, committed."""
    issued = keys.issue(user, name=name)
    db.session.commit()
    return issued.api_key, issued.secret


def log_in(client: FlaskClient, user: User) -> str:
    """Log *client* in as *user*; return the token in its cookie."""
    token = accounts.start_login_session(user, device="tests", address="127.0.0.1")
    db.session.commit()
    client.set_cookie(cookie_name(), token)
    return token
