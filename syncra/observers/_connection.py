"""Connections that end in time, whatever the other side does.

A timeout of a socket begins anew with every byte that trickles in, and the resolving of
a name has none. Here a deadline is one, and so is the limit of what is read.
"""

from __future__ import annotations

import io
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Thread

from .._clock import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from typing import Any, NoReturn, TypeAlias

    from typing_extensions import Buffer

    #: Family and address, as `socket` wants them.
    Address: TypeAlias = tuple[socket.AddressFamily, Any]

#: What is sent at once: small, so that the deadline is looked at on the way.
CHUNK = 16 * 1024

#: Behind which of IPv6 there is one of IPv4.
NAT64 = ip_network("64:ff9b::/96")
COMPATIBLE = ip_network("::/96")
#: What is reachable from everywhere in name only: services of clouds for their own
#: machines, and what older Pythons take for public.
SPECIAL = tuple(
    map(
        ip_network,
        ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48"),
    )
)


class NotPublicError(OSError):
    """Report a name behind which there is an address that is not public."""


class OverLimitError(OSError):
    """Report an answer that is longer than it may be."""


class Deadline:
    """Say how much time is left.

    Parameters:
        limit: seconds from now on.
        whole: a deadline that this one is a part of, or None.
    """

    def __init__(self, limit: float, whole: Deadline | None = None) -> None:
        self.limit = limit
        self.when = clock() + limit
        if whole is not None:
            self.when = min(self.when, whole.when)

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: if there are none.
        """
        left = self.when - clock()
        if left <= 0:
            self.passed()
        return left

    def passed(self) -> NoReturn:
        """Raise the error that says that no time is left."""
        raise TimeoutError(f"it did not answer within {self.limit:g} s")


def resolved(host: str, port: int, deadline: Deadline) -> Sequence[Address]:
    """Return the addresses of a host.

    Parameters:
        host: its name or address.
        port: the port on it.
        deadline: until when; somebody else is left behind with a resolver that hangs.

    Raises:
        socket.gaierror: if there are none.
        TimeoutError: if that takes too long.
    """
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # such as a UnicodeError of a strange name
            found.append(error)

    thread = Thread(target=look_up, name="look-up of a name", daemon=True)
    thread.start()
    thread.join(deadline.left())
    if not found:
        raise TimeoutError(f"its name was not resolved within {deadline.limit:g} s")

    answer = found.pop()
    if isinstance(answer, Exception):
        raise answer

    return [(family, address) for family, _, _, _, address in answer]


def check_public(addresses: Sequence[Address]) -> None:
    """Raise if one of the addresses of a host is not of the public internet.

    Raises:
        NotPublicError: naming it.
    """
    for _, address in addresses:
        if not is_public(address[0]):
            raise NotPublicError(
                f"its address {address[0]} is not public, and public_only=True"
            )


def is_public(text: str) -> bool:
    """Return whether an address is reached over the public internet and nowhere else.

    Neither loopback, private, link-local, shared or reserved ones are, nor those of
    IPv6 that stand for such a one of IPv4.
    """
    address = ip_address(text)
    if any(address in network for network in SPECIAL):
        return False

    if isinstance(address, IPv6Address):
        if address.is_site_local or address.scope_id is not None:
            return False

        inner = _inner(address)
        if inner is not None:
            return is_public(str(inner))

    return address.is_global and not address.is_multicast


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the address of IPv4 that one of IPv6 stands for, or None."""
    if address in NAT64 or address in COMPATIBLE:
        return IPv4Address(int(address) & 0xFFFFFFFF)

    return address.ipv4_mapped or address.sixtofour


def connected(addresses: Sequence[Address], deadline: Deadline) -> socket.socket:
    """Return a connection to the first address that takes one.

    Raises:
        OSError: of the last address, if none does.
    """
    error: OSError = OSError("it has no address")
    for number, (family, address) in enumerate(addresses):
        # One that says nothing must not take the time of the others.
        share = deadline.left() / (len(addresses) - number)
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(share)
            connection.connect(address)
        except TimeoutError:
            connection.close()
            error = TimeoutError(f"it did not answer within {deadline.limit:g} s")
        except OSError as refused:
            connection.close()
            error = refused
        except BaseException:
            connection.close()
            raise
        else:
            return connection

    raise error


def secured(
    connection: socket.socket,
    host: str,
    context: ssl.SSLContext | None,
    deadline: Deadline,
) -> ssl.SSLSocket:
    """Return a connection after the handshake of TLS, the old one being of no use.

    Parameters:
        connection: what to secure; closed if that fails.
        host: the name that the certificate has to be for.
        context: what to trust; the certificates of the system if None.
        deadline: until when.

    Raises:
        ssl.SSLError: if the certificate or the other side is not to be trusted.
        TimeoutError: if it takes too long.
    """
    import ssl

    try:
        if context is None:
            context = ssl.create_default_context()
        connection.settimeout(deadline.left())
        return context.wrap_socket(connection, server_hostname=host)
    except TimeoutError:
        connection.close()
        deadline.passed()
    except BaseException:
        connection.close()
        raise


def checked_context(context: object, whose: str) -> ssl.SSLContext | None:
    """Return how to speak TLS, or raise if it is no such thing."""
    if context is None:
        return None

    import ssl

    if not isinstance(context, ssl.SSLContext):
        kind = type(context).__name__
        raise TypeError(f"{whose}: context= is an ssl.SSLContext, got a {kind}")

    return context


class TimedSocket:
    """Be as much of a socket as protocols need, with deadlines.

    Parameters:
        connection: the real one.
        deadline: until when all must be sent and read.
        limit: how many bytes may be read.
    """

    def __init__(
        self, connection: socket.socket, deadline: Deadline, limit: int
    ) -> None:
        self.connection = connection
        self.renew(deadline, limit)

    def renew(self, deadline: Deadline, limit: int) -> None:
        """Begin anew with a deadline and a limit."""
        self.deadline = deadline
        self._limit = limit

    def sendall(self, data: Buffer) -> None:
        """Send everything."""
        view = memoryview(data)
        for start in range(0, len(view), CHUNK):
            self.connection.settimeout(self.deadline.left())
            try:
                self.connection.sendall(view[start : start + CHUNK])
            except TimeoutError:
                self.deadline.passed()

    def receive_into(self, buffer: Buffer) -> int:
        """Read what there is, and return how many bytes."""
        self.connection.settimeout(self.deadline.left())
        try:
            count = self.connection.recv_into(buffer)
        except TimeoutError:
            self.deadline.passed()

        self._limit -= count
        if self._limit < 0:
            raise OverLimitError("its answer is too long")

        return count

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """Return a file to read from."""
        assert mode == "rb"
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


class _Reader(io.RawIOBase):
    """Read from a `TimedSocket`; closing it does not close that."""

    def __init__(self, connection: TimedSocket) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        return self._connection.receive_into(buffer)
