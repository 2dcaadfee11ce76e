"""`flask mail`: the outbox from the command line.

Not in the package `mail`: an engine knows no audit trail, and this is written there.
"""

import click

from portal.admin import mail
from portal.db import db
from portal.web.commands import CommandGroup

group = CommandGroup("mail", help="Look after the outbox.")


@group.command("retry")
def retry() -> None:
    """Send what was refused in the last two days again."""
    count = mail.retry_refused()
    db.session.commit()
    messages = "1 message is" if count == 1 else f"{count} messages are"
    click.echo(f"{messages} queued again.")
