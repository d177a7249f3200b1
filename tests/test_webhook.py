"""Webhooks, against a real HTTP server and against bad ones."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from alert_servers import (
    Plain,
    Site,
    certificate,
    dripping,
    failed_run,
    flooding,
    good_run,
    silent,
    site,
    talking,
)
from tests_helpers import in_a_script

from syncra import Graph, Run
from syncra.errors import DeliveryFailed
from syncra.observers import Webhook

SECRET = "corr3ct-horse"


def hook(port: int, path: str = "/hook", **options: Any) -> Webhook:
    return Webhook(f"http://127.0.0.1:{port}{path}", **{"backoff": 0.0, **options})


def told(port: int, run: Run | None = None, **options: Any) -> Webhook:
    """Tell of a run as its observer would; return the observer afterwards."""
    with hook(port, **options) as webhook:
        webhook.run_finished(failed_run() if run is None else run)
    return webhook


def only_error(webhook: Webhook) -> DeliveryFailed:
    (error,) = webhook.errors
    return error


def test_what_is_posted() -> None:
    """All that the documentation says, and a key that is the same for each try."""
    run = failed_run(extract=ValueError("no rows"))
    with site(Site()) as found:
        assert told(found.port, run).errors == ()
    ((path, headers, body),) = found.requests
    assert path == "/hook"
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == run.id
    assert "X-Syncra-Signature" not in headers
    payload = json.loads(body)
    (failed,) = payload.pop("failed")
    assert failed.pop("duration") >= 0
    assert re.search(r"alert_servers.py:\d+, in fail$", failed.pop("place"))
    assert failed == {
        "name": "extract",
        "error": {"type": "builtins.ValueError", "message": "no rows"},
        "attempts": 1,
    }
    assert payload == {
        "event": "run_finished",
        "outcome": "failed",
        "graph": "etl",
        "run_id": run.id,
        "host": socket.gethostname(),
        "started_at": run.report().started_at.isoformat(),
        "duration": run.report().duration,
        "ended_by": None,
        "progress": {
            "pending": 0,
            "running": 0,
            "succeeded": 1,
            "failed": 1,
            "skipped": 1,
            "cancelled": 0,
        },
        "cancelled": [],
        "skipped": [
            {"name": "report", "because": ["extract"], "why": "because of 'extract'"}
        ],
        "rolled_back": 0,
        "not_rolled_back": [],
    }


def test_only_failures_unless_asked_for_all() -> None:
    """As with mails."""
    with site(Site()) as found:
        told(found.port, good_run())
        assert found.requests == []
        told(found.port, good_run(), when="always")
    assert found.payload["outcome"] == "succeeded"


def test_10_000_failures() -> None:
    """Counted, and the first ones listed."""
    graph = Graph("wide", on_error="continue")
    much = "x" * 1_000_000

    def fail() -> None:
        raise ValueError(much)

    for number in range(10_000):
        graph.add(fail, name=f"task{number}")
    run = graph.run(executor="sequential")
    with site(Site()) as found:
        assert told(found.port, run).errors == ()
    assert found.payload["progress"]["failed"] == 10_000
    assert len(found.payload["failed"]) == 50
    assert len(found.requests[0][2]) < 200_000


def test_the_signature() -> None:
    """It is for this body, this secret and this moment."""
    with site(Site()) as found:
        assert told(found.port, secret=SECRET).errors == ()
    ((_, headers, body),) = found.requests
    assert re.fullmatch(r"t=\d+,v1=[0-9a-f]{64}", headers["X-Syncra-Signature"])
    assert Webhook.verify(SECRET, headers, body)
    assert Webhook.verify(SECRET.encode(), headers, body)
    lowered = {name.lower(): value for name, value in headers.items()}
    assert Webhook.verify(SECRET, lowered, body)
    assert not Webhook.verify("other", headers, body)
    assert not Webhook.verify(SECRET, headers, body + b" ")
    assert not Webhook.verify(SECRET, {}, body)


def test_a_signature_grows_old(monkeypatch) -> None:
    """What was overheard cannot be sent again later, or dated."""
    with site(Site()) as found:
        told(found.port, secret=SECRET)
    ((_, headers, body),) = found.requests
    signature = headers["X-Syncra-Signature"]
    moment = int(signature[2:].partition(",")[0])
    for later, is_fresh in ((299, True), (301, False), (-299, True), (-301, False)):
        monkeypatch.setattr(time, "time", lambda later=later: moment + later)
        assert Webhook.verify(SECRET, headers, body) is is_fresh
        assert Webhook.verify(SECRET, headers, body, tolerance=None)
    dated = {"X-Syncra-Signature": signature.replace(str(moment), str(moment - 301))}
    assert not Webhook.verify(SECRET, dated, body)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "t=1",
        "v1=00",
        "t=x,v1=00",
        "t=1,t=2,v1=00",
        "t=-1,v1=00",
        "t=1_0,v1=00",
        "t=²,v1=00",
        "t=1,v1=é",
        f"t={'9' * 99},v1=00",
        ",,==,",
        "t=1,v1=\udcff",
    ],
)
def test_signatures_that_are_none(text: str) -> None:
    """They are False, not an error."""
    headers = {"X-Syncra-Signature": text}
    assert Webhook.verify(SECRET, headers, b"{}", tolerance=None) is False


def test_verifying_wrongly() -> None:
    """What would be no check at all is refused."""
    with pytest.raises(ValueError, match="empty"):
        Webhook.verify("", {}, b"")
    with pytest.raises(TypeError, match="bytes"):
        Webhook.verify(SECRET, {}, "{}")  # type: ignore[arg-type]


def test_fault_130_tried_again() -> None:
    """After 5xx and 429, with the same key and a signature of its own."""
    busy = [(500, {}, b"oh"), (429, {"Retry-After": "0"}, b""), (200, {}, b"fine")]
    with site(Site(*busy)) as found:
        assert told(found.port, secret=SECRET).errors == ()
    assert len(found.requests) == 3
    assert len({headers["Idempotency-Key"] for _, headers, _ in found.requests}) == 1
    for _, headers, body in found.requests:
        assert Webhook.verify(SECRET, headers, body)


def test_fault_130_three_tries_and_no_more(caplog) -> None:
    """Then it is an error that says what the server has said."""
    with site(Site((503, {}, b"down\x1b[31m for \nrepair" + b"x" * 500))) as found:
        error = only_error(told(found.port))
    assert len(found.requests) == 3
    text = "it answers 503 Service Unavailable: down [31m for repair"
    assert text in str(error)
    assert "after 3 tries" in str(error)
    assert len(str(error)) < 400
    assert str(error) in caplog.text


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("100000", 30.0),
        ("never", 0.5),
        ("9" * 400, 30.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 30.0),
    ],
)
def test_fault_130_how_long_a_server_lets_us_wait(
    header: str, expected: float, monkeypatch
) -> None:
    """As long as it says, within reason."""
    waits: list[float] = []
    monkeypatch.setattr("syncra.observers._webhook.pause", waits.append)
    busy = (429, {"Retry-After": header}, b""), (204, {}, b"")
    with site(Site(*busy)) as found:
        assert told(found.port, backoff=0.5).errors == ()
    assert waits == [expected]


def test_backoff_doubles(monkeypatch) -> None:
    """Between tries, up to 30 seconds."""
    waits: list[float] = []
    monkeypatch.setattr("syncra.observers._webhook.pause", waits.append)
    with site(Site((500, {}, b""))) as found:
        told(found.port, attempts=5, backoff=5)
    assert waits == [5, 10, 20, 30]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_fault_130_no_is_no(status: int) -> None:
    """What the server does not want it is not given again."""
    with site(Site((status, {}, b""))) as found:
        error = only_error(told(found.port))
    assert len(found.requests) == 1
    assert f"it answers {status}" in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_fault_129_redirects_are_not_followed(status: int) -> None:
    """Neither here nor to where only this machine can go."""
    with site(Site()) as other:
        headers = {"Location": f"http://127.0.0.1:{other.port}/secret"}
        with site(Site((status, headers, b""))) as found:
            error = only_error(told(found.port))
    assert len(found.requests) == 1
    assert other.requests == []
    assert "redirects are not followed" in str(error)


HEAD = b"HTTP/1.1 500 Oh\r\n"
BAD_SERVERS = {
    "silent": (silent, "it did not answer within 0.3 s after 3 tries", 3),
    "drips a head": (dripping(HEAD + b"A: ", b"b"), "within 0.3 s", 3),
    "floods heads": (flooding(HEAD, b"A: b\r\n" * 99), "no HTTP", 1),
    "floods a head": (flooding(HEAD, b"A" * 10_000), "no HTTP", 1),
    "goes on and on": (flooding(b"", b"HTTP/1.1 100 On\r\n\r\n"), "was not told", 1),
    "no HTTP": (dripping(b"220 mail\r\n", b""), "no HTTP (BadStatusLine)", 1),
    "resets": (talking(), "was not told", 3),
    "resets in a head": (talking(HEAD), "was not told", 3),
    "drips a body": (dripping(HEAD + b"\r\n", b"x"), "it answers 500 Oh", 3),
    "floods a body": (flooding(HEAD + b"\r\n", b"x" * 999), "it answers 500 Oh: xx", 3),
    "lies": (
        dripping(HEAD + b"Content-Length: 99\r\n\r\nhi", b""),
        "it answers 500 Oh",
        3,
    ),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_fault_130_bad_servers(name: str) -> None:
    """Each try ends in time, having read little."""
    script, expected, count = BAD_SERVERS[name]
    run = failed_run()
    with Plain(script) as server:
        error = only_error(told(server.port, run, timeout=0.3))
    assert expected in str(error)
    assert server.count == count
    assert list(run.errors) == ["extract"]


def test_fault_130_delivered_is_delivered() -> None:
    """However long the server talks on after having said so."""
    with Plain(dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x")) as server:
        assert told(server.port, timeout=0.3).errors == ()
    assert server.count == 1


def test_fault_130_nobody_is_there() -> None:
    """Tried three times, then an error."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused after 3 tries" in str(only_error(told(port)))


