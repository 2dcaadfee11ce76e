"""Signing up, and proving that the address is one's own.

Nothing here tells a visitor whether an address has an account: the answer and
the work are the same, and what differs is said in a mail to the address.
"""

import hashlib
import secrets

from portal import audit, extensions
from portal.accounts import links, passwords, users
from portal.accounts.addresses import canonical_email
from portal.accounts.errors import SignUpClosed
from portal.accounts.links import Purpose
from portal.accounts.login_sessions import end_login_sessions
from portal.accounts.mail_limit import may_mail
from portal.accounts.tables import Role, User
from portal.db import db, exclusive
from portal.mail import messages


def sign_up(email: str, password: str, *, signup_nonce: str) -> None:
    """Make an unverified user and mail the link that verifies the address.

    For the address of a verified user only a notice is mailed to it. A signup
    that is still unverified is replaced: the newest password wins.

    Args:
        email: As typed.
        password: As typed.
        signup_nonce: Random, kept by the browser until the link is opened.

    Raises:
        SignUpClosed: The owner takes no signups.
        AddressUnusable, PasswordUnusable: They can't be used.
    """
    check_signup_is_open()
    email = canonical_email(email)
    passwords.check_password_strength(password, email)
    password_hash = passwords.hash_password(password)
    # Of two signups of one address at once the second finds the first one's user.
    exclusive(f"address:{email}")
    user = users.with_address(email)
    if user is None:
        user = users.add(email, password_hash, role=Role.USER, is_verified=False)
        audit.record("user.signed_up", subject=users.subject(user), actor_id=user.id)
    elif not _is_replaceable(user):
        _mail_notice(user)
        return
    if may_mail(user, "verify-address"):
        user.password_hash = password_hash
        user.signup_nonce_hash = _hash(signup_nonce)
        end_login_sessions(user)
        messages.verify_address(
            user.email, links.link_for(user, Purpose.VERIFY_ADDRESS)
        )


def check_signup_is_open() -> None:
    """Raise SignUpClosed when the owner takes no signups."""
    if extensions.config().signup == "closed":
        raise SignUpClosed


def resend_verification(email: str) -> bool:
    """Mail a new link to *email*, if a user there waits to be verified.

    Returns:
        Whether one was mailed, which a visitor must not learn.

    Raises:
        AddressUnusable: It is no address.
    """
    email = canonical_email(email)
    exclusive(f"address:{email}")
    user = users.with_address(email)
    if user is None or user.is_verified or user.is_suspended:
        return False
    if not may_mail(user, "verify-address"):
        return False
    messages.verify_address(user.email, links.link_for(user, Purpose.VERIFY_ADDRESS))
    return True


def check_verification(token: str) -> User:
    """Return the user whom the link with *token* would verify.

    Raises:
        LinkRefused: It would verify nobody.
    """
    return links.user_of(token, Purpose.VERIFY_ADDRESS)


def is_signup_browser(user: User, signup_nonce: str | None) -> bool:
    """Whether the browser that keeps *signup_nonce* chose the user's password."""
    return (
        signup_nonce is not None
        and user.signup_nonce_hash is not None
        and secrets.compare_digest(_hash(signup_nonce), user.signup_nonce_hash)
    )


def verify(token: str, *, login_token: str | None) -> User:
    """Verify the address that the link with *token* was mailed to.

    Anybody may have signed up with this address, and the newest password won. So
    the caller makes sure first that who confirms also chose the password: it is
    the signup browser, a browser that is logged in, or it gave the password.

    Whoever else is logged in as this user ends, all but *login_token*.

    Raises:
        LinkRefused: It verifies nobody.
    """
    user = check_verification(token)
    links.use_up(user)
    users.note_verified(user)
    end_login_sessions(user, except_token=login_token)
    db.session.flush()
    return user


def _is_replaceable(user: User) -> bool:
    # A user whom the owner made or promoted is not a stranger's to take over.
    return (
        not user.is_verified
        and not user.is_suspended
        and user.role == Role.USER
        and user.signup_nonce_hash is not None
    )


def _mail_notice(user: User) -> None:
    if may_mail(user, "already-registered"):
        messages.already_registered(user.email, f"{extensions.config().base_url}/login")


def _hash(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()
