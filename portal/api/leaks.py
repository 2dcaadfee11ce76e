"""`POST /api/v1/leaks`: whoever finds a key in public sends it here."""

from typing import Any

from flask import request

from portal import keys
from portal.errors import Invalid, UnsupportedType
from portal.extensions import parts
from portal.runtime import values as reading
from portal.web import client_network, read_body

# Per address: a scanner sends what it found, nobody sends more than that by hand.
RATE = "30/minute"
# The same whatever was sent: the answer tells nobody whether a key works.
ANSWER = {
    "detail": "Thank you. If this is a key that works, it is revoked now and its "
    "user is told."
}


def take_report() -> dict[str, Any]:
    """End the key in this request's body; return the answer.

    Raises:
        RateExceeded: Too many reports from this address.
        UnsupportedType, Malformed, Invalid: The body names no key.
    """
    parts().rates.hit(RATE, "leaks", client_network())
    if request.mimetype != "application/json":
        raise UnsupportedType(
            'Send JSON, {"key": "mp_…"}, with the content type application/json.'
        )
    document = reading.parse_json(read_body())
    secret = document.get("key") if isinstance(document, dict) else None
    if not isinstance(secret, str):
        raise Invalid("The body must be an object with the key, a text.", "/key")
    keys.report_leak(secret.strip())
    return ANSWER
