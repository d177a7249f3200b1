"""Telling of runs by mail."""

from __future__ import annotations

from itertools import islice
from threading import Lock
from unicodedata import category
from weakref import WeakKeyDictionary

from .._core.policy import seconds
from .._records import State
from . import _letter
from ._connection import checked_context
from ._delivery import Alert, Delivery
from ._smtp import Server
from ._summary import Words, checked_secrets, checked_when, has_failed, summary_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from email.headerregistry import Address

    from .._run import Run
    from ._letter import Letter

EACH = ("run", "task")
#: The most failed tasks of a run whose details are in a mail.
MOST_DETAILED = 10
#: Kinds of letters that no name and no address may have: they end lines, or are none.
CONTROLS = {"Cc", "Cs", "Zl", "Zp"}


class Email(Alert):
    """Send a mail when a run has failed.

    An observer: give it to a graph or a run. It never holds up a run and never changes
    what becomes of one. Mails are sent by a thread of its own, which the end of the
    program waits for; each step of sending has `timeout` seconds, all of them a minute.
    What cannot be sent is in `errors`, in `run.observer_errors` and in the log of
    "syncra.observers".

    Certificates are verified. A server that does not offer TLS gets nothing unless
    `tls=False`, and then the password in clear.

    Parameters:
        host: name or address of the mail server.
        port: its port. At 465 it speaks TLS from the start, elsewhere after STARTTLS.
        sender: address the mails are from: "Name <name@example.org>" or without name.
        recipients: one address, or several, who all see one another.
        username: who logs in; nobody if None.
        password: with what; in no text, log, error or pickle.
        tls: whether mails may only be sent over TLS.
        when: "failure" to tell of runs with failed or cancelled tasks, "always" to
            tell of every run.
        each: "run" for one mail about a run at its end; "task" for one about each task
            that has failed (with "always": that is over), when that happens, and one
            about the run if there is more to tell.
        limit: the most mails about tasks of one run; of the others the mail about the
            run tells.
        details: whether mails have, of each task that failed, what a log file has:
            traceback, arguments, local variables, and what was skipped because of it.
            *** stands for values whose names sound like a secret.
        redact: texts that must not be in a mail; the password is never.
        timeout: the most seconds of each step: connecting, each command, the message.
        context: what certificates are trusted; those of the system if None.

    Raises:
        ValueError: if one of these cannot be right, such as an address with a line
            break in it.
        TypeError: if it is of the wrong type.

    Example:
        >>> from syncra.observers import Email
        >>> Email(
        ...     "mail.example.org",
        ...     sender="Night run <syncra@example.org>",
        ...     recipients=["ops@example.org", "kim@example.org"],
        ...     username="syncra",
        ...     password="correct horse",
        ... )
        Email('mail.example.org', port=587, recipients=2, when='failure', each='run')
    """

    def __init__(
        self,
        host: str,
        *,
        port: int = 587,
        sender: str,
        recipients: str | Iterable[str],
        username: str | None = None,
        password: str | None = None,
        tls: bool = True,
        when: str = "failure",
        each: str = "run",
        limit: int = 20,
        details: bool = False,
        redact: str | Iterable[str] = (),
        timeout: float = 10.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        _check_server(host, port, username, password, tls)
        if not isinstance(each, str) or each not in EACH:
            raise ValueError(
                f"Email: each= is {' or '.join(map(repr, EACH))}: {each!r}"
            )

        if not isinstance(details, bool):
            raise TypeError(f"Email: details= is True or False, got {details!r}")

        if type(limit) is not int or limit < 1:
            raise ValueError(f"Email: limit= is a number of mails from 1: {limit!r}")

        self._sender = _one(sender)
        self._recipients = _several(recipients)
        self._when = checked_when(when, "Email")
        self._each = each
        self._limit = limit
        self._details = details
        self._words = Words((*checked_secrets(redact, "Email"), *_spelled(password)))
        self._server = Server(
            host,
            port,
            username,
            password,
            tls,
            checked_context(context, "Email"),
            seconds(timeout, "Email: timeout"),
            self._words.clean,
        )
        self._text = f"Email({host!r}, port={port}, recipients={len(self._recipients)}"
        self._delivery = Delivery(self, self._words.clean)
        self._lock = Lock()
        #: How many tasks of each run were worth a mail.
        self._counts: WeakKeyDictionary[Run, int] = WeakKeyDictionary()

    def task_finished(self, run: Run, task: str, state: State) -> None:
        """Send a mail about a task, if there is to be one for each.

        Parameters:
            run: the run.
            task: name of the task.
            state: its last state.
        """
        if self._each != "task":
            return

        if state != State.FAILED and self._when != "always":
            return

        with self._lock:
            count = self._counts[run] = self._counts.get(run, 0) + 1
        if count <= self._limit:
            record = run.records[task]
            details = self._details_of(run, (task,) if state == State.FAILED else ())
            letter = _letter.of_task(record, run.graph, run.id, self._words, details)
            self._put(run, "task_finished", letter)

    def run_finished(self, run: Run) -> None:
        """Send a mail about a run, if there is something to tell.

        Parameters:
            run: the run.
        """
        with self._lock:
            count = self._counts.pop(run, 0)
        if self._when != "always" and not has_failed(run):
            return

        untold = max(count - self._limit, 0)
        if self._each == "task" and self._when != "always":
            # All has been told, unless the run has not come to its own end.
            if not untold and not run.progress.cancelled and not run.rollbacks:
                return

        details = self._details_of(run, run.errors)
        letter = _letter.of_run(summary_of(run, self._words), untold, details)
        self._put(run, "run_finished", letter)

    def _details_of(self, run: Run, tasks: Iterable[str]) -> dict[str, str]:
        """Return what is known of the failures of the first of these tasks."""
        if not self._details:
            return {}

        from ._failure import SkippedTasks, failure_lines

        clean, skipped = self._words.clean, SkippedTasks(run)
        return {
            self._words.line(task): self._words.all_lines(
                failure_lines(run, task, skipped.line_of(task), clean)
            )
            for task in islice(tasks, MOST_DETAILED)
        }

    def _put(self, run: Run, event: str, letter: Letter) -> None:
        """Have a letter sent, in which nothing of the run is left."""
        recipients = [address.addr_spec for address in self._recipients]

        def send() -> None:
            message = _letter.mail(letter, self._sender, self._recipients)
            self._server.send(message, self._sender.addr_spec, recipients)

        self._delivery.put(run, event, send)

    def __repr__(self) -> str:
        return f"{self._text}, when={self._when!r}, each={self._each!r})"


def _check_server(
    host: object, port: object, username: object, password: object, tls: object
) -> None:
    """Raise if this cannot be a server and a login, without showing the password."""
    if not isinstance(host, str):
        raise TypeError(f"Email: host is the name of a mail server, got {host!r}")

    if not host or not host.isprintable() or set(host) & set(" /@"):
        raise ValueError(f"Email: host is the name of a mail server, got {host!r}")

    if type(port) is not int or not 0 < port < 65536:
        raise ValueError(f"Email: port= is a number from 1 to 65535, got {port!r}")

    if not isinstance(tls, bool):
        raise TypeError(f"Email: tls= is True or False, got {tls!r}")

    for name, value in (("username", username), ("password", password)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"Email: {name}= is a text, got a {type(value).__name__}")

    if (username is None) != (password is None):
        raise ValueError("Email: username= and password= go together")

    if password == "":
        raise ValueError("Email: password= is empty")


def _spelled(password: str | None) -> tuple[str, ...]:
    """Return a password as it is, and as servers may repeat it."""
    if password is None:
        return ()

    from base64 import b64encode

    return password, b64encode(password.encode("utf-8", "replace")).decode()


def _one(sender: object) -> Address:
    if not isinstance(sender, str):
        raise TypeError(f"Email: sender= is an address, got {sender!r}")

    found = _parsed(sender, "sender=")
    if len(found) != 1:
        raise ValueError(f"Email: sender= is one address, got {sender!r}")

    return found[0]


def _several(recipients: object) -> tuple[Address, ...]:
    given = [recipients] if isinstance(recipients, str) else recipients
    try:
        texts = list(given)  # type: ignore[call-overload]  # that is found out
    except TypeError:
        texts = [None]
    found: dict[str, Address] = {}
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"Email: recipients= are addresses, got {recipients!r}")

        for address in _parsed(text, "recipients="):
            found.setdefault(address.addr_spec, address)
    if not found:
        raise ValueError("Email: recipients= are empty, so nobody would be told")

    return tuple(found.values())


