"""Mails about runs, against a real mail server and against bad ones."""

from __future__ import annotations

import gc
import pickle
import re
import socket
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import html5lib
import process_tasks
import pytest
from aiosmtpd.smtp import AuthResult
from alert_servers import (
    PASSWORD,
    Mailbox,
    Plain,
    certificate,
    dripping,
    failed_run,
    flooding,
    good_run,
    mail_server,
    reset,
    silent,
    talking,
)
from tests_helpers import in_a_script

from syncra import Graph, Run, Skip, State
from syncra.errors import DeliveryFailed
from syncra.observers import Email

OPS = "ops@example.org"


def email_to(port: int, **options: Any) -> Email:
    given = {"sender": "syncra@example.org", "recipients": OPS, "tls": False}
    return Email(**{"host": "127.0.0.1", "port": port, **given, **options})


def sent(port: int, run: Run | None = None, **options: Any) -> Email:
    """Send mails about a run as its observer would; return the observer afterwards."""
    run = failed_run() if run is None else run
    with email_to(port, **options) as email:
        for name, record in run.records.items():
            email.task_finished(run, name, record.state)
        email.run_finished(run)
    return email


def mailed(run: Run | None = None, **options: Any) -> Any:
    """Return the one mail about a run."""
    with mail_server(Mailbox()) as mailbox:
        email = sent(mailbox.port, run, **options)
    assert email.errors == ()
    return mailbox.only_mail()


def parts(mail: Any) -> tuple[str, str]:
    """Return text and HTML, with the line ends that they had before they were sent."""
    found = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    text, page = (part.replace("\r\n", "\n") for part in found)
    return text, page


def only_error(email: Email) -> DeliveryFailed:
    (error,) = email.errors
    return error


def test_a_mail_tells_what_failed_and_why() -> None:
    """In its subject, as text and as HTML."""
    run = failed_run(extract=ValueError("no rows"), load=KeyError("tea"))
    mail = mailed(run)
    assert mail["Subject"] == "[syncra] etl failed: 2 of 4 tasks (extract, load)"
    assert mail["From"] == "syncra@example.org"
    assert mail["To"] == OPS
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.org>")
    assert mail["Date"].datetime >= run.report().started_at.replace(microsecond=0)
    for text in parts(mail):
        assert "ValueError: no rows" in text
        assert "alert_servers.py" in text
        assert run.id in text
        assert socket.gethostname() in text
        assert "1 succeeded, 2 failed, 1 skipped" in text
        assert text.index("extract") < text.index("load") < text.index("report")
    assert "  report (because of 'extract', 'load')" in parts(mail)[0]


def test_nobody_is_bothered_with_good_news() -> None:
    """Unless asked for."""
    with mail_server(Mailbox()) as mailbox:
        assert sent(mailbox.port, good_run()).errors == ()
        assert mailbox.envelopes == []
        sent(mailbox.port, good_run(), when="always")
    assert mailbox.only_mail()["Subject"].startswith(
        "[syncra] etl succeeded: 1 task in "
    )


def test_a_run_that_was_cancelled() -> None:
    """It has not failed, but somebody wants to know."""
    graph = Graph("etl", on_error="continue")

    def stop() -> None:
        run.cancel()

    first = graph.add(stop, name="first")
    graph.add(lambda: 1, name="second", after=first)
    run = graph.start()
    run.wait()
    mail = mailed(run)
    assert mail["Subject"].startswith("[syncra] etl cancelled: ")
    assert "It was ended: the run of graph 'etl' was cancelled" in parts(mail)[0]


def test_what_was_rolled_back() -> None:
    """And what could not be, which somebody has to do by hand."""
    graph = Graph("orders", on_error="rollback")

    @graph.task
    def charge() -> int:
        return 17

    @charge.rollback
    def refund(number: int) -> None:
        raise ConnectionError("the bank is closed")

    @graph.task(dependencies=charge)
    def ship(charge: int) -> None:
        raise RuntimeError("no truck")

    run = graph.start()
    run.wait()
    text, _ = parts(mailed(run))
    assert "Could not be rolled back (1)\n  charge" in text
    assert "ConnectionError: the bank is closed" in text


