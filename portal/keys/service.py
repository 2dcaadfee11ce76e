"""Issues, authenticates and revokes API keys."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, update

from portal import audit
from portal.accounts import User
from portal.accounts.errors import UserSuspended
from portal.db import db, exclusive, now
from portal.errors import NotFound
from portal.keys import secrets
from portal.keys.errors import (
    KeyRefused,
    KeysExhausted,
    UserUnverified,
)
from portal.keys.lifetimes import DEFAULT_LIFETIME, check_lifetime
from portal.keys.names import check_name
from portal.keys.tables import ApiKey, Scope
from portal.limits import DEFAULT_PLAN


class IssuedKey(NamedTuple):
    """A new key, with the secret that is never seen again."""

    api_key: ApiKey
    secret: str


def issue(
    user: User,
    *,
    name: str,
    scopes: Sequence[Scope] = (Scope.PREDICT,),
    expires_in: timedelta = DEFAULT_LIFETIME,
    actor_id: int | None = None,
) -> IssuedKey:
    """Issue a key for *user*; *actor_id* is who asked for it.

    Raises:
        UserSuspended, UserUnverified: The user may have no keys.
        Invalid: The name or the lifetime can't be used.
        KeysExhausted: The plan allows no further active key.
    """
    _check_owner(user)
    name = check_name(name)
    check_lifetime(expires_in, max_days=DEFAULT_PLAN.max_key_days)
    exclusive(f"keys:{user.id}")
    if active_count(user) >= DEFAULT_PLAN.max_keys:
        raise KeysExhausted(DEFAULT_PLAN.max_keys)
    secret = _draw()
    issued_at = now()
    api_key = ApiKey(
        user_id=user.id,
        name=name,
        prefix=secrets.prefix_of(secret),
        secret_hash=secrets.hash_of(secret),
        scopes=[str(scope) for scope in dict.fromkeys(scopes)],
        created_at=issued_at,
        expires_at=issued_at + expires_in,
    )
    db.session.add(api_key)
    db.session.flush()
    audit.record(
        "key.issued",
        subject=f"key:{api_key.id}",
        actor_id=actor_id,
        prefix=api_key.prefix,
        user_id=user.id,
        scopes=api_key.scopes,
    )
    return IssuedKey(api_key, secret)


def authenticate(secret: str) -> ApiKey:
    """Return the active key that *secret* belongs to.

    Raises:
        KeyRefused: There is none; mistyped secrets are not even looked up.
        UserSuspended, UserUnverified: Its user may not use it.
    """
    if not secrets.has_valid_form(secret):
        raise KeyRefused
    api_key = db.session.scalar(
        select(ApiKey).where(ApiKey.secret_hash == secrets.hash_of(secret))
    )
    if api_key is None or not api_key.is_active:
        raise KeyRefused
    _check_owner(api_key.user)
    return api_key


def list_of(user: User) -> Sequence[ApiKey]:
    """Return the keys of *user*, the newest first."""
    return db.session.scalars(
        select(ApiKey).where(ApiKey.user_id == user.id).order_by(ApiKey.id.desc())
    ).all()


def list_all() -> Sequence[ApiKey]:
    """Return everybody's keys, the newest first."""
    return db.session.scalars(select(ApiKey).order_by(ApiKey.id.desc())).all()


def active_count(user: User) -> int:
    """Return how many keys of *user* open the API now."""
    return (
        db.session.scalar(
            select(func.count()).where(ApiKey.user_id == user.id, *_is_active())
        )
        or 0
    )


def find(key_id: int, *, owner: User) -> ApiKey:
    """Return the key of *owner* with this id.

    Raises:
        NotFound: There is none, or it is someone else's.
    """
    return _found(
        db.session.scalar(
            select(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == owner.id)
        )
    )


def find_by_prefix(prefix: str) -> ApiKey:
    """Return the key listed by *prefix*, written with or without ``mp_``.

    Raises:
        NotFound: There is none.
    """
    bare = prefix.removeprefix(secrets.MARK)
    return _found(db.session.scalar(select(ApiKey).where(ApiKey.prefix == bare)))


def revoke(api_key: ApiKey, *, actor_id: int | None = None) -> None:
    """End *api_key* for good; revoking it again changes nothing."""
    # One statement, so that of two at once only one is written down.
    revoked_id = db.session.scalar(
        update(ApiKey)
        .where(ApiKey.id == api_key.id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now())
        .returning(ApiKey.id)
    )
    if revoked_id is not None:
        audit.record(
            "key.revoked",
            subject=f"key:{api_key.id}",
            actor_id=actor_id,
            prefix=api_key.prefix,
            user_id=api_key.user_id,
        )


def _check_owner(user: User) -> None:
    if user.is_suspended:
        raise UserSuspended
    if not user.is_verified:
        raise UserUnverified


def _draw() -> str:
    """Draw a secret whose prefix no other key has."""
    while True:
        secret = secrets.make_secret()
        taken = select(ApiKey.id).where(ApiKey.prefix == secrets.prefix_of(secret))
        if db.session.scalar(taken) is None:
            return secret


def _is_active() -> tuple[ColumnElement[bool], ...]:
    return (
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now()),
    )


def _found(api_key: ApiKey | None) -> ApiKey:
    if api_key is None:
        raise NotFound("There is no such key.")
    return api_key