def test_fault_130_a_name_that_nobody_has() -> None:
    with Webhook("http://no-such-host.invalid/t0ken", backoff=0.0) as webhook:
        webhook.run_finished(failed_run())
    error = only_error(webhook)
    assert re.search(r"name is not known \(.+\) after 3 tries", str(error))
    assert error.where == "http://no-such-host.invalid"


def test_fault_130_no_time_at_all() -> None:
    """Not even to look up the name."""
    with site(Site()) as found:
        error = only_error(told(found.port, timeout=1e-9))
    assert "it did not answer within 1e-09 s after 3 tries" in str(error)
    assert found.requests == []


def test_fault_130_nobody_takes_the_call() -> None:
    """A machine that drops what comes in, as behind a firewall, is given up in time."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=0)
        )
        for _ in range(10):  # until nobody else fits into the queue
            client = stack.enter_context(socket.socket())
            client.settimeout(0.2)
            try:
                client.connect(listener.getsockname())
            except TimeoutError:
                break
        else:
            pytest.skip("this system lets everybody in")
        error = only_error(told(listener.getsockname()[1], timeout=0.2, attempts=2))
    assert "it did not answer within 0.2 s after 2 tries" in str(error)


def test_fault_130_tls_that_never_comes_about() -> None:
    with Plain(silent) as server:
        url = f"https://127.0.0.1:{server.port}"
        with Webhook(url, timeout=0.2, attempts=1) as webhook:
            webhook.run_finished(failed_run())
    assert "it did not answer within 0.2 s" in str(only_error(webhook))


def test_between_tries_it_waits() -> None:
    """For as long as it was told; the run does not wait for that."""
    with site(Site((503, {}, b""), (204, {}, b""))) as found:
        with hook(found.port, backoff=0.3) as webhook:
            webhook.run_finished(failed_run())
            assert not webhook.wait(0.0)
            assert webhook.wait(30)
        assert webhook.errors == ()
    assert len(found.requests) == 2


ENDING = """
from syncra import Graph
from syncra.observers import Webhook

