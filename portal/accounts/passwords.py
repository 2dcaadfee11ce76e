"""Passwords: how strong they must be, how they are stored and compared."""

import re
import secrets
import threading

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from portal.accounts.errors import PasswordUnusable

MIN_CHARS = 8
MAX_CHARS = 256
SCORED_CHARS = 72  # zxcvbn takes no more
MIN_SCORE = 3  # of 4: safe from guessing offline, says zxcvbn
OWN_WORDS = ("model portal", "modelportal", "model", "portal")

# OWASP's least memory. The default of 64 MiB, times threads and workers, would
# fill a small machine under a flood of logins.
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, type=Type.ID)
# Compared with when there is nothing to compare with, at the same cost.
_NOBODY = _hasher.hash(secrets.token_urlsafe())
# zxcvbn keeps the words of the running call in a module-wide dictionary.
_scoring = threading.Lock()


def check_password_strength(password: str, email: str) -> None:
    """Refuse a password of the user *email* that is easy to guess.

    Raises:
        PasswordUnusable: with a sentence that says what to change.
    """
    if not password:
        message = "Enter a password."
        raise PasswordUnusable(message)
    if len(password) < MIN_CHARS:
        message = "Use %(least)d characters or more; a few words are best."
        raise PasswordUnusable(message, least=MIN_CHARS)
    if len(password) > MAX_CHARS:
        message = "Use %(most)d characters or fewer."
        raise PasswordUnusable(message, most=MAX_CHARS)
    with _scoring:
        result = zxcvbn(password[:SCORED_CHARS], user_inputs=_words_about(email))
    if result["score"] < MIN_SCORE:
        feedback = result["feedback"]
        advice = [feedback["warning"], *feedback["suggestions"][:1]]
        message = "This password is easy to guess. %(advice)s"
        raise PasswordUnusable(message, advice=" ".join(filter(None, advice)))


def hash_password(password: str) -> str:
    """Return the argon2id hash of *password*, with its parameters and salt."""
    return _hasher.hash(_encoded(password))


def is_right(password: str, password_hash: str | None) -> bool:
    """Compare *password* at the cost of one hash, also when there is no hash."""
    if len(password) > MAX_CHARS:
        password, password_hash = "", None
    try:
        matches = _hasher.verify(password_hash or _NOBODY, _encoded(password))
    except (VerificationError, InvalidHashError):
        return False
    return matches and password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def _encoded(password: str) -> bytes:
    # A command line may hand over bytes that are no UTF-8 as lone surrogates.
    return password.encode("utf-8", "surrogatepass")


def _words_about(email: str) -> list[str]:
    parts = [part for part in re.split(r"[^0-9a-z]+", email) if part]
    return [email, *parts, *OWN_WORDS]
