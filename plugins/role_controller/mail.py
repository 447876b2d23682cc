"""Letters on their way out: into a folder, or to a mail server."""

from __future__ import annotations

import os
import secrets
import smtplib
import ssl
import time
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from queue import Empty, Full, Queue

from zrokd.contracts import Context
from zrokd.model.site import Letter

from .settings import MailSettings

_MOST_WAITING = 1000
_TRIES = 4
_PAUSE_S = 15.0  # between tries; twice as long each time
_TIMEOUT_S = 20.0


class Post:
    """Keeps letters in memory until they are out. What waits when the daemon ends is lost: people ask again."""

    def __init__(self, ctx: Context, settings: MailSettings) -> None:
        self.settings = settings
        self._ctx = ctx
        self._waiting: Queue[Letter] = Queue(_MOST_WAITING)

    def post(self, letter: Letter) -> None:
        """It will be sent. Does not switch greenlets. When too many wait, it is dropped, and the log says so."""
        try:
            self._waiting.put_nowait(letter)
        except Full:
            self._ctx.log.error("too many letters wait; %r is dropped", letter.subject)

    def run(self) -> None:
        """Send what comes, for ever. Ends by being killed."""
        while True:
            self._send(self._waiting.get())

    def flush(self) -> None:
        """Send what waits now."""
        while True:
            try:
                letter = self._waiting.get_nowait()
            except Empty:
                return
            self._send(letter)

    def _send(self, letter: Letter) -> None:
        for tried in range(_TRIES):
            try:
                self._ctx.offload(deliver, message_of(letter, self.settings), self.settings, self._ctx.state_dir)
            except (OSError, smtplib.SMTPException) as error:
                self._ctx.log.warning("a letter (%s) was not sent: %s", letter.subject, error)
            else:
                return
            if tried < _TRIES - 1:
                time.sleep(_PAUSE_S * 2**tried)
        self._ctx.log.error("a letter (%s) is given up after %d tries", letter.subject, _TRIES)


def message_of(letter: Letter, settings: MailSettings) -> EmailMessage:
    """The letter as text and as HTML."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = settings.sender, letter.to, letter.subject
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