def test_what_was_rolled_back_is_counted() -> None:
    graph = Graph("orders", on_error="rollback")
    undone = []

    def fail(*of: int) -> None:
        raise RuntimeError("no truck")

    for number in (1, 2):
        task = graph.add(lambda number: number, name=f"charge {number}", kwargs={})
        task.rollback(undone.append)
    graph.add(fail, name="ship", dependencies=("charge 1", "charge 2"))
    run = graph.start({"number": 1})
    run.wait()
    text, page = parts(mailed(run))
    assert undone == [1, 1]
    assert "Rolled back\n  2 tasks\n" in text
    assert "Rolled back" in page


def test_where_it_was_raised_and_what_else_is_known() -> None:
    """In the innermost frame; of an error that was never raised there is none."""

    def inner() -> None:
        raise ValueError("deep inside")

    def outer() -> None:
        inner()

    graph = Graph("etl", on_error="continue")
    graph.add(outer, name="outer")
    graph.add(process_tasks.killed, name="killed", executor="processes")
    text, _ = parts(mailed(graph.run()))
    assert f"ValueError: deep inside\n      at {__file__}:" in text
    assert ", in inner\n" in text
    assert "WorkerCrashed: " in text.partition("\n  killed")[2]


def test_what_else_is_known_of_a_failure() -> None:
    """That it may still go on, where it has run, and why others were skipped."""
    over = threading.Event()

    class Unsendable:
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def fail(self) -> None:
            raise ValueError("no rows")

    def skip() -> None:
        raise Skip("no news")

    graph = Graph("etl", on_error="continue")
    graph.add(lambda: over.wait(30), name="late", timeout=0.05)
    graph.add(Unsendable().fail, name="here", executor="processes", fallback="threads")
    graph.add(skip)
    graph.add(lambda: 1, name="good")
    graph.add(lambda: 1, name="alarm", trigger="any_failed", after="good")
    try:
        text, _ = parts(mailed(graph.run()))
    finally:
        over.set()
    assert re.search(r"\n  late \(after .* ms, abandoned\)\n      TaskTimeout: ", text)
    assert re.search(r"\n  here \(after .*, .*thread.*\)\n      ValueError: no r", text)
    assert "\n  skip (no news)\n" in text
    assert "\n  alarm (its trigger was not met)\n" in text


def test_a_run_that_ends_at_a_failure() -> None:
    """Nothing has ended it from outside, though tasks were cancelled."""
    graph = Graph("etl")
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await anyio.sleep(60)

    def fail() -> None:
        assert begun.wait(30)
        raise ValueError("no rows")

    graph.add(wait)
    graph.add(fail)
    run = graph.start()
    run.wait()
    text, _ = parts(mailed(run))
    assert "Cancelled (1)\n  wait" in text
    assert "It was ended" not in text


def test_each_task() -> None:
    """A mail for each failure, when it happens, and none at the end without news."""
    run = failed_run(extract=ValueError("no\n rows"), load=KeyError("tea"))
    with mail_server(Mailbox()) as mailbox:
        assert sent(mailbox.port, run, each="task").errors == ()
    assert [mail["Subject"] for mail in mailbox.mails] == [
        "[syncra] etl: extract failed: ValueError: no rows",
        "[syncra] etl: load failed: KeyError: 'tea'",
    ]


def test_each_task_always() -> None:
    """Everything that is over, and the run."""
    with mail_server(Mailbox()) as mailbox:
        assert sent(mailbox.port, each="task", when="always").errors == ()
    assert sorted(mail["Subject"] for mail in mailbox.mails) == [
        "[syncra] etl failed: 1 of 3 tasks (extract)",
        "[syncra] etl: extract failed: ValueError: no rows",
        "[syncra] etl: fine succeeded",
        "[syncra] etl: report skipped because of 'extract'",
    ]


