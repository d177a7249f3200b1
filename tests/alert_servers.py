"""Servers to send alerts to: real ones, and such as hang, drip, flood and reset."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope

from syncra import Graph, Run

PASSWORD = "corr3ct-horse"


def failed_run(**errors: Any) -> Run:
    """Return a run in which tasks failed, one was skipped and one succeeded."""
    graph = Graph("etl", on_error="continue")

    def failing(error: BaseException) -> Callable[[], object]:
        def fail() -> object:
            raise error

        return fail

    errors = errors or {"extract": ValueError("no rows")}
    first = [graph.add(failing(error), name=name) for name, error in errors.items()]
    graph.add(lambda *rows: rows, name="report", dependencies=first)
    graph.add(lambda: 1, name="fine")
    return graph.run(executor="sequential")


def good_run() -> Run:
    graph = Graph("etl")
    graph.add(lambda: 1, name="fine")
    return graph.run()


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return how a server at localhost speaks TLS, and a client that trusts it."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, found = folder / "key.pem", folder / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
        "-days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout"
    )
    subprocess.run(
        [*command.split(), str(key), "-out", str(found)],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(found, key)
    return server, ssl.create_default_context(cafile=found)


class Mailbox:
    """Take what a mail server is given, or answer as it is told.

    Attributes:
        envelopes: what has come.
        logins: who has logged in with what.
        answers: answers by recipient, or by "sender" or "data".
    """

    def __init__(self, **answers: str) -> None:
        self.envelopes: list[Envelope] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.answers = answers
        self.port = 0

    @property
    def mails(self) -> list[EmailMessage]:
        return [
            BytesParser(policy=default).parsebytes(envelope.content)
            for envelope in self.envelopes
        ]

    def only_mail(self) -> EmailMessage:
        (mail,) = self.mails
        return mail

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        envelope.mail_from = address
        return self.answers.get("sender", "250 OK")

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        answer = self.answers.get(address.partition("@")[0], "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = self.answers.get("data", "250 OK")
        if answer.startswith("250"):
            self.envelopes.append(envelope)
        return answer

    def authenticate(self, server, session, envelope, mechanism, login) -> AuthResult:
        self.logins.append((login.login, login.password))
        return AuthResult(success=login.password == PASSWORD.encode(), handled=False)


@contextmanager
def mail_server(
    mailbox: Mailbox, tls: ssl.SSLContext | None = None, **options: Any
) -> Iterator[Mailbox]:
    """Run a mail server in a thread; `tls` is for one that speaks it from the start."""
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await loop.create_server(
            lambda: SMTP(
                mailbox,
                hostname="mail",
                authenticator=mailbox.authenticate,
                loop=loop,
                **options,
            ),
            "127.0.0.1",
            0,
            ssl=tls,
        )
        mailbox.port = server.sockets[0].getsockname()[1]
        over = asyncio.Event()
        mailbox.stop = lambda: loop.call_soon_threadsafe(over.set)
        ready.set()
        await over.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    thread = threading.Thread(target=run, name="mail server")
    thread.start()
    assert ready.wait(30)
    try:
        yield mailbox
    finally:
        mailbox.stop()
        thread.join()


class Plain:
    """Be a server that talks by a script, in a thread for each connection.

    Attributes:
        port: where it listens.
        count: how many connections there were.
        over: set at the end, for scripts that wait.
    """

    def __init__(self, script: Callable[[socket.socket, Plain], object]) -> None:
        self.over = threading.Event()
        self.count = 0
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Plain:
        self._threads.append(threading.Thread(target=self._accept))
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """Hang up."""
        self.over.set()
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return

            self.count += 1
            thread = threading.Thread(target=self._talk, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._script(connection, self)
            except OSError:
                pass  # the other side has had enough


def silent(connection: socket.socket, server: Plain) -> None:
    """Say nothing."""
    server.over.wait()


def dripping(text: bytes, rest: bytes) -> Callable[[socket.socket, Plain], None]:
    """Say something, and then the same byte for ever, slowly."""

    def script(connection: socket.socket, server: Plain) -> None:
        connection.sendall(text)
        while not server.over.wait(0.02):
            connection.sendall(rest)

    return script


def flooding(text: bytes, rest: bytes) -> Callable[[socket.socket, Plain], None]:
    """Say something, and then more and more, as fast as it is read."""

    def script(connection: socket.socket, server: Plain) -> None:
        connection.sendall(text)
        while not server.over.is_set():
            connection.sendall(rest)

    return script


def reset(connection: socket.socket) -> None:
    """End a connection in the rudest way there is."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def talking(*turns: bytes) -> Callable[[socket.socket, Plain], None]:
    """Say one thing, and the next one after each line that comes; then reset."""

    def script(connection: socket.socket, server: Plain) -> None:
        lines = connection.makefile("rb")
        for turn in turns:
            connection.sendall(turn)
            lines.readline()
        lines.close()
        reset(connection)

    return script


class Site:
    """Keep what was posted, and answer by turns.

    Attributes:
        answers: status, headers and body of each answer; the last one again and again.
        requests: path, headers and body of each request.
    """

    def __init__(self, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self.answers = list(answers) or [(204, {}, b"")]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.port = 0

    @property
    def payload(self) -> Any:
        ((_, _, body),) = self.requests
        return json.loads(body)


@contextmanager
def site(found: Site, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Run an HTTP server in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.requests.append((self.path, dict(self.headers), body))
            turn = min(len(found.requests), len(found.answers)) - 1
            status, headers, content = found.answers[turn]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            raise AssertionError("a redirect was followed")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, *_: object) -> None:
            pass  # clients that hang up on purpose

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
