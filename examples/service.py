"""Serve offers over HTTP: each request awaits a graph, and nobody blocks anybody.

    price  (a coroutine: asks a service elsewhere) ───────┐
                                                          ├──> offer
    stock  (a function: blocks, as most drivers do) ──────┘

Coroutines run on the event loop of the server, functions in threads. So while `stock`
blocks, other requests are answered. A heartbeat on the loop shows it: it says how often
it has come, and how late at most.

The first task that fails is named in the answer. A request that takes too long is given
up, and one whose client goes away is cancelled.

    pip install syncra starlette uvicorn httpx
    python examples/service.py               # then: curl localhost:8000/offers/tea
    python examples/service.py --try 200     # serve, ask 200 times, print how it went
"""

import argparse
import logging
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field

import anyio
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from syncra import Graph, Run

BEAT = 0.01  # seconds between two beats of the heart
PRICES = {"tea": 4, "rye": 2, "gin": 30}
STOCK = {"tea": 5, "rye": 100}  # somebody has forgotten the gin

logger = logging.getLogger("service")
graph = Graph("offer")


class NoSuchItemError(Exception):
    """Nobody has heard of the item."""


@graph.task
async def price(item: str, delay: float) -> int:
    """Ask a service elsewhere."""
    await anyio.sleep(delay / 2)
    if item not in PRICES:
        raise NoSuchItemError(f"there is no {item}")

    return PRICES[item]


@graph.task
def stock(item: str, delay: float) -> int:
    """Ask a database by a driver that blocks."""
    time.sleep(delay)
    return STOCK[item] if item in PRICES else 0


@graph.task(dependencies=[price, stock])
def offer(price: int, stock: int, *, item: str, quantity: int) -> dict[str, object]:
    """Make an offer of both."""
    return {"item": item, "price": price * quantity, "at_once": quantity <= stock}


@dataclass
class Statistics:
    """What the server has seen; times are in seconds."""

    beats: int = 0
    latest_beat: float = 0.0
    requests: int = 0
    gone: int = 0  # clients that have not waited for their answer

    async def beat(self) -> None:
        """Be the heart: what blocks the event loop makes it late."""
        while True:
            due = time.monotonic() + BEAT
            await anyio.sleep(BEAT)
            self.beats += 1
            self.latest_beat = max(self.latest_beat, time.monotonic() - due)


def make_app(delay: float = 0.2, limit: float = 5.0) -> Starlette:
    """Return the application.

    Parameters:
        delay: seconds that `stock` blocks for.
        limit: the most seconds that a request may take.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
        statistics = Statistics()
        async with anyio.create_task_group() as group:
            group.start_soon(statistics.beat)
            yield {"statistics": statistics, "delay": delay, "limit": limit}
            group.cancel_scope.cancel()

    routes = [Route("/offers/{item}", answer), Route("/health", health)]
    return Starlette(routes=routes, lifespan=lifespan)


async def answer(request: Request) -> JSONResponse:
    """Run the graph for one request."""
    statistics: Statistics = request.state.statistics
    statistics.requests += 1
    try:
        quantity = int(request.query_params.get("quantity", "1"))
    except ValueError:
        return JSONResponse({"error": "quantity is a whole number"}, 400)

    item, delay = request.path_params["item"], request.state.delay
    inputs = {"item": item, "quantity": quantity, "delay": delay}
    async with anyio.create_task_group() as group:
        group.start_soon(cancel_when_gone, request, group.cancel_scope)
        # "continue" raises nothing: what went wrong is read off the run.
        run = await graph.arun(inputs, on_error="continue", timeout=request.state.limit)
        group.cancel_scope.cancel()
        return answer_of(run)

    statistics.gone += 1
    return JSONResponse({"error": "nobody is there any more"}, 499)


async def cancel_when_gone(request: Request, scope: anyio.CancelScope) -> None:
    """Cancel everything in a scope when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def answer_of(run: Run) -> JSONResponse:
    """Return what a client is told about a run that is over."""
    if run.ok:
        return JSONResponse(run[offer])

    for name, error in run.errors.items():
        told = {"task": name, "error": f"{type(error).__name__}: {error}"}
        if isinstance(error, NoSuchItemError):
            return JSONResponse(told, 404)

        logger.error("task %s of run %s has failed", name, run.id, exc_info=error)
        return JSONResponse(told, 500)

    slow = [name for name, task in run.records.items() if task.state == "cancelled"]
    return JSONResponse({"task": slow[0], "error": "it took too long"}, 504)


async def health(request: Request) -> JSONResponse:
    """Tell how the server is."""
    return JSONResponse(asdict(request.state.statistics))


# Trying it.


@dataclass
class Trial:
    """What came of many requests; times are in seconds."""

    seconds: float = 0.0
    answers: Counter[int] = field(default_factory=Counter)  # by status
    before: Statistics = field(default_factory=Statistics)
    after: Statistics = field(default_factory=Statistics)

    @property
    def beats(self) -> int:
        """Return how often the heart has beaten meanwhile."""
        return self.after.beats - self.before.beats


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Serve an application in a thread, on a free port; give its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            # Who connects before the server is ready waits for it.
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


async def ask_many_times(address: str, requests: int, at_once: int) -> Trial:
    """Send requests, so many of them at once."""
    trial, free = Trial(), anyio.CapacityLimiter(at_once)
    connections = httpx.Limits(max_connections=at_once + 1)

    async with httpx.AsyncClient(
        base_url=address, timeout=60, limits=connections, trust_env=False
    ) as client:

        async def ask(item: str) -> None:
            async with free:
                response = await client.get(f"/offers/{item}", params={"quantity": 6})
                trial.answers[response.status_code] += 1

        trial.before = Statistics(**(await client.get("/health")).json())
        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for number in range(requests):
                group.start_soon(ask, ("tea", "rye")[number % 2])
        trial.seconds = time.monotonic() - began
        trial.after = Statistics(**(await client.get("/health")).json())
    return trial


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, or try it; return the exit code."""
    parser = argparse.ArgumentParser(description="Serve offers.")
    add = parser.add_argument
    add("--port", type=int, default=8000, help="default: 8000")
    add("--delay", type=float, default=0.2, help="seconds that a function blocks")
    add("--try", type=int, dest="requests", metavar="N", help="send N requests")
    add("--at-once", type=int, default=50, metavar="N", help="default: 50")
    options = parser.parse_args(arguments)
    app = make_app(options.delay)
    if options.requests is None:
        uvicorn.run(app, port=options.port)
        return 0

    with serving(app) as address:
        trial = anyio.run(ask_many_times, address, options.requests, options.at_once)
    print(
        f"{options.requests} requests, {options.at_once} at once, "
        f"in each a function that blocks for {options.delay} s\n"
        f"answers: {dict(trial.answers)}\n"
        f"took {trial.seconds:.1f} s; "
        f"one after another at least {options.requests * options.delay:.1f} s\n"
        f"meanwhile the heart of the event loop has beaten {trial.beats} times, "
        f"at most {trial.after.latest_beat * 1000:.0f} ms late"
    )
    return 0 if trial.answers[200] == options.requests else 1


if __name__ == "__main__":
    sys.exit(main())
