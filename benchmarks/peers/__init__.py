"""Those who run the same graphs: Syncra, hand-written code, other libraries.

A new one is a file here with a subclass of `Peer`, and a place in `OTHERS`.
"""

from __future__ import annotations

from ._base import Peer as Peer

#: Other libraries: printed beside Syncra in the measurements that they name.
OTHERS: tuple[type[Peer], ...] = ()


def others_of(measurement: str) -> tuple[type[Peer], ...]:
    """Return the other libraries that take part in a measurement."""
    return tuple(peer for peer in OTHERS if measurement in peer.measurements)
