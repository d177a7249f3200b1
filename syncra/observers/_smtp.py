"""Sending one mail over SMTP, in time and never a password in clear by accident."""

from __future__ import annotations

import smtplib
import ssl
from base64 import b64encode
from socket import gaierror

from .._names import message_of
from .._report import shortened
from ..errors import DeliveryFailed
from ._connection import Deadline, TimedSocket, connected, resolved, secured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from email.message import EmailMessage
    from socket import socket

    from typing_extensions import Buffer

#: The port where TLS comes first; elsewhere it is asked for.
IMPLICIT_TLS = 465
#: The most seconds that a mail takes, whatever the steps of it may.
WHOLE = 60.0
#: The most bytes of one answer.
MOST_READ = 64 * 1024
READY, LOGGED_IN = 220, (235, 503)


class Server:
    """Know how to send mails by a server.

    Parameters:
        host: name or address of the server.
        port: its port; 465 speaks TLS from the start.
        username: who logs in, or None.
        password: with what.
        tls: whether TLS is asked for, and insisted on.
        context: what certificates are trusted; those of the system if None.
        timeout: the most seconds of each step.
        clean: what takes the secrets out of a text.
    """

    def __init__(
        self,
        host: str,
        port: int,
        username: str | None,
        password: str | None,
        tls: bool,
        context: ssl.SSLContext | None,
        timeout: float,
        clean: Callable[[str], str],
    ) -> None:
        self._host = host
        self._port = port
        self._username = username
        self._password = password
        self._tls = tls
        self._context = context
        self._timeout = timeout
        self._clean = clean
        self.where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def send(
        self, message: EmailMessage, sender: str, recipients: Sequence[str]
    ) -> None:
        """Send a mail.

        Raises:
            DeliveryFailed: if it does not reach everybody.
        """
        session = _Session(self._timeout)
        try:
            try:
                self._open(session)
                session.stage = "the message"
                refused = session.send_message(message, sender, recipients)
                self._leave(session)
            finally:
                session.close()
        except DeliveryFailed:
            raise
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except Exception as error:
            raise self._failure(self._explained(error, session)) from None

        if refused:
            raise self._refused(refused, len(recipients))

    def _open(self, session: _Session) -> None:
        addresses = resolved(self._host, self._port, session.step())
        connection = connected(addresses, session.step())
        if self._tls and self._port == IMPLICIT_TLS:
            connection = secured(connection, self._host, self._context, session.step())
        session.greet(connection)
        if self._tls and self._port != IMPLICIT_TLS:
            self._secure(session)
        if self._username is not None and self._password is not None:
            session.stage = "the login"
            session.log_in(self._username, self._password)

    def _secure(self, session: _Session) -> None:
        session.stage = "STARTTLS"
        session.ehlo_or_helo_if_needed()
        if not session.has_extn("starttls"):
            raise self._failure(
                "the server does not offer STARTTLS, so nothing was sent, and no "
                "password. Give port=465 if it speaks TLS from the start, or "
                "tls=False to have everything sent in clear"
            )

        code, text = session.docmd("STARTTLS")
        if code != READY:
            raise smtplib.SMTPResponseException(code, text)

        session.secure(self._host, self._context)

    @staticmethod
    def _leave(session: _Session) -> None:
        try:
            session.quit()
        except (OSError, smtplib.SMTPException):
            pass  # the message is taken; how we part is of no importance

    def _failure(
        self, why: str, refused: dict[str, str] | None = None
    ) -> DeliveryFailed:
        return DeliveryFailed(
            f"no mail was sent by {self.where}: {why}", self.where, refused
        )

    def _refused(
        self, refused: dict[str, tuple[int, bytes]], count: int
    ) -> DeliveryFailed:
        reasons = {name: self._reply(*reply) for name, reply in refused.items()}
        listed = "; ".join(f"{name}: {why}" for name, why in list(reasons.items())[:10])
        if len(reasons) == count:
            return self._failure(f"all recipients were refused: {listed}", reasons)

        return DeliveryFailed(
            f"{len(reasons)} of {count} recipients of a mail were refused by "
            f"{self.where}, the others have it: {listed}",
            self.where,
            reasons,
        )

    def _reply(self, code: int, text: bytes | str) -> str:
        """Return what a server has answered, on one line."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        return f"{code} {shortened(self._clean(text), 300)}".strip()

    def _explained(self, error: Exception, session: _Session) -> str:
        """Return what went wrong and what to do, from the special to the general."""
        stage = session.stage
        if isinstance(error, smtplib.SMTPAuthenticationError):
            reply = self._reply(error.smtp_code, error.smtp_error)
            return f"the login was refused: {reply}; see username= and password="

        if isinstance(error, smtplib.SMTPResponseException):
            reply = self._reply(error.smtp_code, error.smtp_error)
            return f"{stage} was refused: {reply}"

        if isinstance(error, smtplib.SMTPServerDisconnected):
            cause = error.__context__
            if isinstance(cause, (OSError, smtplib.SMTPException)):
                return f"{stage}: {self._clean(message_of(cause))}"

            return f"{stage}: the server has closed the connection"

        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not to be trusted: {error.verify_message}; an "
                f"authority of your own is trusted with context="
            )

        if isinstance(error, ssl.SSLError):
            return (
                f"TLS did not come about ({error.reason}): port 465 speaks TLS from "
                f"the start, others after STARTTLS"
            )

        if isinstance(error, gaierror):
            return f"the name of the server is not known ({error.strerror})"

        if isinstance(error, smtplib.SMTPException):
            return f"{stage}: {self._clean(message_of(error))}"

        kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
        return f"{stage}: {kind}{self._clean(message_of(error))}"


class _Session(smtplib.SMTP):
    """Speak SMTP with a deadline for each command and its answer.

    Attributes:
        stage: what is being done.
    """

    sock: TimedSocket | None  # type: ignore[assignment]  # as much of it as is used

    def __init__(self, limit: float) -> None:
        # With a name, which it would look up otherwise, for as long as that takes.
        super().__init__(local_hostname="[127.0.0.1]", timeout=limit)
        self._limit = limit
        self._whole = Deadline(WHOLE)
        self.stage = "connecting"

    def step(self) -> Deadline:
        """Return the deadline of a step that begins now."""
        return Deadline(self._limit, self._whole)

    def greet(self, connection: socket) -> None:
        """Take over a connection, and wait for the greeting of the server."""
        self.stage = "the greeting"
        self._take(connection)
        assert self.sock is not None
        own = self.sock.connection.getsockname()[0]
        self.local_hostname = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
        code, text = self.getreply()
        if code != READY:
            raise smtplib.SMTPConnectError(code, text)

    def secure(self, host: str, context: ssl.SSLContext | None) -> None:
        """Speak TLS from now on."""
        assert self.sock is not None
        self._take(secured(self.sock.connection, host, context, self.step()))
        # What was said before it was secure may have been said by anybody.
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    def log_in(self, username: str, password: str) -> None:
        """Log in, with a password of any letters."""
        self.ehlo_or_helo_if_needed()
        methods = str(self.esmtp_features.get("auth", "")).upper().split()
        if f"{username}{password}".isascii() or "PLAIN" not in methods:
            self.login(username, password)
            return

        secret = b64encode(f"\0{username}\0{password}".encode()).decode()
        code, text = self.docmd("AUTH", f"PLAIN {secret}")
        if code not in LOGGED_IN:
            raise smtplib.SMTPAuthenticationError(code, text)

    def send(self, s: Buffer | str) -> None:
        """Send a command or a message, within a time that its answer shares."""
        if self.sock is not None:
            self.sock.renew(self.step(), MOST_READ)
        super().send(s)

    def _take(self, connection: socket) -> None:
        self.sock = TimedSocket(connection, self.step(), MOST_READ)
        self.file = None
