"""Issues, lists, renames, restricts, revokes and deletes API keys."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, func, or_, select, update

from portal import audit
from portal.accounts import Role, User
from portal.db import db, exclusive, now
from portal.errors import NotFound
from portal.keys import secrets
from portal.keys.authenticating import check_owner, is_active
from portal.keys.errors import (
    KeyActive,
    KeysExhausted,
    ScopeNotYours,
)
from portal.keys.lifetimes import DEFAULT_LIFETIME, check_lifetime
from portal.keys.names import check_name
from portal.keys.notice_times import first_notice
from portal.keys.origins import forget_origins, note_origins
from portal.keys.restrictions import Restrictions
from portal.keys.tables import ApiKey, Scope

ANYWHERE = Restrictions()


class IssuedKey(NamedTuple):
    """A new key, with the secret that is never seen again."""

    api_key: ApiKey
    secret: str


def issue(
    user: User,
    *,
    name: str,
    scopes: Sequence[Scope] = (Scope.PREDICT,),
    restrictions: Restrictions = ANYWHERE,
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
    check_owner(user)
    if Scope.MODELS_WRITE in scopes and user.role == Role.USER:
        raise ScopeNotYours(str(Scope.MODELS_WRITE))
    name = check_name(name)
    check_lifetime(expires_in, max_days=user.plan.max_key_days)
    exclusive(f"keys:{user.id}")
    if active_count(user) >= user.plan.max_keys:
        raise KeysExhausted(user.plan)
    secret = draw_secret()
    issued_at = now()
    expires_at = issued_at + expires_in if expires_in else None
    api_key = ApiKey(
        user_id=user.id,
        name=name,
        prefix=secrets.prefix_of(secret),
        secret_hash=secrets.hash_of(secret),
        scopes=[str(scope) for scope in dict.fromkeys(scopes)],
        **_lists(restrictions),
        created_at=issued_at,
        expires_at=expires_at,
        notice_at=first_notice(issued_at, expires_at),
    )
    db.session.add(api_key)
    db.session.flush()
    note_origins(api_key)
    record(
        "key.issued",
        api_key,
        actor_id,
        scopes=api_key.scopes,
        **_lists(restrictions, leave_out_empty=True),
    )
    return IssuedKey(api_key, secret)


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
            select(func.count()).where(ApiKey.user_id == user.id, *is_active())
        )
        or 0
    )


def active_counts(user_ids: Iterable[int]) -> Mapping[int, int]:
    """Return how many keys of each of these users open the API, if any do."""
    rows = db.session.execute(
        select(ApiKey.user_id, func.count().label("active"))
        .where(ApiKey.user_id.in_(set(user_ids)), *is_active())
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

    The prefix may be that of the secret before the last rotation.

    Raises:
        NotFound: There is none.
    """
    bare = prefix.removeprefix(secrets.MARK)
    return _found(db.session.scalar(_listed().where(_is_listed_by(bare))))


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
        record("key.renamed", api_key, actor_id, name=name)
    else:
        _found(db.session.scalar(_listed().where(ApiKey.id == api_key.id)))


def restrict(
    api_key: ApiKey, restrictions: Restrictions, *, actor_id: int | None = None
) -> None:
    """Narrow *api_key* to *restrictions*, in place of those that it had.

    Raises:
        NotFound: The key was deleted meanwhile.
    """
    db.session.refresh(api_key, with_for_update={"of": ApiKey})
    _found(None if api_key.deleted_at else api_key)
    if api_key.restrictions != restrictions:
        lists = _lists(restrictions)
        for kind, entries in lists.items():
            setattr(api_key, kind, entries)
        note_origins(api_key)
        record("key.restricted", api_key, actor_id, **lists)
        db.session.flush()


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
        forget_origins(api_key)
        record("key.revoked", api_key, actor_id)


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
        .values(
            deleted_at=at,
            name="",
            last_used_address=None,
            last_used_agent=None,
            previous_used_address=None,
            previous_used_agent=None,
        )
        .returning(ApiKey.id)
    )
    if deleted_id is not None:
        forget_origins(api_key)
        record("key.deleted", api_key, actor_id)
    elif api_key.is_active:
        raise KeyActive


def draw_secret() -> str:
    """Draw a secret whose prefix no other secret has."""
    while True:
        secret = secrets.make_secret()
        taken = select(ApiKey.id).where(_is_listed_by(secrets.prefix_of(secret)))
        if db.session.scalar(taken) is None:
            return secret


def record(
    action: str, api_key: ApiKey, actor_id: int | None, **details: object
) -> None:
    """Write down what was done to *api_key*, and by whom."""
    audit.record(
        action,
        subject=f"key:{api_key.id}",
        actor_id=actor_id,
        prefix=api_key.prefix,
        user_id=api_key.user_id,
        **details,
    )


def _lists(
    restrictions: Restrictions, *, leave_out_empty: bool = False
) -> dict[str, list[str]]:
    """Return *restrictions* as the lists of a row, or of an audit event."""
    return {
        kind: list(entries)
        for kind, entries in asdict(restrictions).items()
        if entries or not leave_out_empty
    }


def _listed() -> Select[ApiKey]:
    return select(ApiKey).where(ApiKey.deleted_at.is_(None))


def _is_listed_by(prefix: str) -> ColumnElement[bool]:
    return or_(ApiKey.prefix == prefix, ApiKey.previous_prefix == prefix)


def _found(api_key: ApiKey | None) -> ApiKey:
    if api_key is None:
        raise NotFound("There is no such key.")
    return api_key