graph = Graph("etl", on_error="continue")
graph.add(lambda: 1 / 0, name="broken")
graph.run(observers=[Webhook("http://127.0.0.1:{}/", backoff=1000)])
"""


def test_the_end_of_a_program_does_not_wait_long_between_tries() -> None:
    """Three tries all the same, with a second between them at most."""
    with site(Site((503, {"Retry-After": "30"}, b""))) as found:
        in_a_script(ENDING.format(found.port), limit=25)
    assert len(found.requests) == 3


FORKING = """
import os, sys
from syncra import Graph
from syncra.observers import Webhook

graph = Graph("etl", on_error="continue")
graph.add(lambda: 1 / 0, name="broken")
run = graph.run()
webhook = Webhook("http://127.0.0.1:{}/", timeout=30, attempts=1)
webhook.run_finished(run)
child = os.fork()
if child == 0:
    # What the parent is sending is for the parent to send.
    os._exit(0 if webhook.wait(0) and webhook.errors == () else 7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), webhook.wait(0))
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_has_nothing_to_wait_for() -> None:
    """The thread that sends is not in it."""
    with Plain(silent) as server:
        assert in_a_script(FORKING.format(server.port)) == "0 False\n"


def test_fault_130_tls(tmp_path: Path) -> None:
    """Certificates are verified, with hosts; a bad one is not tried again."""
    server, client = certificate(tmp_path)
    with site(Site(), tls=server) as found:

        def post(host: str, **options: Any) -> Webhook:
            with Webhook(f"https://{host}:{found.port}/x", **options) as webhook:
                webhook.run_finished(failed_run())
            return webhook

        assert post("localhost", context=client).errors == ()
        assert found.requests[0][1]["Host"] == f"localhost:{found.port}"
        untrusted = only_error(post("localhost"))
        assert "certificate is not to be trusted" in str(untrusted)
        assert "tries" not in str(untrusted)
        assert "127.0.0.1" in str(only_error(post("127.0.0.1", context=client)))
    assert len(found.requests) == 1
    with site(Site()) as found:
        plain = Webhook(f"https://127.0.0.1:{found.port}", backoff=0.0)
        with plain:
            plain.run_finished(failed_run())
        assert "TLS did not come about" in str(only_error(plain))


