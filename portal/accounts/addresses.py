"""E-mail addresses in the one form in which they are stored and compared."""

import email_validator
from email_validator import EmailNotValidError, validate_email

from portal.accounts.errors import AddressUnusable

MAX_CHARS = 254  # RFC 5321, section 4.5.3.1.3

# Portals run in closed networks too, on .test, .local and localhost.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def canonical_email(email: str) -> str:
    """Return *email* in lower case, its domain in ASCII, without spaces around.

    Raises:
        AddressUnusable: It is not exactly one address.
    """
    email = email.strip(" \t")
    if not email:
        message = "Enter your e-mail address."
        raise AddressUnusable(message)
    if len(email) > MAX_CHARS:
        message = "This address is longer than 254 characters, the most there can be."
        raise AddressUnusable(message)
    if "," in email or ";" in email:
        message = "Enter one address only, without a comma."
        raise AddressUnusable(message)
    try:
        checked = validate_email(
            email,
            allow_smtputf8=False,
            strict=True,
            check_deliverability=False,
            globally_deliverable=not email.lower().endswith("@localhost"),
        )
    except EmailNotValidError:
        message = "Enter an e-mail address such as ada@example.org."
        raise AddressUnusable(message) from None
    return f"{checked.ascii_local_part}@{checked.ascii_domain}".lower()
