"""Issues, authenticates, renames, revokes and deletes API keys."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm.attributes import set_committed_value

from portal import audit
from portal.accounts import Role, User
from portal.accounts.errors import UserSuspended
from portal.db import cached, db, exclusive, now
from portal.errors import NotFound
from portal.keys import secrets
from portal.keys.errors import (
    KeyActive,
    KeyRefused,
    KeysExhausted,
    ScopeNotYours,
    UserUnverified,
)
from portal.keys.lifetimes import DEFAULT_LIFETIME, check_lifetime
from portal.keys.names import check_name
from portal.keys.tables import ApiKey, Scope

log = structlog.get_logger(__name__)


class IssuedKey(NamedTuple):
    """A new key, with the secret that is never seen again."""

    api_key: ApiKey
    secret: str


def issue(
    user: User,
    *,
    name: str,
    scopes: Sequence[Scope] = (Scope.PREDICT,),
    expires_in: timedelta | None = DEFAULT_LIFETIME,
    actor_id: int | None = None,
) -> IssuedKey:
    """Issue a key for *user*; *actor_id* is who asked for it.

    Without *expires_in* it never expires.

    Raises:
        UserSuspended, UserUnverified: The user may have no keys.
        ScopeNotYours: The user may have none that changes models.
        Invalid: The name or the lifetime can't be used.
        KeysExhausted: The plan allows no further active key.
    """
    _check_owner(user)
    if Scope.MODELS_WRITE in scopes and user.role == Role.USER:
        raise ScopeNotYours(str(Scope.MODELS_WRITE))
    name = check_name(name)
    check_lifetime(expires_in, max_days=user.plan.max_key_days)
    exclusive(f"keys:{user.id}")
    if active_count(user) >= user.plan.max_keys:
        raise KeysExhausted(user.plan)
    secret = _draw()
    issued_at = now()
    api_key = ApiKey(
        user_id=user.id,
        name=name,
        prefix=secrets.prefix_of(secret),
        secret_hash=secrets.hash_of(secret),
        scopes=[str(scope) for scope in dict.fromkeys(scopes)],
        created_at=issued_at,
        expires_at=issued_at + expires_in if expires_in else None,
    )
    db.session.add(api_key)
    db.session.flush()
    _record("key.issued", api_key, actor_id, scopes=api_key.scopes)
    return IssuedKey(api_key, secret)


def authenticate(secret: str) -> ApiKey:
    """Return the active key that *secret* belongs to, as it was within a second.

    Raises:
        KeyRefused: There is none; mistyped secrets are not even looked up.
        UserSuspended, UserUnverified: Its user may not use it.
    """
    if not secrets.has_valid_form(secret):
        raise KeyRefused
    wanted = secrets.hash_of(secret)
    api_key = cached(
        ("key", wanted),
        lambda session: session.scalar(
            select(ApiKey).where(ApiKey.secret_hash == wanted)
        ),
    )
    if api_key is None or not api_key.is_active:
        raise KeyRefused
    _check_owner(api_key.user)
    return api_key


def mark_used(api_key: ApiKey, *, address: str, user_agent: str) -> None:
    """Note who used *api_key* last, to the minute; never fail.

    Ends the session's transaction and writes in one of its own, on the connection
    that this gave back: a call holds no second one, and a failure takes nothing
    with it. Of many calls in a minute one writes, and none waits for another.
    """
    minute = _minute(now())
    if api_key.last_used_at is not None and api_key.last_used_at >= minute:
        return
    is_due = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < minute)
    due = (
        select(ApiKey.id)
        .where(ApiKey.id == api_key.id, ApiKey.deleted_at.is_(None), is_due)
        .with_for_update(skip_locked=True, key_share=True)
    )
    try:
        db.session.commit()
        with db.engine.begin() as connection:
            connection.execute(
                update(ApiKey)
                .where(ApiKey.id.in_(due.scalar_subquery()))
                .values(
                    last_used_at=minute,
                    last_used_address=_printable(address)[:64],
                    last_used_agent=_printable(user_agent)[:300],
                )
            )
        # A row that is cached would be marked at every call until it is read anew.
        set_committed_value(api_key, "last_used_at", minute)
    except SQLAlchemyError as failure:
        log.warning("key.not_marked", key=api_key.prefix, error=type(failure).__name__)


def list_of(user: User) -> Sequence[ApiKey]:
    """Return the keys of *user*, the newest first."""
    return db.session.scalars(
        _listed().where(ApiKey.user_id == user.id).order_by(ApiKey.id.desc())
    ).all()


def list_all() -> Sequence[ApiKey]:
    """Return everybody's keys, the newest first."""
    return db.session.scalars(_listed().order_by(ApiKey.id.desc())).all()