def test_10_000_failures_are_no_10_000_mails() -> None:
    """Neither a mail of any length."""
    graph = Graph("wide", on_error="continue")

    much = "x" * 1_000_000

    def fail() -> None:
        raise ValueError(much)

    for number in range(10_000):
        graph.add(fail, name=f"task{number}")
    run = graph.run(executor="sequential")
    with mail_server(Mailbox()) as mailbox:
        assert sent(mailbox.port, run, each="task", limit=3).errors == ()
    assert len(mailbox.envelopes) == 4
    last = mailbox.mails[-1]
    subject = "failed: 10,000 of 10,000 tasks (task0, task1, task2, ...)"
    assert last["Subject"] == f"[syncra] wide {subject}"
    text, page = parts(last)
    assert "9,997 tasks had no mail of their own" in text
    assert "task49" in text
    assert "task50" not in text
    assert "... and 9,950 more" in text
    assert "... and 9,950 more" in page
    assert len(text) < 150_000


def test_several_recipients() -> None:
    """One text or many, none twice."""
    given = ["Kim <kim@example.org>", "ops@example.org, jo@example.org", OPS]
    with mail_server(Mailbox()) as mailbox:
        assert sent(mailbox.port, recipients=given).errors == ()
    (envelope,) = mailbox.envelopes
    assert envelope.rcpt_tos == ["kim@example.org", OPS, "jo@example.org"]
    assert envelope.mail_from == "syncra@example.org"
    assert mailbox.only_mail()["To"].addresses[0].display_name == "Kim"


def test_names_of_any_letters() -> None:
    """In headers as encoded words, and in domains as DNS has them."""
    run = failed_run(**{"größe ☂": ValueError("日本語")})
    mail = mailed(run, sender="Jürgen <j@bücher.example>", recipients='"Ü, K" <k@b.c>')
    assert mail["Subject"] == "[syncra] etl failed: 1 of 3 tasks (größe ☂)"
    assert str(mail["From"]) == "Jürgen <j@xn--bcher-kva.example>"
    assert mail["To"].addresses[0].display_name == "Ü, K"
    assert "ValueError: 日本語" in parts(mail)[0]


def test_addresses_beyond_ascii() -> None:
    """They work where the server can do that, and are an error where not."""
    with mail_server(Mailbox(), enable_SMTPUTF8=True) as mailbox:
        assert sent(mailbox.port, recipients="jürgen@example.org").errors == ()
    assert mailbox.envelopes[0].rcpt_tos == ["jürgen@example.org"]
    with mail_server(Mailbox(), enable_SMTPUTF8=False) as mailbox:
        email = sent(mailbox.port, recipients="jürgen@example.org")
    assert "SMTPUTF8" in str(only_error(email))


