"""The first owner: made once, through a link that the console shows."""

from portal import audit
from portal.accounts import links, passwords, users
from portal.accounts.addresses import canonical_email
from portal.accounts.errors import LinkRefused, SetUpDone
from portal.accounts.links import Purpose
from portal.accounts.login_sessions import end_login_sessions
from portal.accounts.tables import Role, User
from portal.config import Config
from portal.db import db, exclusive, now


def setup_link(config: Config) -> str | None:
    """Return the link that makes the first owner, while there is none."""
    if users.owner_exists():
        return None
    return links.sign(["first owner"], Purpose.SET_UP, config)


def check_setup(token: str) -> None:
    """Check that the link with *token* still makes the first owner.

    Raises:
        LinkRefused: It is not such a link.
        SetUpDone: There is an owner.
    """
    try:
        links.read(token, Purpose.SET_UP)
    except LinkRefused:
        message = (
            "That link is not complete. Copy the whole of it from the console, "
            "or start the portal again to see it once more."
        )
        raise LinkRefused(message) from None
    if users.owner_exists():
        raise SetUpDone


def set_up(token: str, email: str, password: str) -> User:
    """Make the first owner, verified; somebody who signed up before becomes it.

    Raises:
        LinkRefused, SetUpDone: The link makes nobody an owner.
        AddressUnusable, PasswordUnusable: They can't be used.
    """
    check_setup(token)
    email = canonical_email(email)
    passwords.check_password_strength(password, email)
    password_hash = passwords.hash_password(password)
    exclusive(users.OWNERS)
    if users.owner_exists():
        raise SetUpDone
    user = users.with_address(email) or users.add(
        email, None, role=Role.USER, is_verified=False
    )
    user.role = Role.OWNER
    user.is_first_owner = True
    user.password_hash = password_hash
    user.verified_at = user.verified_at or now()
    user.suspended_at = None
    user.signup_nonce_hash = None
    user.link_nonce = links.new_nonce()
    end_login_sessions(user)
    audit.record("owner.set_up", subject=users.subject(user), actor_id=user.id)
    db.session.flush()
    return user
