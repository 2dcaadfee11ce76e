"""`flask users`: make, list, suspend and promote users from the command line."""

import json
import sys

import click

from portal import accounts
from portal.accounts.tables import Role, User
from portal.db import db
from portal.web.commands import CommandGroup, refusals_told

group = CommandGroup("users", help="Make, list, suspend and promote users.")
ROLES = click.Choice([str(role) for role in Role])


@group.command("create")
@click.option("--email", required=True, help="The address the user logs in with.")
@click.option("--role", type=ROLES, default=str(Role.USER), show_default=True)
@click.option("--verified", is_flag=True, help="The address is known to be right.")
@click.option("--password-stdin", is_flag=True, help="Read a password from stdin.")
def create(*, email: str, role: str, verified: bool, password_stdin: bool) -> None:
    """Make a user; without a password, print a link that sets one."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with refusals_told():
        user = accounts.create(
            email, role=role, password=password, is_verified=verified
        )
        link = None if password_stdin else accounts.set_password_link(user)
        db.session.commit()
    if link is None:
        click.echo(f"{user.email} can log in now, as {user.role}.")
    else:
        click.echo(f"{user.email} sets a password here within an hour:", err=True)
        click.echo(link)


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_users(*, as_json: bool) -> None:
    """List the users, the oldest first."""
    users = accounts.list_users()
    if as_json:
        click.echo(json.dumps([_described(user) for user in users], indent=2))
        return
    width = max((len(user.email) for user in users), default=0)
    for user in users:
        marks = [
            "verified" if user.is_verified else "not verified",
            *(["suspended"] if user.is_suspended else []),
        ]
        click.echo(f"{user.email:<{width}}  {user.role:<9}  {', '.join(marks)}")


@group.command("suspend")
@click.argument("email")
def suspend(email: str) -> None:
    """Shut a user out, at once and everywhere."""
    with refusals_told():
        user = accounts.find_by_email(email)
        accounts.suspend(user)
        db.session.commit()
    click.echo(f"{user.email} is suspended.")


@group.command("restore")
@click.argument("email")
def restore(email: str) -> None:
    """Let a suspended user in again."""
    with refusals_told():
        user = accounts.find_by_email(email)
        accounts.restore(user)
        db.session.commit()
    click.echo(f"{user.email} can log in again.")


@group.command("role")
@click.argument("email")
@click.argument("role", type=ROLES)
def set_role(email: str, role: str) -> None:
    """Give a user another role."""
    with refusals_told():
        user = accounts.find_by_email(email)
        accounts.set_role(user, Role(role))
        db.session.commit()
    click.echo(f"{user.email} is {role} now.")


def _described(user: User) -> dict[str, object]:
    return {
        "email": user.email,
        "role": str(user.role),
        "verified": user.is_verified,
        "suspended": user.is_suspended,
        "created_at": user.created_at.isoformat(),
    }
