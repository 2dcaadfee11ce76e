"""API keys: issued, authenticated, listed, renamed, revoked and deleted."""

from portal.keys.errors import KeyActive, KeyRefused, KeysExhausted, UserUnverified
from portal.keys.lifetimes import DEFAULT_LIFETIME, parse_lifetime
from portal.keys.secrets import has_valid_form, make_secret
from portal.keys.service import (
    IssuedKey,
    active_count,
    active_counts,
    authenticate,
    delete,
    find,
    find_by_prefix,
    issue,
    list_all,
    list_of,
    mark_used,
    rename,
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
    "Scope",
    "UserUnverified",
    "active_count",
    "active_counts",
    "authenticate",
    "delete",
    "find",
    "find_by_prefix",
    "has_valid_form",
    "issue",
    "list_all",
    "list_of",
    "make_secret",
    "mark_used",
    "parse_lifetime",
    "rename",
    "revoke",
]