def resolving(monkeypatch, *answers: list[str]) -> tuple[list[str], list[Any]]:
    """Have names resolved to addresses, by turns; return names and what is dialled."""
    names: list[str] = []
    dialled: list[Any] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[Any]:
        names.append(host)
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in answers[min(len(names), len(answers)) - 1]
        ]

    class Socket(socket.socket):
        def connect(self, address: Any) -> None:
            dialled.append(address[0])
            raise ConnectionRefusedError("nobody answers here")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "socket", Socket)
    return names, dialled


NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    # Teredo, before 127.0.0.1 and before 8.8.8.8: there is no such host to post to.
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_fault_129_addresses_that_are_not_public(address: str, monkeypatch) -> None:
    """They are not connected to, also if others beside them are public."""
    names, dialled = resolving(monkeypatch, ["93.184.216.34", address])
    with Webhook("http://hook.example.org/", public_only=True) as webhook:
        webhook.run_finished(failed_run())
    error = only_error(webhook)
    assert f"its address {address} is not public" in str(error)
    assert names == ["hook.example.org"]
    assert dialled == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "2130706433"]
)
def test_fault_129_addresses_in_urls(host: str) -> None:
    """However they are written."""
    with site(Site()) as found:
        url = f"http://{host}:{found.port}/"
        with Webhook(url, public_only=True, attempts=1) as webhook:
            webhook.run_finished(failed_run())
    assert "is not public" in str(only_error(webhook))
    assert found.requests == []


def test_fault_129_the_address_that_was_checked_is_connected_to(monkeypatch) -> None:
    """A name is resolved once a try: what it means a moment later does not count."""
    public = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]
    names, dialled = resolving(monkeypatch, public, ["127.0.0.1"])
    with Webhook("http://hook.example.org/", public_only=True, backoff=0) as webhook:
        webhook.run_finished(failed_run())
    assert dialled == public
    assert len(names) == 2
    assert "its address 127.0.0.1 is not public" in str(only_error(webhook))


def test_by_default_a_hook_may_be_at_home() -> None:
    """The URL comes from the program, which knows its network."""
    with site(Site()) as found:
        assert told(found.port).errors == ()
    assert len(found.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook.example.org",
        "//example.org/",
        "ftp://example.org",
        "file:///etc/passwd",
        "http://",
        "http://:80/",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://exa mple.org/",
        "http://a\tb.org/",
        "http://example.org/\r\nX: y",
        "http://example.org/\x00",
        "http://example.org\\@evil.example/",
        "http://ex%61mple.org/",
        "http://[::1",
        "http://[fe80::1%25x]/",
        "http://a..ü.org/",
        "http://user:t0ken@/",
    ],
)
def test_fault_129_urls_that_are_none(url: str) -> None:
    """They are refused at once, and not shown."""
    with pytest.raises(ValueError, match="url") as caught:
        Webhook(url)
    assert not url or url not in str(caught.value)
    assert "t0ken" not in str(caught.value)


