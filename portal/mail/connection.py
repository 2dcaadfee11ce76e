"""One SMTP server, spoken to through Flask-Mail, within time limits."""

import smtplib
import ssl
from contextlib import suppress
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from types import TracebackType

from flask_mail import Connection, Mail, Message

from portal.config import SmtpServer

SOCKET_TIMEOUT_S = 10


class PlainOrHtml(Message):
    """Flask-Mail's message, without the box for attachments around its two forms.

    Some mail programs show the sign of an attachment for that box.
    """

    def _message(self) -> MIMEBase:
        message = super()._message()
        if not self.alts:
            return message
        both = next(
            part
            for part in message.walk()
            if isinstance(part, MIMEMultipart) and part is not message
        )
        for name, value in message.items():
            if name not in both:
                both[name] = value
        both.policy = message.policy
        return both


class TimedConnection(Connection):
    """Flask-Mail's connection, which knows no time limit, with one."""

    def configure_host(self) -> smtplib.SMTP | smtplib.SMTP_SSL:
        """Connect, encrypt and log in."""
        server, port = self.mail.server, self.mail.port or 0
        tls = ssl.create_default_context()
        host: smtplib.SMTP | smtplib.SMTP_SSL
        if self.mail.use_ssl:
            host = smtplib.SMTP_SSL(server, port, timeout=SOCKET_TIMEOUT_S, context=tls)
        else:
            host = smtplib.SMTP(server, port, timeout=SOCKET_TIMEOUT_S)
        try:
            if self.mail.use_tls:
                host.starttls(context=tls)
            if self.mail.username and self.mail.password:
                host.login(self.mail.username, self.mail.password)
        except BaseException:
            host.close()
            raise
        return host

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Say goodbye after success; after a failure don't wait for an answer."""
        if self.host is None:
            return
        if exc_type is None:
            # A server that no longer listens has the message anyway.
            with suppress(smtplib.SMTPException, OSError):
                self.host.quit()
        self.host.close()


def send_through(server: SmtpServer, message: Message) -> None:
    """Hand *message* over to *server*.

    Raises:
        smtplib.SMTPException, OSError: It did not take it.
    """
    mail = Mail()
    mail.state = mail.init_mail(
        {
            "MAIL_SERVER": server.host,
            "MAIL_PORT": server.port,
            "MAIL_USERNAME": server.username,
            "MAIL_PASSWORD": server.password,
            "MAIL_USE_SSL": server.uses_ssl,
            "MAIL_USE_TLS": server.uses_starttls,
            "MAIL_SUPPRESS_SEND": False,
        }
    )
    with TimedConnection(mail) as connection:
        connection.send(message)
