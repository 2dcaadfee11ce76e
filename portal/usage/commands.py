"""`flask usage`: the counts from the command line."""

import click

from portal import usage
from portal.web.commands import CommandGroup

group = CommandGroup("usage", help="Look after the counts.")


@group.command("roll-up")
def roll_up() -> None:
    """Bring what ended processes left into the sums."""
    count = usage.roll_up()
    records = "1 record was" if count == 1 else f"{count} records were"
    click.echo(f"{records} brought into the sums.")


@group.command("verify")
def verify() -> None:
    """Compare spools, held units, months and sums."""
    differences = usage.verify()
    for difference in differences:
        click.echo(difference)
    if differences:
        raise click.exceptions.Exit(1)
    click.echo("Spools, held units, months and sums agree.")
