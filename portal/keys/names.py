"""The names that people give their keys."""

import unicodedata

from portal.errors import Invalid

MAX_CHARS = 80
# Joiners that Persian and some emoji are written with.
JOINERS = "\u200c\u200d"
VISIBLE = ("L", "N", "P", "S")


def check_name(name: str) -> str:
    """Return *name* without the space around it.

    Raises:
        Invalid: It is empty or invisible, too long, or has control characters.
    """
    name = name.strip()
    kinds = [unicodedata.category(char) for char in name]
    if not any(kind.startswith(VISIBLE) for kind in kinds):
        raise Invalid("A key needs a name.", pointer="/name")
    if len(name) > MAX_CHARS:
        raise Invalid(
            "A name has at most %(max_chars)d characters; this one has %(chars)d.",
            pointer="/name",
            max_chars=MAX_CHARS,
            chars=len(name),
        )
    if any(
        kind.startswith("C") or kind in {"Zl", "Zp"}
        for char, kind in zip(name, kinds, strict=True)
        if char not in JOINERS
    ):
        raise Invalid(
            "A name is one line of text, without control characters.", pointer="/name"
        )
    return name
