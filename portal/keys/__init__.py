"""API keys: issued, restricted, authenticated, rotated, revoked and deleted."""

from portal.keys.authenticating import (
    authenticate,
    is_previous,
    mark_used,
)
from portal.keys.errors import (
    KeyActive,
    KeyOver,
    KeyRefused,
    KeyRotated,
    KeysExhausted,
    PreviousSecretWorks,
    UserUnverified,
)
from portal.keys.expiry_notices import send_expiry_notices
from portal.keys.leaks import report_leak
from portal.keys.lifetimes import DEFAULT_LIFETIME, parse_lifetime
from portal.keys.origins import is_active_origin
from portal.keys.restrictions import (
    Restrictions,
    check_model,
    check_place,
    entries_in,
    read_restrictions,
)
from portal.keys.rotation import Until, end_previous, parse_overlap, rotate
from portal.keys.secrets import has_valid_form, make_secret
from portal.keys.service import (
    IssuedKey,
    active_count,
    active_counts,
    delete,
    find,
    find_by_prefix,
    issue,
    list_all,
    list_of,
    rename,
    restrict,
    revoke,
)
from portal.keys.tables import ApiKey, Scope, Use

__all__ = [
    "DEFAULT_LIFETIME",
    "ApiKey",
    "IssuedKey",
    "KeyActive",
    "KeyOver",
    "KeyRefused",
    "KeyRotated",
    "KeysExhausted",
    "PreviousSecretWorks",
    "Restrictions",
    "Scope",
    "Until",
    "Use",
    "UserUnverified",
    "active_count",
    "active_counts",
    "authenticate",
    "check_model",
    "check_place",
    "delete",
    "end_previous",
    "entries_in",
    "find",
    "find_by_prefix",
    "has_valid_form",
    "is_active_origin",
    "is_previous",
    "issue",
    "list_all",
    "list_of",
    "make_secret",
    "mark_used",
    "parse_lifetime",
    "parse_overlap",
    "read_restrictions",
    "rename",
    "report_leak",
    "restrict",
    "revoke",
    "rotate",
    "send_expiry_notices",
]
