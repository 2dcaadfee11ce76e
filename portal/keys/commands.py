"""`flask keys`: create, list and revoke keys from the command line."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from portal import accounts, keys
from portal.db import db
from portal.errors import Invalid
from portal.keys.secrets import MARK
from portal.web.commands import CommandGroup, refusals_told

# How the lines of `flask keys list` begin what a key is restricted to.
RESTRICTIONS = {"models": "only", "addresses": "from", "origins": "on"}
group = CommandGroup("keys", help="Create, list and revoke API keys.")


def parse_new_life(text: str) -> timedelta:
    """Return the life of a key from its rotation on.

    Raises:
        Invalid: It is written otherwise, or is none that ends.
    """
    lifetime = keys.parse_lifetime(text)
    if lifetime is None:
        raise Invalid(
            "A rotation gives no key a life without end. Write one like 30d, or leave "
            "it out to keep the key's end.",
            "/expires_in",
        )
    return lifetime


class Duration(click.ParamType[timedelta | None]):
    """A duration such as ``30d``, or a word; *parse* reads it."""

    name = "duration"

    def __init__(self, parse: Callable[[str], timedelta | None]) -> None:
        self.parse = parse

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta | None:
        """Return the duration, or end with exit status 2 and a sentence."""
        if isinstance(value, timedelta):
            return value
        try:
            return self.parse(str(value))
        except Invalid as invalid:
            self.fail(str(invalid), param, ctx)


@group.command()
@click.option("--email", required=True, help="Whose key it is.")
@click.option("--name", required=True, help="What the key is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([str(scope) for scope in keys.Scope]),
    default=[str(keys.Scope.PREDICT)],
    show_default=True,
    help="What the key may do; may be given more than once.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    help="The only model it may call; may be given more than once.",
)
@click.option(
    "--address",
    "addresses",
    multiple=True,
    help="The only address or network (CIDR) it may be used from; also repeated.",
)
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="The only web pages that may use it: https://example.org; also repeated.",
)
@click.option(
    "--expires-in",
    type=Duration(keys.parse_lifetime),
    default="90d",
    show_default=True,
    help="Such as 10m, 12h or 30d; never, if the plan allows it.",
)
@refusals_told()
def create(
    email: str,
    name: str,
    scopes: tuple[str, ...],
    expires_in: timedelta | None,
    **entries: tuple[str, ...],
) -> None:
    """Print a new key, and nothing else."""
    user = accounts.find_by_email(email)
    issued = keys.issue(
        user,
        name=name,
        scopes=[keys.Scope(scope) for scope in scopes],
        restrictions=keys.read_restrictions(**entries),
        expires_in=expires_in,
    )
    db.session.commit()
    click.echo(issued.secret)


@group.command("list")
@click.option("--email", help="Only this user's keys.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals_told()
def list_keys(email: str | None, *, as_json: bool) -> None:
    """List the keys, the newest first."""
    found = keys.list_of(accounts.find_by_email(email)) if email else keys.list_all()
    rows = [_document(api_key) for api_key in found]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        scopes = ",".join(row["scopes"])
        restricted = "".join(
            f"{words} {','.join(row[kind])}  "
            for kind, words in RESTRICTIONS.items()
            if row[kind]
        )
        click.echo(
            f"{row['prefix']}  {row['status']:<7}  until {row['expires_at']}  "
            f"{_last_use(row)}  {scopes}  {restricted}{row['email']}  {row['name']}"
        )


@group.command()
@click.argument("prefix")
@click.option(
    "--overlap",
    type=Duration(keys.parse_overlap),
    default="1d",
    show_default=True,
    help="How long the old secret works, too: now (no longer), 1h, 7d.",
)
@click.option(
    "--expires-in",
    type=Duration(parse_new_life),
    help="A new life; else its end stays.",
)
@refusals_told()
def rotate(prefix: str, overlap: timedelta, expires_in: timedelta | None) -> None:
    """Print a new secret for the key listed by PREFIX, and nothing else."""
    issued = keys.rotate(
        keys.find_by_prefix(prefix),
        prefix=prefix.removeprefix(MARK),
        until=keys.Until(overlap, expires_in),
    )
    db.session.commit()
    click.echo(issued.secret)


@group.command()
@click.argument("prefix")
@refusals_told()
def revoke(prefix: str) -> None:
    """Revoke the key listed by PREFIX."""
    api_key = keys.find_by_prefix(prefix)
    keys.revoke(api_key)
    db.session.commit()
    click.echo(f"The key {api_key.prefix} of {api_key.user.email} is revoked.")


def _last_use(row: dict[str, Any]) -> str:
    if row["last_used_at"] is None:
        return "never used"
    agent = f" ({row['last_used_agent']})" if row["last_used_agent"] else ""
    return f"last used {row['last_used_at']} from {row['last_used_address']}{agent}"


def _document(api_key: keys.ApiKey) -> dict[str, Any]:
    expires_at, last_use = api_key.expires_at, api_key.last_use
    return {
        "prefix": api_key.prefix,
        "email": api_key.user.email,
        "name": api_key.name,
        "scopes": api_key.scopes,
        "models": api_key.models,
        "addresses": api_key.addresses,
        "origins": api_key.origins,
        "status": api_key.status,
        "created_at": api_key.created_at.isoformat(timespec="seconds"),
        "expires_at": expires_at.isoformat(timespec="seconds") if expires_at else None,
        "last_used_at": last_use.at.isoformat(timespec="minutes")
        if last_use.at
        else None,
        "last_used_address": last_use.address,
        "last_used_agent": last_use.agent,
        "previous": _previous(api_key),
    }


def _previous(api_key: keys.ApiKey) -> dict[str, str | None] | None:
    """Return the secret before the last rotation, if it still works."""
    if not api_key.previous_works or api_key.previous_ends_at is None:
        return None
    used_at = api_key.previous_used_at
    return {
        "prefix": api_key.previous_prefix,
        "ends_at": api_key.previous_ends_at.isoformat(timespec="seconds"),
        "last_used_at": used_at.isoformat(timespec="minutes") if used_at else None,
    }
