"""Letters on their way out: from the outbox into a folder, or to a mail server."""

from __future__ import annotations

import os
import secrets
import smtplib
import ssl
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime, parseaddr
from pathlib import Path

from zrokd.contracts import Context
from zrokd.errors import ZrokdError
from zrokd.model.site import Letter
from zrokd.net.signal import Bell

from .settings import MailSettings

_EVERY_S = 2.0  # the leader looks for what others left, and for what is due again
_TIMEOUT_S = 20.0

Send = Callable[[Callable[[Letter], str]], None]


class Post:
    """Carries letters out of the outbox, at once when it is rung, and now and then."""

    def __init__(self, ctx: Context, settings: MailSettings) -> None:
        self.settings = settings
        self._ctx, self._bell = ctx, Bell()

    def ring(self) -> None:
        """Something waits. Does not switch greenlets."""
        self._bell.ring()

    def run(self, send: Callable[[], Send], leads: Callable[[], bool]) -> None:
        """Send what comes, and while we lead also what others left, for ever. Ends by being killed.

        `send()` see zrokd.service.outbox.Outbox.send, of the services as they are now.
        """
        heard = 0
        while True:
            rung, heard = self._bell.version != heard, self._bell.version
            if rung or leads():
                self._send(send())
            self._bell.wait(heard, _EVERY_S)

    def _send(self, send: Send) -> None:
        try:
            send(self.deliver)
        except ZrokdError as error:
            self._ctx.log.warning("letters wait in the outbox: %s", error)
        except Exception:  # the next round may fare better
            self._ctx.log.exception("sending letters failed")

    def deliver(self, letter: Letter) -> str:
        """Hand a letter over; why that failed, or "". Switches greenlets."""
        settings = self.settings
        try:
            self._ctx.offload(deliver, message_of(letter, settings), settings, self._ctx.state_dir)
        except (OSError, smtplib.SMTPException) as error:
            return str(error) or type(error).__name__
        return ""


def message_of(letter: Letter, settings: MailSettings) -> EmailMessage:
    """The letter as text and as HTML."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = settings.sender, letter.to, letter.subject
    if letter.key:
        message["Message-ID"] = f"<{letter.key}@{parseaddr(settings.sender)[1].rpartition('@')[2] or 'localhost'}>"
    message["Date"] = localtime()
    message["Auto-Submitted"] = "auto-generated"  # Source: RFC 3834 §5
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def deliver(message: EmailMessage, settings: MailSettings, state_dir: Path) -> None:
    """Hand it over. Blocks. :raises OSError: not now. :raises smtplib.SMTPException: the server refuses."""
    if settings.use == "file":
        _to_file(message, Path(settings.dir) if settings.dir else state_dir / "mail")
    else:
        _to_server(message, settings)


def _to_file(message: EmailMessage, folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}.eml"
    descriptor = os.open(folder / f".{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(bytes(message))
    (folder / f".{name}").rename(folder / name)


def _to_server(message: EmailMessage, settings: MailSettings) -> None:
    trust = ssl.create_default_context(cafile=settings.ca or None)
    if settings.tls == "implicit":
        server: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, settings.port, timeout=_TIMEOUT_S, context=trust)
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=_TIMEOUT_S)
    with server:
        if settings.tls == "starttls":
            server.starttls(context=trust)
        if settings.username:
            server.login(settings.username, settings.password.reveal())
        server.send_message(message, to_addrs=[str(message["To"])])
