"""What a Dask worker calls for a parcel. It finds this by its name."""

from __future__ import annotations

from . import _remote_work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(parcel: bytes, token: str, topic: str, *needs: Any) -> Any:
    """Open a parcel on the Dask worker that this is called by.

    Parameters:
        parcel: the parcel.
        token: what the run knows it by.
        topic: the topic under which the run listens for messages.
        needs: the large values that it refers to.
    """
    from distributed import get_worker
    from distributed.utils import sync

    worker = get_worker()

    def send(message: bytes, is_first: bool) -> None:
        event = (token, message)
        if is_first:
            # The stream to the scheduler waits for more; this has arrived at once.
            sync(worker.loop, worker.scheduler.log_event, topic=topic, msg=event)
        else:
            worker.log_event(topic, event)

    name, address = str(worker.name), str(worker.address)
    shown = address if name == address else f"{name} at {address}"
    return _remote_work.run(parcel, token, needs, send, (shown, address))
