"""API keys: issued, authenticated, listed, renamed, revoked and deleted."""

from portal.keys.authenticating import active_origins, authenticate, mark_used
from portal.keys.errors import KeyActive, KeyRefused, KeysExhausted, UserUnverified
from portal.keys.lifetimes import DEFAULT_LIFETIME, parse_lifetime
from portal.keys.restrictions import (
    Restrictions,
    check_model,
    check_place,
    entries_in,
    read_restrictions,
)
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
from portal.keys.tables import ApiKey, Scope

__all__ = [
    "DEFAULT_LIFETIME",
    "ApiKey",
    "IssuedKey",
    "KeyActive",
    "KeyRefused",
    "KeysExhausted",
    "Restrictions",
    "Scope",
    "UserUnverified",
    "active_count",
    "active_counts",
    "active_origins",
    "authenticate",
    "check_model",
    "check_place",
    "delete",
    "entries_in",
    "find",
    "find_by_prefix",
    "has_valid_form",
    "issue",
    "list_all",
    "list_of",
    "make_secret",
    "mark_used",
    "parse_lifetime",
    "read_restrictions",
    "rename",
    "restrict",
    "revoke",
]