def test_what_of_a_url_is_shown(caplog) -> None:
    """Nothing that could be secret, even if the server repeats it."""
    answer = b"no hook /services/T0KEN-123 for pa55word, cXVlZW46cGE1NXdvcmQ= or S3CRET"
    with site(Site((404, {}, answer))) as found:
        url = (
            f"http://queen:pa55word@127.0.0.1:{found.port}/services/T0KEN-123?a=S3CRET"
        )
        with Webhook(url, headers={"X-Key": "k3y-of-ours"}, secret=SECRET) as webhook:
            webhook.run_finished(failed_run())
    ((path, headers, _),) = found.requests
    assert path == "/services/T0KEN-123?a=S3CRET"
    pair = base64.b64encode(b"queen:pa55word").decode()
    assert headers["Authorization"] == f"Basic {pair}"
    assert headers["Host"] == f"127.0.0.1:{found.port}"
    error = only_error(webhook)
    assert error.where == f"http://127.0.0.1:{found.port}"
    shown = repr(webhook) + str(error) + repr(vars(error)) + caplog.text
    for secret in ("T0KEN-123", "pa55word", "S3CRET", "k3y-of-ours", pair, SECRET):
        assert secret not in shown
    with pytest.raises(TypeError, match="Webhook cannot be pickled"):
        pickle.dumps(webhook)


def test_secrets_never_appear() -> None:
    """Neither those named nor the one it is signed with."""
    run = failed_run(**{"load hunter2": ValueError(f"hunter2 and {SECRET}")})
    with site(Site()) as found:
        assert told(found.port, run, redact=["hunter2"], secret=SECRET).errors == ()
    assert found.payload["failed"][0]["name"] == "load ***"
    assert b"hunter2" not in found.requests[0][2]
    assert SECRET.encode() not in found.requests[0][2]


def test_headers_of_ones_own() -> None:
    """They are sent; a user agent may be one's own too."""
    with site(Site()) as found:
        given = {"Authorization": "Bearer abc", "user-agent": "mine"}
        assert told(found.port, headers=given).errors == ()
    ((_, headers, _),) = found.requests
    assert headers["Authorization"] == "Bearer abc"
    assert headers["user-agent"] == "mine"
    assert "User-Agent" not in headers


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"X-A": "b\r\nX-Evil: c"}, ValueError),
        ({"X-A": "b\nc"}, ValueError),
        ({"X-A": "b\0"}, ValueError),
        ({"X-A": "ü"}, ValueError),
        ({"X-A\r\nX-B": "c"}, ValueError),
        ({"X A": "c"}, ValueError),
        ({"": "c"}, ValueError),
        ({"host": "evil"}, ValueError),
        ({"Content-Length": "0"}, ValueError),
        ({"Transfer-Encoding": "chunked"}, ValueError),
        ({"X-Syncra-Signature": "t=1"}, ValueError),
        ({"X-A": 5}, TypeError),
        ("X-A", TypeError),
    ],
)
def test_fault_128_headers_that_hide_something(headers: Any, kind: Any) -> None:
    """They are refused, and their values not shown."""
    with pytest.raises(kind, match="header") as caught:
        hook(80, headers=headers)
    assert "evil" not in str(caught.value).lower()


BAD_OPTIONS = [
    ({"secret": ""}, ValueError, "empty"),
    ({"secret": 5}, TypeError, "secret"),
    ({"when": "never"}, ValueError, "when="),
    ({"timeout": 0}, ValueError, "timeout"),
    ({"timeout": None}, TypeError, "timeout"),
    ({"attempts": 0}, ValueError, "attempts="),
    ({"attempts": 11}, ValueError, "attempts="),
    ({"backoff": -1}, ValueError, "backoff"),
    ({"public_only": "yes"}, TypeError, "public_only="),
    ({"redact": [5]}, TypeError, "redact="),
    ({"context": "certificate.pem"}, TypeError, "context= is an ssl.SSLContext"),
]


@pytest.mark.parametrize(("options", "kind", "match"), BAD_OPTIONS)
def test_bad_options(options: Any, kind: type[Exception], match: str) -> None:
    """Found out when they are given."""
    with pytest.raises(kind, match=match):
        hook(80, **options)


def test_a_url_that_is_no_text() -> None:
    """As a path of pathlib, or bytes."""
    with pytest.raises(TypeError, match="url is a text, got a bytes"):
        Webhook(b"https://example.org")  # type: ignore[arg-type]


def test_two_logins() -> None:
    """One has to go."""
    with pytest.raises(ValueError, match="who logs in"):
        Webhook("https://u:p@example.org", headers={"authorization": "Bearer x"})


def test_as_an_observer() -> None:
    """Of a run, which it does not change."""
    with site(Site((400, {}, b"no"))) as found, hook(found.port) as webhook:
        graph = Graph("etl", on_error="continue")
        graph.add(lambda: 1 / 0, name="broken")
        run = graph.run(observers=[webhook])
        webhook.close()
    assert found.payload["run_id"] == run.id
    assert found.payload["duration"] == run.report().duration
    (error,) = run.observer_errors
    assert error.observer is webhook
    assert error.error is only_error(webhook)
