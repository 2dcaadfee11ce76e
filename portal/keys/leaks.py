"""A secret that was seen in public is ended, and its user told."""

from sqlalchemy import or_, select

from portal.db import db, exclusive
from portal.extensions import config
from portal.keys import secrets
from portal.keys.rotation import end_previous
from portal.keys.service import record, revoke
from portal.keys.tables import ApiKey
from portal.mail import messages

KEYS_PATH = "/keys"


def report_leak(secret: str) -> None:
    """End *secret* if it opens the API; anything else is passed over in silence.

    The key of it is revoked. Of a key that was rotated lately the old secret ends
    alone: the new one was not seen.
    """
    if not secrets.has_valid_form(secret):
        return
    leaked = secrets.hash_of(secret)
    api_key = db.session.scalar(
        select(ApiKey).where(
            or_(ApiKey.secret_hash == leaked, ApiKey.previous_hash == leaked)
        )
    )
    if api_key is None:
        return
    # Of many who report it one ends it, and there is one message.
    exclusive(f"key:{api_key.id}")
    db.session.refresh(api_key, with_for_update={"of": ApiKey})
    if not api_key.opens_with(leaked):
        return
    is_old = api_key.previous_hash == leaked
    record("key.leaked", api_key, None, secret_prefix=secrets.prefix_of(secret))
    if is_old:
        end_previous(api_key)
    else:
        revoke(api_key)
    messages.key_leaked(
        api_key.user.email,
        f"{config().base_url}{KEYS_PATH}",
        name=api_key.name,
        prefix=secrets.prefix_of(secret),
        is_old=is_old,
    )
    db.session.flush()
