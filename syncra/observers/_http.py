"""Posting something over HTTP once, in time, to nobody else than was said."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote, unquote, urlsplit

from ._connection import (
    Deadline,
    TimedSocket,
    check_public,
    connected,
    resolved,
    secured,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Mapping

#: The most bytes of the body of an answer that are looked at, and of all of it.
MOST_OF_BODY = 64 * 1024
MOST_READ = 256 * 1024
PORTS = {"http": 80, "https": 443}
#: What a host may consist of, when it is a name; and what stands for itself in a path.
HOST = re.compile(r"[A-Za-z0-9._-]+\Z")
SAFE = "/%:@!$&'()*+,;=~-._?"

#: Names of headers, and those that are ours.
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
RESERVED = {
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-syncra-signature",
}


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """Hold where to post to.

    Attributes:
        is_secure: whether it is HTTPS.
        host: name or address, in ASCII.
        port: the port on it.
        path: path and query, encoded; often a secret.
        authorization: what a user and a password in the URL come to, or None.
        password: that password, "" if there is none.
        where: what may be shown of it.
    """

    is_secure: bool
    host: str
    port: int
    path: str
    authorization: str | None
    password: str
    where: str

    @property
    def host_header(self) -> str:
        """Return what the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port == PORTS["https" if self.is_secure else "http"]
        return host if is_usual else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what a server has answered.

    Attributes:
        status: the code, such as 200.
        reason: the words beside it.
        retry_after: the header of that name, or "".
        body: the beginning of the body.
    """

    status: int
    reason: str
    retry_after: str
    body: bytes


def target_of(url: object) -> Target:
    """Return where a URL leads; messages show nothing of it, since it may be secret.

    Raises:
        TypeError: if it is no text.
        ValueError: if it is none of HTTP.
    """
    if not isinstance(url, str):
        raise TypeError(f"Webhook: url is a text, got a {type(url).__name__}")

    if not url.isprintable() or " " in url or "\\" in url:
        # Some of them would be taken out silently.
        raise ValueError("Webhook: url has spaces, backslashes or control characters")

    try:
        parts = urlsplit(url)
        scheme, port = parts.scheme, parts.port
        host = _host(parts.hostname or "")
    except ValueError:
        raise ValueError("Webhook: url is no valid URL") from None

    if scheme not in PORTS:
        raise ValueError("Webhook: url begins with https:// or http://")

    if not host or port == 0:
        raise ValueError("Webhook: url has no valid host or port")

    authorization = None
    password = unquote(parts.password or "")
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{password}"
        authorization = f"Basic {b64encode(pair.encode()).decode()}"
    path = quote(parts.path or "/", safe=SAFE)
    if parts.query:
        path += f"?{quote(parts.query, safe=SAFE)}"
    shown = f"[{host}]" if ":" in host else host
    return Target(
        is_secure=scheme == "https",
        host=host,
        port=PORTS[scheme] if port is None else port,
        path=path,
        authorization=authorization,
        password=password,
        where=f"{scheme}://{shown}" + (f":{port}" if port is not None else ""),
    )


def _host(host: str) -> str:
    """Return a host in ASCII, or raise if it is none."""
    if "%" in host:
        raise ValueError("an interface of this machine, or a disguise")

    if ":" in host:
        from ipaddress import IPv6Address

        return str(IPv6Address(host))

    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if not HOST.match(host):
        raise ValueError("no host")

    return host


def checked_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return headers to send, or raise if something could hide in them.

    Raises:
        TypeError: if they are no mapping of texts.
        ValueError: if one of them is not allowed. The value is not shown.
    """
    try:
        given = dict(headers or {})
    except (TypeError, ValueError):
        raise TypeError("Webhook: headers= is a mapping of names to texts") from None

    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError("Webhook: headers= is a mapping of names to texts")

        if not TOKEN.match(name):
            raise ValueError(f"Webhook: {name!r} is no name of a header")

        if name.lower() in RESERVED:
            raise ValueError(f"Webhook: the header {name!r} is set by Syncra")

        plain = value.replace("\t", " ")
        if not plain.isascii() or (plain and not plain.isprintable()):
            raise ValueError(
                f"Webhook: the value of header {name!r} has a line break, a control "
                f"character or letters beyond ASCII in it"
            )

    return given


def post(
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    limit: float,
    public_only: bool,
    context: ssl.SSLContext | None,
) -> Answer:
    """Post something and return the answer, whatever its code.

    Parameters:
        target: where to.
        headers: beside those of the protocol.
        body: what to post.
        limit: the most seconds for everything, the name and the answer included.
        public_only: whether the address must be one of the public internet. The name
            is resolved once, and that address connected to.
        context: what certificates are trusted; those of the system if None.

    Raises:
        OSError: if there is no answer in time, or no connection.
        HTTPException: if the answer is not one of HTTP.
    """
    deadline = Deadline(limit)
    addresses = resolved(target.host, target.port, deadline)
    if public_only:
        check_public(addresses)
    connection = connected(addresses, deadline)
    if target.is_secure:
        connection = secured(connection, target.host, context, deadline)
    try:
        return _exchanged(target, headers, body, connection, deadline)
    finally:
        connection.close()


class _Lasting(TimedSocket):
    """Stay open when the protocol is done with it: the answer is read after that."""

    def close(self) -> None:
        pass


def _exchanged(
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    connection: socket.socket,
    deadline: Deadline,
) -> Answer:
    """Return the answer to a request over a connection."""
    exchange = HTTPConnection(target.host, target.port)
    # As much of a socket as is used.
    exchange.sock = _Lasting(connection, deadline, MOST_READ)
    exchange.putrequest("POST", target.path, skip_host=True, skip_accept_encoding=True)
    exchange.putheader("Host", target.host_header)
    exchange.putheader("Connection", "close")
    exchange.putheader("Content-Length", str(len(body)))
    for name, value in headers.items():
        exchange.putheader(name, value)
    exchange.endheaders(body)
    response = exchange.getresponse()
    try:
        content = response.read(MOST_OF_BODY)
    except (OSError, HTTPException):
        content = b""  # the code says it all
    retry_after = response.getheader("Retry-After") or ""
    response.close()
    return Answer(response.status, response.reason, retry_after, content)
