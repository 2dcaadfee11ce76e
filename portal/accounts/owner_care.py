"""What an owner does for, or to, somebody else's account."""

from portal import audit
from portal.accounts import users
from portal.accounts.errors import (
    AddressVerified,
    LinkUseless,
    MailsExhausted,
)
from portal.accounts.login_sessions import end_login_sessions
from portal.accounts.password_reset import mail_reset_link
from portal.accounts.signup import resend_verification
from portal.accounts.tables import User


def end_logins(user: User, *, actor_id: int) -> None:
    """Log every browser of *user* out."""
    ended = end_login_sessions(user)
    if ended:
        audit.record(
            "login.all_ended",
            subject=users.subject(user),
            actor_id=actor_id,
            sessions=ended,
        )


def help_with_password(user: User, *, actor_id: int) -> None:
    """Mail *user* a link that sets a new password.

    Raises:
        LinkUseless: The user is suspended.
        MailsExhausted: The address got too many of these today.
    """
    _check_link_helps(user)
    if not mail_reset_link(user.email):
        raise MailsExhausted(user.email)
    audit.record("password.link_mailed", subject=users.subject(user), actor_id=actor_id)


def help_with_verification(user: User, *, actor_id: int) -> None:
    """Mail *user* another link that verifies the address.

    Raises:
        LinkUseless: The user is suspended.
        AddressVerified: There is nothing left to verify.
        MailsExhausted: The address got too many of these today.
    """
    _check_link_helps(user)
    if user.is_verified:
        raise AddressVerified
    if not resend_verification(user.email):
        raise MailsExhausted(user.email)
    audit.record(
        "user.verification_mailed", subject=users.subject(user), actor_id=actor_id
    )


def _check_link_helps(user: User) -> None:
    if user.is_suspended:
        raise LinkUseless