def active_count(user: User) -> int:
    """Return how many keys of *user* open the API now."""
    return (
        db.session.scalar(
            select(func.count()).where(ApiKey.user_id == user.id, *_is_active())
        )
        or 0
    )


def active_counts(user_ids: Iterable[int]) -> Mapping[int, int]:
    """Return how many keys of each of these users open the API, if any do."""
    rows = db.session.execute(
        select(ApiKey.user_id, func.count().label("active"))
        .where(ApiKey.user_id.in_(set(user_ids)), *_is_active())
        .group_by(ApiKey.user_id)
    )
    return {row.user_id: row.active for row in rows}


def find(key_id: int, *, owner: User) -> ApiKey:
    """Return the key of *owner* with this id.

    Raises:
        NotFound: There is none, or it is someone else's.
    """
    return _found(
        db.session.scalar(
            _listed().where(ApiKey.id == key_id, ApiKey.user_id == owner.id)
        )
    )


def find_by_prefix(prefix: str) -> ApiKey:
    """Return the key listed by *prefix*, written with or without ``mp_``.

    Raises:
        NotFound: There is none.
    """
    bare = prefix.removeprefix(secrets.MARK)
    return _found(db.session.scalar(_listed().where(ApiKey.prefix == bare)))


def rename(api_key: ApiKey, name: str, *, actor_id: int | None = None) -> None:
    """Call *api_key* by another name.

    Raises:
        Invalid: The name can't be used.
        NotFound: The key was deleted meanwhile.
    """
    name = check_name(name)
    renamed_id = db.session.scalar(
        update(ApiKey)
        .where(
            ApiKey.id == api_key.id, ApiKey.deleted_at.is_(None), ApiKey.name != name
        )
        .values(name=name)
        .returning(ApiKey.id)
    )
    if renamed_id is not None:
        _record("key.renamed", api_key, actor_id, name=name)
    else:
        _found(db.session.scalar(_listed().where(ApiKey.id == api_key.id)))


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
        _record("key.revoked", api_key, actor_id)


def delete(api_key: ApiKey, *, actor_id: int | None = None) -> None:
    """List *api_key* no more and forget its name; deleting it again changes nothing.

    Raises:
        KeyActive: It still opens the API.
    """
    at = now()
    is_over = or_(ApiKey.revoked_at.is_not(None), ApiKey.expires_at <= at)
    deleted_id = db.session.scalar(
        update(ApiKey)
        .where(ApiKey.id == api_key.id, ApiKey.deleted_at.is_(None), is_over)
        .values(deleted_at=at, name="", last_used_address=None, last_used_agent=None)
        .returning(ApiKey.id)
    )
    if deleted_id is not None:
        _record("key.deleted", api_key, actor_id)
    elif api_key.is_active:
        raise KeyActive


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


def _listed() -> Select[ApiKey]:
    return select(ApiKey).where(ApiKey.deleted_at.is_(None))


def _is_active() -> tuple[ColumnElement[bool], ...]:
    return (
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now()),
    )


def _found(api_key: ApiKey | None) -> ApiKey:
    if api_key is None:
        raise NotFound("There is no such key.")
    return api_key


def _record(
    action: str, api_key: ApiKey, actor_id: int | None, **details: object
) -> None:
    audit.record(
        action,
        subject=f"key:{api_key.id}",
        actor_id=actor_id,
        prefix=api_key.prefix,
        user_id=api_key.user_id,
        **details,
    )


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _printable(text: str) -> str:
    """Return *text* without what no terminal, page or database should be sent."""
    return "".join(char for char in text if char.isprintable())
