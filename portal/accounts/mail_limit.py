"""How many messages of one kind a user's address gets."""

from portal import extensions
from portal.accounts.tables import User
from portal.limits import RateExceeded

MAILS_PER_ACCOUNT = "5/day"


def may_mail(user: User, kind: str) -> bool:
    """Count a message of this kind to *user*, unless the day's are used up."""
    try:
        extensions.parts().rates.hit(MAILS_PER_ACCOUNT, "mail", kind, str(user.id))
    except RateExceeded:
        return False
    return True
