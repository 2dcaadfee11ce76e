"""The secret of an API key: ``mp_``, 32 random characters, 6 of checksum.

All 38 are base62 (``0-9A-Za-z`` in that order). The checksum is zlib's CRC-32
over the 32 ASCII characters, left-padded with ``0``: a mistyped secret is known
without a look-up, and a scanner of public code can tell a key from noise.
"""

import hashlib
import re
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
MARK = "mp_"
RANDOM_CHARS = 32
CHECKSUM_CHARS = 6
PREFIX_CHARS = 8
FORM = re.compile(
    rf"{MARK}([0-9A-Za-z]{{{RANDOM_CHARS}}})([0-9A-Za-z]{{{CHECKSUM_CHARS}}})", re.ASCII
)


def make_secret() -> str:
    """Draw a new secret from the system's random source."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARS))
    return f"{MARK}{drawn}{_checksum(drawn)}"


def has_valid_form(secret: str) -> bool:
    """Whether *secret* is written like a key and its checksum is right."""
    parts = FORM.fullmatch(secret)
    return parts is not None and _checksum(parts[1]) == parts[2]


def prefix_of(secret: str) -> str:
    """Return the characters by which a key is listed."""
    return secret[len(MARK) : len(MARK) + PREFIX_CHARS]


def hash_of(secret: str) -> str:
    """Return the SHA-256 of *secret*, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(drawn: str) -> str:
    left = zlib.crc32(drawn.encode("ascii"))
    digits = ""
    while left:
        left, digit = divmod(left, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits.rjust(CHECKSUM_CHARS, ALPHABET[0])
