"""Who sees whether a server is still there, by a connection that is kept open."""

from __future__ import annotations

import socket

#: Seconds that a connection may take.
PATIENCE = 2.0


class Witness:
    """See whether somebody listens at a path, or at a host and port.

    Who accepts connections is there, and so is who is only slow to.

    Parameters:
        address: what to look at; "" for what is always there.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: socket.socket | None = None

    def sees(self) -> bool:
        """Return whether somebody is there."""
        if not self._address or self._holds():
            return True

        self.close()
        try:
            self._connection = self._connect()
        except TimeoutError:
            return True
        except (OSError, ValueError):
            return False
        return True

    def close(self) -> None:
        """Leave."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _holds(self) -> bool:
        """Return whether the connection that was made is still one."""
        if self._connection is None:
            return False

        try:
            return bool(self._connection.recv(1 << 16))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _connect(self) -> socket.socket:
        if self._address.startswith("/"):
            made = socket.socket(socket.AF_UNIX)
            try:
                made.settimeout(PATIENCE)
                made.connect(self._address)
            except BaseException:
                made.close()
                raise
        else:
            host, _, port = self._address.rpartition(":")
            place = host.strip("[]"), int(port)
            made = socket.create_connection(place, PATIENCE)
        made.setblocking(False)
        return made
