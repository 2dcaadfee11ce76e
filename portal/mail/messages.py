"""One function per message; each renders `templates/mail/<kind>.txt`.

A template's first line is ``Subject: …``, then an empty line, then the text.
The templates mark their words with ``_()`` as pages do. The outbox knows no
reader's language yet, so mail is in English.
"""

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from portal.config import ROOT
from portal.mail.outbox import queue
from portal.mail.tables import OutgoingMessage

SUBJECT = "Subject: "


def gettext(message: str, **values: object) -> str:
    """Return *message*, its places filled in."""
    return message % values if values else message


_templates = Environment(
    loader=FileSystemLoader(ROOT / "templates" / "mail"),
    autoescape=False,  # noqa: S701 - plain text, where an escape would be read
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
_templates.globals["_"] = gettext


def verify_address(to: str, link: str) -> OutgoingMessage:
    """Queue the link that verifies the address *to*."""
    return _queue("verify-address", to, link=link)


def already_registered(to: str, login_link: str) -> OutgoingMessage:
    """Queue the notice that somebody signed up with a known address."""
    return _queue("already-registered", to, login_link=login_link)


def password_changed(to: str) -> OutgoingMessage:
    """Queue the notice that the password is another one now."""
    return _queue("password-changed", to)


def _queue(kind: str, to: str, **context: str) -> OutgoingMessage:
    page = _templates.get_template(f"{kind}.txt").render(to=to, **context)
    subject, _separator, text = page.partition("\n\n")
    return queue(kind, to, subject.removeprefix(SUBJECT), text)
