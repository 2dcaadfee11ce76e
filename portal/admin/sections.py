"""The rooms of the back office, and who may enter which."""

from dataclasses import dataclass

from portal.accounts.login import RANKS, Visitor
from portal.accounts.tables import Role, User


@dataclass(frozen=True)
class Section:
    """One room, as the rail beside every page of the back office lists it.

    Attributes:
        title: Its name, an English phrase that templates translate.
        endpoint: Its first page.
        icon: A Lucide icon.
        role: The least role that may enter.
    """

    title: str
    endpoint: str
    icon: str
    role: Role = Role.OWNER


SECTIONS = (
    Section("People", "admin_people.index", "users-round"),
    Section("Plans", "admin_plans.index", "gauge"),
    Section("Models", "admin_models.index", "box", Role.PUBLISHER),
    Section("Mail", "admin_mail.index", "mail"),
    Section("Audit trail", "admin_audit.index", "scroll-text"),
)


def open_to(user: User | Visitor) -> list[Section]:
    """Return the rooms that *user* may enter; none for a visitor."""
    if not user.role:
        return []
    rank = RANKS.index(Role(user.role))
    return [section for section in SECTIONS if RANKS.index(section.role) <= rank]