BAD_ADDRESSES = [
    "",
    "ops",
    "ops@",
    "@example.org",
    "<>",
    "a b@example.org",
    "ops@example.org\nBcc: eve@example.org",
    "ops@example.org\r\n\r\nhello",
    "Ops\r <ops@example.org>",
    "Ops\x00 <ops@example.org>",
    "Ops\x85 <ops@example.org>",
    "Ops\u2028 <ops@example.org>",
    "Ops\ud800 <ops@example.org>",
    "=?utf-8?q?x=0ABcc=3A_eve=40example.org?= <ops@example.org>",
    "=?utf-8?q?x=00y?= <ops@example.org>",
    "ops@example.org <eve@example.com> x",
    "<ops@example.org>eve@example.com",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_fault_128_bad_addresses(address: str) -> None:
    """They are refused before there is a mail."""
    with pytest.raises(ValueError, match="sender="):
        email_to(25, sender=address)
    with pytest.raises(ValueError, match="recipients="):
        email_to(25, recipients=[OPS, address])


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x85", "\u2028", "\0"])
def test_fault_128_line_ends_in_names(end: str) -> None:
    """Names and errors make neither headers nor a body."""
    evil = f"x{end}Bcc: eve@example.org{end}{end}hello"
    graph = Graph(evil, on_error="continue")

    def fail() -> None:
        raise ValueError(evil)

    graph.add(fail, name=evil)
    run = graph.run()
    with mail_server(Mailbox()) as mailbox:
        assert sent(mailbox.port, run).errors == ()
        assert sent(mailbox.port, run, each="task").errors == ()
    for mail, envelope in zip(mailbox.mails, mailbox.envelopes, strict=True):
        assert envelope.rcpt_tos == [OPS]
        assert mail["Bcc"] is None
        assert "Bcc: eve@example.org" in mail["Subject"]
        assert parts(mail)[1].startswith("<!DOCTYPE html>")


def test_a_lone_surrogate_and_escape_sequences() -> None:
    """What cannot be encoded or would colour a terminal is left out."""
    run = failed_run(**{"a\ud800b": ValueError("red: \x1b[31m\udcff")})
    text, _ = parts(mailed(run))
    assert "a b" in text
    assert "ValueError: red:  [31m" in text


PAYLOADS = [
    "<script>alert(1)</script>",
    "</pre></td></table><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "<!-- --><iframe srcdoc='&lt;script&gt;'>",
    "{{7*7}}{body}{title}%s",
    "&lt;b&gt;",
    "</title><script>alert(1)</script>",
    "<style>*{display:none}</style>",
    "javascript:alert(1)//<a href=x>",
]
TAGS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "table", "tbody"}
TAGS |= {"tr", "td", "th", "strong", "span", "pre", "hr"}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_fault_119_markup_stays_text(payload: str) -> None:
    """Wherever it comes from, it is shown and does nothing."""
    graph = Graph(f"g{payload}", on_error="continue")

    def fail() -> None:
        raise type(f"E{payload}", (Exception,), {})(payload)

    failed = graph.add(fail, name=f"t{payload}")
    graph.add(lambda _: 1, name=f"s{payload}", dependencies=failed)
    _, page = parts(mailed(graph.run()))
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    found = {element.tag for element in tree.iter()}
    assert found <= TAGS
    for element in tree.iter():
        assert not any(name.startswith("on") for name in element.attrib)
        assert "href" not in element.attrib
    shown = " ".join("".join(tree.find("body").itertext()).split())
    assert shown.count(" ".join(payload.split())) >= 6


def test_a_mail_loads_nothing() -> None:
    """No picture, no link, no style from elsewhere: it is complete in itself."""
    _, page = parts(mailed())
    assert "http" not in page
    assert "url(" not in page
    assert "color-scheme" in page


def test_secrets_never_appear() -> None:
    """Those named, and the password."""
    error = ValueError(f"cannot open postgres://u:hunter2@db with {PASSWORD}")
    run = failed_run(**{"load hunter2": error})
    with mail_server(Mailbox(), auth_require_tls=False) as mailbox:
        email = sent(
            mailbox.port, run, redact="hunter2", username="u", password=PASSWORD
        )
    assert email.errors == ()
    mail = mailbox.only_mail()
    assert mail["Subject"] == "[syncra] etl failed: 1 of 3 tasks (load ***)"
    for text in parts(mail):
        assert "postgres://u:***@db with ***" in text
    assert b"hunter2" not in mailbox.envelopes[0].content
    assert PASSWORD.encode() not in mailbox.envelopes[0].content


@pytest.mark.parametrize("password", [PASSWORD, "pässwort-☂"])
def test_the_password_stays_here(password: str, caplog) -> None:
    """In no text, error, log record or pickle, even when it is wrong."""
    with mail_server(Mailbox(), auth_require_tls=False) as mailbox:
        email = sent(mailbox.port, username="u", password=password)
    assert mailbox.logins == [(b"u", password.encode())]
    if password != PASSWORD:
        error = only_error(email)
        assert "the login was refused: 535" in str(error)
        assert error.__context__ is None
        assert error.__traceback__ is None
        assert password not in repr(vars(error))
        assert pickle.loads(pickle.dumps(error)).where == error.where
    assert password not in repr(email) + str(email.errors) + caplog.text
    with pytest.raises(TypeError, match="Email cannot be pickled") as caught:
        pickle.dumps(email)
    assert password not in str(caught.value)


