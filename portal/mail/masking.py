"""What a message says, without the secrets in its links."""

import re

# Our secrets stand after the first word of a path, or in a query. The pluses keep
# what they found, else a link without a secret would lose its only word.
LINK = re.compile(r"(https?://[^\s/?#]++(?:/[^\s/?#]*+)?+)[/?#]\S+", re.IGNORECASE)
MASK = "/•••"


def masked(text: str) -> str:
    """Return *text* with each link cut after the first word of its path."""
    return LINK.sub(rf"\1{MASK}", text)
