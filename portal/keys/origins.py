"""Which origins the keys name that open the API: asked for by scripts without a key.

What a key names stands in its row; `KeyOrigin` has it once more, by origin, so that
a question costs the same however many keys there are.
"""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.accounts import User
from portal.db import cached, db
from portal.keys.authenticating import is_active
from portal.keys.restrictions import MAX_ORIGIN_CHARS
from portal.keys.tables import ApiKey, KeyOrigin


def is_active_origin(origin: str) -> bool:
    """Whether a key that opens the API names *origin*, as it was within a second."""
    may_be_named = len(origin) <= MAX_ORIGIN_CHARS and origin.isascii()
    if not (may_be_named and origin.isprintable()):
        return False
    key_id = cached(("origin", origin), lambda session: _find(session, origin))
    return key_id is not None


def note_origins(api_key: ApiKey) -> None:
    """Let the origins that *api_key* names, and no others, be found for it.

    Of a key that is revoked none are.
    """
    forget_origins(api_key)
    if not api_key.is_revoked:
        db.session.add_all(
            KeyOrigin(origin=origin, key_id=api_key.id) for origin in api_key.origins
        )


def forget_origins(api_key: ApiKey) -> None:
    """Let nothing be found for *api_key*, which is over or about to name others."""
    db.session.execute(delete(KeyOrigin).where(KeyOrigin.key_id == api_key.id))


def _find(session: Session, origin: str) -> int | None:
    """Return the id of one such key, if there is any."""
    return session.scalar(
        select(KeyOrigin.key_id)
        .join(ApiKey, ApiKey.id == KeyOrigin.key_id)
        .join(ApiKey.user)
        .where(KeyOrigin.origin == origin, *is_active(), User.suspended_at.is_(None))
        .limit(1)
    )
