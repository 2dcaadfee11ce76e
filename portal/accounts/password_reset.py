"""Setting a password without the old one, through a link.

The link is mailed to who forgot the password, or printed for a user whom the
owner made. Only the mailed one also proves the address.
"""

from portal.accounts import links, users
from portal.accounts.addresses import canonical_email
from portal.accounts.errors import LinkUnreadable
from portal.accounts.links import Purpose
from portal.accounts.mail_limit import may_mail
from portal.accounts.tables import User
from portal.db import db, exclusive
from portal.mail import messages


def mail_reset_link(email: str) -> bool:
    """Mail a link that sets a new password to *email*, if a user is there.

    Returns:
        Whether one was mailed, which a visitor must not learn.

    Raises:
        AddressUnusable: It is no address.
    """
    email = canonical_email(email)
    exclusive(f"address:{email}")
    user = users.with_address(email)
    if user is None or user.is_suspended or not may_mail(user, "reset-password"):
        return False
    link = links.link_for(user, Purpose.RESET_PASSWORD)
    messages.reset_password(user.email, link)
    return True


def set_password_link(user: User) -> str:
    """Return a link, to be printed, that sets the password of *user*."""
    return links.link_for(user, Purpose.SET_PASSWORD)


def check_set_password(token: str) -> User:
    """Return the user whose password the link with *token* sets.

    Raises:
        LinkRefused: It sets nobody's.
    """
    return _user_of(token)[0]


def set_password(token: str, password: str) -> None:
    """Set the password of the user whose link holds *token*; end all sessions.

    Raises:
        LinkRefused: It sets nobody's.
        PasswordUnusable: It can't be used.
    """
    user, purpose = _user_of(token)
    is_first = user.password_hash is None
    users.give_password(user, password, except_token=None)
    links.use_up(user)
    if purpose == Purpose.RESET_PASSWORD and not user.is_verified:
        users.note_verified(user)
    if not is_first:
        users.tell_password_changed(user)
    db.session.flush()


def _user_of(token: str) -> tuple[User, Purpose]:
    try:
        return links.user_of(token, Purpose.RESET_PASSWORD), Purpose.RESET_PASSWORD
    except LinkUnreadable:
        return links.user_of(token, Purpose.SET_PASSWORD), Purpose.SET_PASSWORD
