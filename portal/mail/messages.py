"""One function per message; each renders the folder `templates/mail/<kind>`.

A folder holds `subject.txt` (one line), `body.txt`, and `body.html`, which fills
the blocks of `templates/mail/layout.html`. The templates mark their words with
``_()`` as pages do. The outbox knows no reader's language yet, so mail is in
English.
"""

from datetime import datetime

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from portal.config import ROOT
from portal.mail.outbox import queue
from portal.mail.tables import OutgoingMessage


def gettext(message: str, **values: object) -> str:
    """Return *message*, its places filled in."""
    return message % values if values else message


_templates = Environment(
    loader=FileSystemLoader(ROOT / "templates" / "mail"),
    # In a plain text an escape would be read.
    autoescape=select_autoescape(enabled_extensions=["html"], default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
_templates.globals["_"] = gettext


def verify_address(to: str, link: str) -> OutgoingMessage:
    """Queue the link that verifies the address *to*."""
    return _queue("verify-address", to, link)


def already_registered(to: str, login_link: str) -> OutgoingMessage:
    """Queue the notice that somebody signed up with a known address."""
    return _queue("already-registered", to, login_link)


def reset_password(to: str, link: str) -> OutgoingMessage:
    """Queue the link that sets a new password."""
    return _queue("reset-password", to, link)


def password_changed(to: str, forgotten_link: str) -> OutgoingMessage:
    """Queue the notice that the password is another one now.

    Args:
        to: The address.
        forgotten_link: Where a user who did not change it gets a new one.
    """
    return _queue("password-changed", to, forgotten_link)


def key_leaked(
    to: str, keys_link: str, *, name: str, prefix: str, is_old: bool
) -> OutgoingMessage:
    """Queue the notice that a key was seen in public, and ended.

    Args:
        to: The address.
        keys_link: Where another is made.
        name: Of the key.
        prefix: Of the secret that was seen.
        is_old: Whether it was the one before the last rotation, which alone ended.
    """
    return _queue("key-leaked", to, keys_link, name=name, prefix=prefix, is_old=is_old)


def key_expires(
    to: str,
    key_link: str,
    *,
    name: str,
    prefix: str,
    days: int,
    time: str,
    last_used: str,
) -> OutgoingMessage:
    """Queue the notice that a key is about to expire.

    Args:
        to: The address.
        key_link: The page of the key.
        name: Of the key.
        prefix: Of its secret.
        days: Until then, rounded up.
        time: When, in words.
        last_used: When it was last used, in words; empty: never.
    """
    return _queue(
        "key-expires",
        to,
        key_link,
        name=name,
        prefix=prefix,
        days=days,
        time=time,
        last_used=last_used,
    )


def quota_nearly_used(
    to: str,
    usage_link: str,
    *,
    used: int,
    limit: int,
    begins: datetime,
    is_computing: bool,
) -> OutgoingMessage:
    """Queue the notice that little is left of the month.

    Args:
        to: The address.
        usage_link: The page with the numbers.
        used: Predictions of the month, or compute seconds.
        limit: How many of them there are.
        begins: When the next month does, UTC.
        is_computing: Whether these are compute seconds.
    """
    return _queue(
        "quota-nearly-used",
        to,
        usage_link,
        used=f"{used:,}",
        limit=f"{limit:,}",
        left=f"{limit - used:,}",
        what=_what(is_computing=is_computing),
        day=_day(begins),
    )


def quota_used_up(
    to: str, usage_link: str, *, limit: int, begins: datetime, is_computing: bool
) -> OutgoingMessage:
    """Queue the notice that nothing is left of the month; *begins* the next, UTC."""
    return _queue(
        "quota-used-up",
        to,
        usage_link,
        limit=f"{limit:,}",
        what=_what(is_computing=is_computing),
        day=_day(begins),
    )


def _queue(kind: str, to: str, link: str, **facts: object) -> OutgoingMessage:
    facts |= {"to": to, "link": link}
    subject = _render(kind, "subject.txt", **facts).strip()
    text = _render(kind, "body.txt", **facts)
    html = _render(kind, "body.html", subject=subject, **facts)
    return queue(kind, to, subject, text, html)


def _render(kind: str, file: str, **context: object) -> str:
    return _templates.get_template(f"{kind}/{file}").render(context)


def _what(*, is_computing: bool) -> str:
    return gettext("compute seconds") if is_computing else gettext("predictions")


def _day(instant: datetime) -> str:
    return f"{instant.day} {instant:%B}"