def _parsed(text: str, what: str) -> list[Address]:
    """Return the addresses in a text, or raise if it is anything else than addresses.

    Nothing is mended: what is taken for something else by the next who reads it is
    how mails come to those they are not for.
    """
    from email.errors import NonASCIILocalPartDefect
    from email.headerregistry import Address
    from email.policy import EmailPolicy

    refusal = f"Email: {what} has an address like name@example.org, got {text!r}"
    if any(category(letter) in CONTROLS for letter in text):
        raise ValueError(f"{refusal}, with a control character in it")

    try:
        header = EmailPolicy().header_factory("To", text)
        defects = [
            defect
            for defect in header.defects
            if not isinstance(defect, NonASCIILocalPartDefect)
        ]
        found = []
        for address in header.addresses:
            shown = f"{address.display_name}{address.addr_spec}"
            if not address.username or not address.domain:
                raise ValueError(refusal)
            if any(category(letter) in CONTROLS for letter in shown):
                raise ValueError(refusal)
            domain = address.domain
            if not domain.isascii():
                domain = domain.encode("idna").decode("ascii")
            found.append(Address(address.display_name, address.username, domain))
    except Exception:  # the parser is known for more than one kind
        raise ValueError(refusal) from None

    if defects or not found:
        raise ValueError(refusal)

    return found
