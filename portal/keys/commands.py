"""`flask keys`: create, list and revoke keys from the command line."""

import json
from datetime import timedelta
from typing import Any

import click

from portal import accounts, keys
from portal.db import db
from portal.errors import Invalid
from portal.keys.lifetimes import check_lifetime
from portal.keys.secrets import MARK
from portal.web.commands import CommandGroup, refusals_end_with_1

# How the lines of `flask keys list` begin what a key is restricted to.
RESTRICTIONS = {"models": "only", "addresses": "from", "origins": "on"}
group = CommandGroup("keys", help="Create, list and revoke API keys.")


class Lifetime(click.ParamType[timedelta | None]):
    """A duration such as ``30d``, or ``never``."""

    name = "duration"

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
            return keys.parse_lifetime(str(value))
        except Invalid as invalid:
            self.fail(str(invalid), param, ctx)


class Overlap(click.ParamType[timedelta]):
    """A duration such as ``1d``, or ``now``."""

    name = "duration"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """Return the duration, or end with exit status 2 and a sentence."""
        if isinstance(value, timedelta):
            return value
        try:
            return keys.parse_overlap(str(value))
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
    type=Lifetime(),
    default="90d",
    show_default=True,
    help="Such as 10m, 12h or 30d; never, if the plan allows it.",
)
@refusals_end_with_1
def create(
    email: str,
    name: str,
    scopes: tuple[str, ...],
    expires_in: timedelta | None,
    **entries: tuple[str, ...],
) -> None:
    """Print a new key, and nothing else."""
    user = accounts.find_by_email(email)
    try:
        restrictions = keys.read_restrictions(**entries)
        check_lifetime(expires_in, max_days=user.plan.max_key_days)
    except Invalid as invalid:
        raise click.UsageError(str(invalid)) from None
    issued = keys.issue(
        user,
        name=name,
        scopes=[keys.Scope(scope) for scope in scopes],
        restrictions=restrictions,
        expires_in=expires_in,
    )
    db.session.commit()
    click.echo(issued.secret)


@group.command("list")
@click.option("--email", help="Only this user's keys.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals_end_with_1
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
    type=Overlap(),
    default="1d",
    show_default=True,
    help="How long the old secret works, too: now (no longer), 1h, 7d.",
)
@click.option("--expires-in", type=Lifetime(), help="A new life; else its end stays.")
@refusals_end_with_1
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
@refusals_end_with_1
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
