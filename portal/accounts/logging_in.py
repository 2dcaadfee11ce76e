"""Passwords at work: logging in, and changing the one that is known."""

from portal import audit, extensions
from portal.accounts import links, passwords, users
from portal.accounts.addresses import canonical_email
from portal.accounts.errors import (
    AddressUnusable,
    CurrentPasswordWrong,
    LoginRefused,
    SignupPasswordWrong,
    TooManyLogins,
    UserSuspended,
)
from portal.accounts.tables import User
from portal.db import db, exclusive, now
from portal.limits import RateExceeded

# Failures. Per address and account together, so that nobody can lock a user out.
FAILURES_PER_PAIR = "10/15 minutes"
FAILURES_PER_ADDRESS = "50/15 minutes"


def log_in(email: str, password: str, *, network: str) -> User:
    """Return the user with this address and password.

    A refusal has recorded itself: commit it too.

    Args:
        email: As typed.
        password: As typed.
        network: What limits per address count, see `portal.web.client_network`.

    Raises:
        LoginRefused: They don't match, whatever the cause.
        UserSuspended: They match, but the user is suspended.
        TooManyLogins: Too many didn't match.
    """
    user = _with_address_typed(email)
    who = user.email if user else _limited_name(email)
    _count_failure_ahead(who, network)
    is_right = passwords.is_right(password, user.password_hash if user else None)
    if user is None or not is_right:
        _count_against_address(network)
        _record_failure(user, "password")
        raise LoginRefused
    extensions.parts().rates.forget(FAILURES_PER_PAIR, "login", who, network)
    _check_still_so(user)
    _note_success(user, password)
    return user


def prove_signup_password(user: User, password: str, *, network: str) -> None:
    """Make sure that who confirms the address of *user* chose its password.

    A refusal has recorded itself: commit it too.

    Raises:
        SignupPasswordWrong: *password* is not the user's.
        TooManyLogins: It was wrong too often.
    """
    _count_failure_ahead(user.email, network)
    if not passwords.is_right(password, user.password_hash):
        _count_against_address(network)
        _record_failure(user, "signup password")
        raise SignupPasswordWrong
    extensions.parts().rates.forget(FAILURES_PER_PAIR, "login", user.email, network)


def change_password(
    user: User,
    current_password: str,
    password: str,
    *,
    login_token: str | None,
    network: str,
) -> None:
    """Give *user* a new password; end every session but that with *login_token*.

    Raises:
        CurrentPasswordWrong: *current_password* is not the user's.
        PasswordUnusable: The new one can't be used.
        TooManyLogins: The current one was wrong too often.
    """
    _count_failure_ahead(user.email, network)
    if not passwords.is_right(current_password, user.password_hash):
        _record_failure(user, "current password")
        raise CurrentPasswordWrong
    extensions.parts().rates.forget(FAILURES_PER_PAIR, "login", user.email, network)
    users.give_password(user, password, except_token=login_token)
    user.link_nonce = links.new_nonce()
    users.tell_password_changed(user)
    db.session.flush()


def _check_still_so(user: User) -> None:
    """Refuse *user* if what was compared has changed while it was.

    Comparing takes its time. A suspension or another password of that moment ends
    the login sessions there are, and must not miss the one that begins now.
    """
    compared = user.password_hash
    exclusive(f"login:{user.id}")
    db.session.refresh(user, with_for_update={"of": User})
    if user.password_hash != compared:
        _record_failure(user, "password")
        raise LoginRefused
    if user.is_suspended:
        _record_failure(user, "suspended")
        raise UserSuspended


def _with_address_typed(email: str) -> User | None:
    try:
        return users.with_address(canonical_email(email))
    except AddressUnusable:
        return None


def _limited_name(email: str) -> str:
    """Return what failures for no user are counted as."""
    try:
        return canonical_email(email)
    except AddressUnusable:
        return "unusable"


def _count_failure_ahead(who: str, network: str) -> None:
    """Count a failure before the check, so that no burst of guesses gets past."""
    rates = extensions.parts().rates
    try:
        rates.hit(FAILURES_PER_PAIR, "login", who, network)
    except RateExceeded as exceeded:
        raise TooManyLogins(exceeded.retry_after_s) from None
    (of_address,) = rates.left(FAILURES_PER_ADDRESS, "login", network)
    if of_address.left <= 0:
        raise TooManyLogins(max(1, of_address.reset_s))


def _count_against_address(network: str) -> None:
    try:
        extensions.parts().rates.hit(FAILURES_PER_ADDRESS, "login", network)
    except RateExceeded as exceeded:
        raise TooManyLogins(exceeded.retry_after_s) from None


def _record_failure(user: User | None, reason: str) -> None:
    # What was typed as an address may be a password: it is not kept.
    audit.record(
        "login.failed",
        subject=users.subject(user) if user else "user:unknown",
        actor_id=user.id if user else None,
        reason=reason,
    )


def _note_success(user: User, password: str) -> None:
    if user.password_hash and passwords.is_outdated(user.password_hash):
        user.password_hash = passwords.hash_password(password)
    user.last_login_at = now()
    if user.is_verified:
        # Who can log in needs no link any more that an old mail may hold.
        user.link_nonce = links.new_nonce()
    audit.record("login.succeeded", subject=users.subject(user), actor_id=user.id)
    db.session.flush()
