"""A real SMTP server, which can misbehave."""

import asyncio
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from ._process import LOOPBACK, free_port


@dataclass(frozen=True)
class ReceivedMail:
    """A mail the sink accepted, with the addresses on its envelope."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


@dataclass
class _Trouble:
    """What happens instead of the next *times* answers to an SMTP command."""

    command: str
    times: int
    reply: str | None = None
    delay_s: float = 0


class SmtpSink:
    """An SMTP server that keeps what it accepts, and can be told to misbehave."""

    def __init__(self) -> None:
        """Choose its port; `start` listens there."""
        self.port = free_port()
        self._controller: Controller | None = None
        self._received: list[ReceivedMail] = []
        self._handed_out: list[ReceivedMail] = []
        self._troubles: list[_Trouble] = []
        self._changed = threading.Condition()

    @property
    def url(self) -> str:
        """Its address, as PORTAL_SMTP_URLS takes it."""
        return f"smtp://{LOOPBACK}:{self.port}"

    @property
    def received(self) -> list[ReceivedMail]:
        """Everything accepted since the start or `clear`, oldest first."""
        with self._changed:
            return list(self._received)

    @property
    def messages(self) -> list[EmailMessage]:
        """The messages of `received`."""
        return [mail.message for mail in self.received]

    def wait_for(self, to: str, *, timeout_s: float = 10) -> EmailMessage:
        """Return the oldest message for the address *to* not yet returned.

        Raises:
            TimeoutError: when none comes within *timeout_s* seconds.
        """
        with self._changed:
            found = self._changed.wait_for(lambda: self._next_for(to), timeout_s)
            if found is None:
                others = sorted({r for mail in self._received for r in mail.recipients})
                message = f"No mail came for {to}; there was mail for {others}."
                raise TimeoutError(message)
            self._handed_out.append(found)
            return found.message

    def refuse(self, code: int, *, command: str = "RCPT", times: int = 1) -> None:
        """Answer the next *times* MAIL, RCPT or DATA commands with *code*."""
        self._troubles.append(_Trouble(command, times, f"{code} Refused by the test"))

    def stall(self, seconds: float, *, command: str = "RCPT", times: int = 1) -> None:
        """Wait before the next *times* answers to MAIL, RCPT or DATA.

        A stalled DATA has been accepted and kept already: the answer comes late.
        """
        self._troubles.append(_Trouble(command, times, delay_s=seconds))

    def clear(self) -> None:
        """Forget the mail, and any refusal or stall that did not happen yet."""
        with self._changed:
            self._received.clear()
            self._handed_out.clear()
            self._troubles.clear()

    def start(self) -> None:
        """Listen again, on the same port."""
        self._controller = Controller(self, hostname=LOOPBACK, port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Stop listening; the mail stays."""
        if self._controller is not None:
            self._controller.stop(no_assert=True)
            self._controller = None

    def __enter__(self) -> Self:
        """Listen."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self.stop()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd looks for this name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Accept the sender, unless told otherwise."""
        if (refusal := await self._trouble("MAIL")) is not None:
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd looks for this name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Accept the recipient, unless told otherwise."""
        if (refusal := await self._trouble("RCPT")) is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd looks for this name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep the message, unless told otherwise."""
        content = envelope.content
        raw = content if isinstance(content, bytes) else str(content).encode()
        mail = ReceivedMail(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            message=message_from_bytes(
                raw.replace(b"\r\n", b"\n"), EmailMessage, policy=policy.default
            ),
        )
        trouble = self._take("DATA")
        if trouble and trouble.reply:
            return trouble.reply
        with self._changed:
            self._received.append(mail)
            self._changed.notify_all()
        await asyncio.sleep(trouble.delay_s if trouble else 0)
        return "250 OK"

    async def _trouble(self, command: str) -> str | None:
        trouble = self._take(command)
        if trouble is None:
            return None
        await asyncio.sleep(trouble.delay_s)
        return trouble.reply

    def _take(self, command: str) -> _Trouble | None:
        with self._changed:
            for trouble in self._troubles:
                if trouble.command == command and trouble.times > 0:
                    trouble.times -= 1
                    return trouble
        return None

    def _next_for(self, to: str) -> ReceivedMail | None:
        for mail in self._received:
            if to in mail.recipients and mail not in self._handed_out:
                return mail
        return None
