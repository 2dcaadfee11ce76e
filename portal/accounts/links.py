"""Links that are mailed or printed: signed, for one purpose, once.

A token holds a digest of the user's address and `link_nonce`, and the user's id.
Whatever gives the user a new nonce (using a link, asking for another one, a new
password) ends every older link.
"""

import base64
import hashlib
import re
import secrets
import time
from enum import StrEnum
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import update

from portal import extensions
from portal.accounts.errors import LinkRefused, LinkUnreadable
from portal.accounts.tables import User
from portal.config import Config
from portal.db import db

HOUR_S = 3600
# Base64 decoders skip other characters, so many addresses would be one link.
TOKEN = re.compile(r"[0-9A-Za-z_.-]+")


class Purpose(StrEnum):
    """What a link is for: its salt, and the first word of its address."""

    VERIFY_ADDRESS = "verify-email"
    SET_PASSWORD = "reset-password"  # noqa: S105 - not a password
    # Mailed where SET_PASSWORD is printed, so who has it reads the user's mail.
    RESET_PASSWORD = "forgotten-password"  # noqa: S105 - not a password
    SET_UP = "setup"


LIFETIMES_S = {
    Purpose.VERIFY_ADDRESS: 24 * HOUR_S,
    Purpose.SET_PASSWORD: HOUR_S,
    Purpose.RESET_PASSWORD: HOUR_S,
}
# Both lead to the one page that sets a password.
FIRST_WORDS = {Purpose.RESET_PASSWORD: Purpose.SET_PASSWORD}
SETS_PASSWORD = (Purpose.SET_PASSWORD, Purpose.RESET_PASSWORD)


def new_nonce() -> str:
    """Return a fresh value for `User.link_nonce`."""
    return secrets.token_urlsafe(32)


def link_for(user: User, purpose: Purpose) -> str:
    """Return a link for *user*, which ends the older ones."""
    user.link_nonce = new_nonce()
    db.session.flush()
    payload = [_state(user, purpose), user.id]
    return sign(payload, purpose, extensions.config())


def user_of(token: str, purpose: Purpose) -> User:
    """Return the user whose link holds *token*.

    Raises:
        LinkRefused: It is expired, used, replaced, for another purpose or broken.
    """
    payload = read(token, purpose)
    user = db.session.get(User, payload[1])
    if (
        user is None
        or user.is_suspended
        or not secrets.compare_digest(payload[0], _state(user, purpose))
    ):
        message = "That link was used already, or a newer one has replaced it."
        raise LinkRefused(message)
    return user


def use_up(user: User) -> None:
    """End the links of *user*, this time for the one in use.

    Raises:
        LinkRefused: Another request was first.
    """
    used = db.session.scalar(
        update(User)
        .where(User.id == user.id, User.link_nonce == user.link_nonce)
        .values(link_nonce=new_nonce())
        .returning(User.id)
    )
    if used is None:
        message = "That link was used already."
        raise LinkRefused(message)


def sign(payload: list[Any], purpose: Purpose, config: Config) -> str:
    """Return an absolute link that holds *payload*."""
    token = _serializer(config, purpose).dumps(payload)
    return f"{config.base_url}/{FIRST_WORDS.get(purpose, purpose)}/{token}"


def read(token: str, purpose: Purpose) -> list[Any]:
    """Return the payload of *token*.

    Raises:
        LinkUnreadable: It is for another purpose or broken.
        LinkRefused: It is expired.
    """
    try:
        payload, signed_at = _serializer(extensions.config(), purpose).loads(
            token if TOKEN.fullmatch(token) else "", return_timestamp=True
        )
    except BadData:
        message = "That link is not complete. Copy the whole of it from the message."
        raise LinkUnreadable(message) from None
    # The serializer's own check would refuse a fresh link after the clock was
    # set back.
    lifetime_s = LIFETIMES_S.get(purpose)
    if lifetime_s is not None and time.time() - signed_at.timestamp() > lifetime_s:
        message = "That link has expired."
        raise LinkRefused(message)
    return list(payload)


def _serializer(config: Config, purpose: Purpose) -> URLSafeTimedSerializer:
    # itsdangerous signs with the last of a list; our first one signs.
    return URLSafeTimedSerializer(
        list(reversed(config.secret_key)),
        salt=f"portal.link.{purpose}",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def _state(user: User, purpose: Purpose) -> str:
    state = f"{user.link_nonce}:{purpose}:{user.id}:{user.email}"
    if purpose in SETS_PASSWORD:
        # Logging in ends these. An address is verified after the first login too.
        state += f":{user.last_login_at}"
    digest = hashlib.sha256(state.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()