def test_a_password_of_any_letters_opens_the_door() -> None:
    class Foreign(Mailbox):
        def authenticate(self, server, session, envelope, mechanism, login) -> Any:
            self.logins.append((login.login, login.password))
            return AuthResult(success=login.password == "pässwort-☂".encode())

    with mail_server(Foreign(), auth_require_tls=False) as mailbox:
        assert sent(mailbox.port, username="ü", password="pässwort-☂").errors == ()
    assert mailbox.logins == [("ü".encode(), "pässwort-☂".encode())]
    assert mailbox.only_mail()["To"] == OPS


def test_a_server_that_repeats_what_it_was_told(caplog) -> None:
    """The password is not in the error either, however it is written."""
    import base64

    line = base64.b64encode(f"\0u\0{PASSWORD}".encode())
    script = talking(
        b"220 hi\r\n",
        b"250-hi\r\n250 AUTH PLAIN\r\n",
        b"535 no such login: " + line + b" " + PASSWORD.encode() + b"\r\n",
    )
    with Plain(script) as server:
        email = sent(server.port, username="u", password=PASSWORD)
    assert "535 no such login" in str(only_error(email))
    assert PASSWORD not in str(email.errors) + caplog.text
    assert line.decode() not in str(email.errors) + caplog.text


def test_fault_127_no_tls_no_password() -> None:
    """A server without STARTTLS gets neither password nor mail."""
    with mail_server(Mailbox(), auth_require_tls=False) as mailbox:
        email = sent(mailbox.port, tls=True, username="u", password=PASSWORD)
    assert "does not offer STARTTLS" in str(only_error(email))
    assert "tls=False" in str(only_error(email))
    assert mailbox.logins == []
    assert mailbox.envelopes == []


def test_starttls(tmp_path: Path) -> None:
    """With a login after it; certificates are verified, and hosts too."""
    server, client = certificate(tmp_path)
    options = {"tls": True, "username": "u", "password": PASSWORD}
    with mail_server(Mailbox(), tls_context=server, require_starttls=True) as mailbox:
        email = sent(mailbox.port, host="localhost", context=client, **options)
        assert email.errors == ()
        assert mailbox.only_mail()["To"] == OPS
        assert mailbox.logins == [(b"u", PASSWORD.encode())]
        untrusted = only_error(sent(mailbox.port, host="localhost", **options))
        assert "certificate is not to be trusted" in str(untrusted)
        assert "context=" in str(untrusted)
        other = only_error(sent(mailbox.port, context=client, **options))
        assert "127.0.0.1" in str(other)
    assert len(mailbox.logins) == 1
    assert len(mailbox.envelopes) == 1


def offering(*answers: bytes) -> Callable[[socket.socket, Plain], None]:
    """Offer STARTTLS, and answer to that, and to what comes then."""

    def script(connection: socket.socket, server: Plain) -> None:
        with connection.makefile("rb") as lines:
            for turn in (b"220 hi\r\n", b"250-hi\r\n250 STARTTLS\r\n"):
                connection.sendall(turn)
                lines.readline()
            for turn in answers:
                connection.sendall(turn)
                lines.read(1)
            server.over.wait()

    return script


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([b"454 not now\r\n"], "STARTTLS was refused: 454 not now"),
        ([b"220 go\r\n"], "STARTTLS: it did not answer within 0.3 s"),
        ([b"220 go\r\n", b"500 what is that?\r\n"], "TLS did not come about ("),
    ],
    ids=["refused", "silent", "no TLS"],
)
def test_fault_127_starttls_that_does_not_come_about(
    answers: list[bytes], expected: str
) -> None:
    """Nothing is sent then."""
    with Plain(offering(*answers)) as server:
        error = only_error(
            sent(server.port, tls=True, timeout=0.3, username="u", password=PASSWORD)
        )
    assert expected in str(error)


