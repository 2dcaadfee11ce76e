"""Who calls: from the headers of a request to a caller, or a refusal."""

from flask import g, request

from portal import keys
from portal.errors import Forbidden, ScopeMissing, Unauthenticated
from portal.extensions import parts
from portal.inference import Caller
from portal.keys import ApiKey, KeyRefused, Scope
from portal.usage import Surface
from portal.web import client_address, client_network
from portal.web.request_log import add_fields

WITHOUT_KEY_RATE = "60/minute"  # per address; guessing a key is hopeless anyway


def presented_secret() -> str:
    """Return the secret in the headers, or "" (never from the query string)."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip()
    return request.headers.get("X-API-Key", "").strip()


def authenticate() -> Caller:
    """Return the caller behind the key of this request.

    Raises:
        Unauthenticated: No key, or none that is valid.
        Forbidden: A valid key whose user may not use it, or not from there.
        RateExceeded: Too many calls without a valid key from this address.
    """
    secret = presented_secret()
    if not secret:
        _count_without_key()
        message = (
            "Send a key in the header Authorization: Bearer mp_… ; "
            "you make one on the page Keys."
        )
        raise Unauthenticated(message)
    try:
        api_key = keys.authenticate(secret)
        _check_place(api_key)
    except (KeyRefused, Forbidden):
        _count_without_key()
        raise
    keys.mark_used(
        api_key, secret, address=client_address(), user_agent=request.user_agent.string
    )
    caller = Caller(Surface.API, client_network(), user=api_key.user, api_key=api_key)
    g.caller = caller
    add_fields(user=api_key.user_id, key=api_key.prefix)
    return caller


def authenticate_if_given() -> Caller | None:
    """Return the caller if there is a key; None for a visitor.

    Raises:
        As `authenticate`, for a key that is given but refused.
    """
    if presented_secret():
        return authenticate()
    _count_without_key()
    return None


def require_scope(caller: Caller, scope: Scope) -> None:
    """Refuse a key that lacks *scope*.

    Raises:
        ScopeMissing: naming it.
    """
    if caller.api_key is None or scope not in caller.api_key.scopes:
        message = "This key lacks the scope %(scope)s; make one that has it."
        raise ScopeMissing(message, scope=str(scope))


def _check_place(api_key: ApiKey) -> None:
    """Refuse a key that may not be used from this address or web page.

    It counts for the address, as a wrong key does: who has stolen one can't use up
    what its user may call.
    """
    try:
        keys.check_place(
            api_key.restrictions,
            address=client_address(),
            origin=request.headers.get("Origin", ""),
        )
    except Forbidden as refusal:
        add_fields(refused_key=api_key.prefix, refused_for=type(refusal).__name__)
        raise


def _count_without_key() -> None:
    parts().rates.hit(WITHOUT_KEY_RATE, "without-key", client_network())