def test_how_a_server_parts_is_of_no_importance() -> None:
    """The mail is taken when the server has said so."""
    taken = []

    def script(connection: socket.socket, server: Plain) -> None:
        with connection.makefile("rb") as lines:
            for turn in (*HELLO, b"354 go on\r\n"):
                connection.sendall(turn)
                last = lines.readline()
            while last != b".\r\n":
                last = lines.readline()
                taken.append(last)
            connection.sendall(b"250 taken\r\n")
            lines.readline()
        reset(connection)

    with Plain(script) as server:
        assert sent(server.port).errors == ()
    assert b"To: ops@example.org\r\n" in taken


def test_tls_from_the_start(tmp_path: Path, monkeypatch) -> None:
    """As at port 465, which only the system may listen at."""
    server, client = certificate(tmp_path)
    with mail_server(Mailbox(), tls=server) as mailbox:
        monkeypatch.setattr("syncra.observers._smtp.IMPLICIT_TLS", mailbox.port)
        email = sent(mailbox.port, host="localhost", context=client, tls=True)
        assert email.errors == ()
        assert mailbox.only_mail()["To"] == OPS
    monkeypatch.undo()


HELLO = b"220 hi\r\n", b"250 hi\r\n", b"250 OK\r\n", b"250 OK\r\n"
BAD_SERVERS = {
    "silent": (silent, "the greeting: it did not answer within 0.3 s"),
    "drips": (dripping(b"220", b"-"), "the greeting: it did not answer within 0.3 s"),
    "floods": (flooding(b"", b"220-hi\r\n" * 1000), "its answer is too long"),
    "one line": (flooding(b"220 ", b"hi" * 10_000), "too long"),
    "no SMTP": (talking(b"HTTP/1.1 400 Bad Request\r\n"), "the greeting was refused"),
    "resets at once": (talking(), "no mail was sent by"),
    "resets after the greeting": (talking(b"220 hi\r\n"), "the message: "),
    "hangs after the greeting": (dripping(b"220 hi\r\n", b""), "within 0.3 s"),
    "resets mid-message": (
        talking(*HELLO, b"354 go on\r\n"),
        "the message: ",
    ),
    "is busy": (talking(b"421 try later\r\n"), "the greeting was refused: 421 try lat"),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_fault_127_bad_servers(name: str, caplog) -> None:
    """Each ends in time, as an error that says what happened."""
    script, expected = BAD_SERVERS[name]
    run = failed_run()
    with Plain(script) as server:
        email = sent(server.port, run, timeout=0.3)
        error = only_error(email)
        assert expected in str(error)
        assert error.where == f"127.0.0.1:{server.port}"
    assert str(error) in caplog.text
    assert list(run.errors) == ["extract"]


def test_fault_127_nobody_is_there() -> None:
    """Neither at the port nor at the name."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused" in str(only_error(sent(port)))
    unknown = only_error(sent(25, host="no-such-host.invalid"))
    assert "no-such-host.invalid:25" in str(unknown)


def test_fault_127_a_resolver_that_hangs(monkeypatch) -> None:
    """Nobody waits for it."""
    import threading

    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait() and [])
    try:
        error = only_error(sent(25, host="mail.example.org", timeout=0.2))
    finally:
        over.set()
    assert "its name was not resolved within 0.2 s" in str(error)


ANSWERS = {
    "ops": ("550 no such user", "all recipients were refused: ops@example.org: 550 no"),
    "sender": ("553 not you", "the message was refused: 553 not you"),
    "data": ("451 grey\x1b[31m list", "the message was refused: 451 grey [31m list"),
}


@pytest.mark.parametrize("at", ANSWERS)
def test_fault_127_refusals(at: str) -> None:
    """What the server says is in the error."""
    answer, expected = ANSWERS[at]
    with mail_server(Mailbox(**{at: answer})) as mailbox:
        error = only_error(sent(mailbox.port))
    assert expected in str(error)
    assert mailbox.envelopes == []


def test_fault_127_one_of_three_recipients_is_refused() -> None:
    """The others get it, and the error says who has not."""
    three = ["kim@example.org", OPS, "jo@example.org"]
    with mail_server(Mailbox(kim="550 moved away")) as mailbox:
        error = only_error(sent(mailbox.port, recipients=three))
    assert mailbox.envelopes[0].rcpt_tos == three[1:]
    assert "1 of 3 recipients" in str(error)
    assert error.refused == {"kim@example.org": "550 moved away"}


def test_nothing_of_a_run_is_kept() -> None:
    """While a mail is under way, the run and its results can go."""

    class Big:
        pass

    graph = Graph("etl", on_error="continue")
    graph.add(Big, name="big")
    graph.add(lambda: 1 / 0, name="broken")
    run = graph.run()
    result = weakref.ref(run["big"])
    with Plain(silent) as server, email_to(server.port, timeout=30) as email:
        email.run_finished(run)
        del run
        gc.collect()
        assert result() is None
        assert not email.wait(0)
        server.stop()
    assert len(email.errors) == 1


def test_many_waiting_mails_are_dropped() -> None:
    """What waits and what is kept of errors is bounded."""
    run = failed_run()
    with Plain(silent) as server, email_to(server.port, timeout=30) as email:
        for _ in range(150):
            email.run_finished(run)
        errors = email.errors
        server.stop()
    assert 40 < len(errors) < 50
    assert "100 others wait to be sent" in str(errors[0])
    assert len(email.errors) == 100


def test_the_end_of_a_program_waits_for_mails() -> None:
    """It is no matter who has asked for it."""
    with mail_server(Mailbox()) as mailbox:
        in_a_script(f"""
from syncra import Graph
from syncra.observers import Email

graph = Graph("etl", on_error="continue")
graph.add(lambda: 1 / 0, name="broken")
run = graph.run()
email = Email("127.0.0.1", port={mailbox.port}, sender="a@b.c", recipients="d@e.f",
              tls=False)
email.run_finished(run)
""")
    assert "ZeroDivisionError" in parts(mailbox.only_mail())[0]


def test_a_mail_at_the_very_end_of_a_program() -> None:
    """When the interpreter waits for threads no more, it is sent all the same."""
    with mail_server(Mailbox()) as mailbox:
        in_a_script(f"""
import atexit
from syncra import Graph
graph = Graph("etl", on_error="continue")
graph.add(lambda: 1 / 0, name="broken")
run = graph.run()

def late():
    email.run_finished(run)

atexit.register(late)
from syncra.observers import Email
email = Email("127.0.0.1", port={mailbox.port}, sender="a@b.c", recipients="d@e.f",
              tls=False)
""")
    assert "ZeroDivisionError" in parts(mailbox.only_mail())[0]


BAD_OPTIONS = [
    ({"host": ""}, ValueError, "host"),
    ({"host": "mail example"}, ValueError, "host"),
    ({"host": "mail\r\nEHLO x"}, ValueError, "host"),
    ({"host": 5}, TypeError, "host"),
    ({"port": 0}, ValueError, "port="),
    ({"port": "25"}, ValueError, "port="),
    ({"when": "never"}, ValueError, "when="),
    ({"each": "day"}, ValueError, "each="),
    ({"limit": 0}, ValueError, "limit="),
    ({"timeout": 0}, ValueError, "timeout"),
    ({"tls": "yes"}, TypeError, "tls="),
    ({"recipients": []}, ValueError, "nobody"),
    ({"recipients": None}, TypeError, "recipients="),
    ({"recipients": [5]}, TypeError, "recipients="),
    ({"sender": None}, TypeError, "sender="),
    ({"sender": "a@b.c, d@e.f"}, ValueError, "one address"),
    ({"redact": 5}, TypeError, "redact="),
    ({"username": "u"}, ValueError, "go together"),
    ({"username": "u", "password": ""}, ValueError, "empty"),
    ({"context": "certificate.pem"}, TypeError, "context= is an ssl.SSLContext"),
]


@pytest.mark.parametrize(("options", "kind", "match"), BAD_OPTIONS)
def test_bad_options(options: Any, kind: type[Exception], match: str) -> None:
    """Found out when they are given, not when a run has failed at night."""
    with pytest.raises(kind, match=match):
        email_to(options.pop("port", 25), **options)


def test_a_password_that_is_none_is_not_shown() -> None:
    """Neither is what is no text."""
    with pytest.raises(TypeError, match="got a bytes") as caught:
        email_to(25, username="u", password=PASSWORD.encode())
    assert PASSWORD not in str(caught.value)


def test_as_an_observer() -> None:
    """Of a graph, whatever becomes of the run."""
    with (
        mail_server(Mailbox()) as mailbox,
        email_to(mailbox.port, each="task") as email,
    ):
        graph = Graph("etl", observers=[email])
        graph.add(lambda: 1 / 0, name="broken")
        with pytest.raises(ZeroDivisionError):
            graph.run()
    assert mailbox.only_mail()["Subject"].startswith(
        "[syncra] etl: broken failed: ZeroDiv"
    )


def test_fault_127_an_observer_changes_no_run() -> None:
    """What goes wrong is in the run's list beside its own."""
    with Plain(silent) as server:
        email = email_to(server.port, timeout=0.2)
        graph = Graph("etl", on_error="continue")
        graph.add(lambda: 1 / 0, name="broken")
        graph.add(lambda: 2, name="two")
        run = graph.run(observers=[email])
        assert run["two"] == 2
        assert run.records["broken"].state == State.FAILED
        email.close()
        (error,) = run.observer_errors
    assert error.observer is email
    assert error.event == "run_finished"
    assert error.error is only_error(email)


def test_details_of_failures() -> None:
    """As a log file has them: traceback, arguments, variables, what was skipped."""
    graph = Graph("etl", on_error="continue")

    def rows(count: int) -> list[int]:
        password = "hunter2"
        raise ValueError(f"{count} rows, {len(password)}")

    graph.add(rows, kwargs={"count": 3})
    graph.add(lambda *rows: rows, name="report", dependencies=rows)
    run = graph.run(executor="sequential")
    for mail in (mailed(run, details=True), mailed(run, details=True, each="task")):
        text = parts(mail)[0]
        details = text.partition("\nDetails\n")[2]
        assert 'in rows\n          raise ValueError(f"{count} rows' in details
        assert "arguments: count=3" in details
        assert "password=***" in details
        assert "hunter2" not in text
        assert "skipped because of it: report" in details
    assert "Details" not in parts(mailed(run))[0]


def test_details_are_bounded_and_redacted() -> None:
    """A traceback of thousands of lines, and one with a secret in it."""

    def nested(depth: int) -> BaseException:
        error: BaseException = ValueError(f"{'s3cret ' * 300}")
        for _ in range(depth):
            error = ExceptionGroup("more", [error])  # type: ignore[list-item]
        return error

    run = failed_run(
        many=ExceptionGroup("many", [nested(8) for _ in range(500)]),
        **{f"task {number}": nested(8) for number in range(30)},
    )
    mail = mailed(run, details=True, redact="s3cret")
    text = parts(mail)[0]
    assert "s3cret" not in text
    details = text.partition("\nDetails\n")[2]
    assert details.count("Traceback (most recent call last)") >= 10
    assert "lines ...\n" in details
    assert "task 8\n" in details
    assert "task 9\n" not in details
    assert len(text) < 200_000


def test_details_is_true_or_false() -> None:
    with pytest.raises(TypeError, match="details="):
        email_to(25, details="all")
