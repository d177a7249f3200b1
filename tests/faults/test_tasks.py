"""Tasks that misbehave: faults 1 to 12 of the catalogue, in every way to run a graph.

Whatever a task does, it ends in one state, its dependants are skipped and name it, and
everything else goes on as if nothing had happened.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import functools
import gc
import json
import re
import sys
import threading
import time
import traceback
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
from tests_helpers import in_a_script

import syncra
from syncra import Context, Graph, Retry, Run, Skip, State
from syncra.errors import SignatureError, TaskExited

KINDS = ("function", "coroutine")
ON_ERROR = ("raise", "continue", "rollback")

every_policy = pytest.mark.parametrize("on_error", ON_ERROR)
sync_and_async = pytest.mark.parametrize("kind", KINDS)


def raising(make: Callable[[], BaseException], kind: str = "function") -> Any:
    """Return a function, or a coroutine function that suspends, that raises."""

    def bad() -> None:
        raise make()

    async def bad_async() -> None:
        await anyio.sleep(0)
        raise make()

    return bad if kind == "function" else bad_async


def beside(*bad: Callable[..., Any]) -> Graph:
    """Return a graph in which bad tasks have neighbours of both kinds, and dependants.

    Most of its tasks come after the bad ones, so that they need the workers these had.
    """
    graph = Graph("beside")

    async def later(number: int) -> int:
        await anyio.sleep(0)
        return number + 1

    for number, function in enumerate(bad):
        graph.add(function, name=f"bad{number}")
        add_dependants(graph, number)
    before: Any = graph.add(lambda: 0, name="good0")
    for number in range(1, 7):
        function = later if number % 2 else (lambda x: x + 1)
        before = graph.add(function, name=f"good{number}", dependencies=before)
    return graph


def add_dependants(graph: Graph, number: int) -> None:
    child = graph.add(lambda x: x, name=f"child{number}", dependencies=f"bad{number}")
    graph.add(lambda x: x, name=f"grandchild{number}", dependencies=child)


def check_beside(found: Run, *kinds: type[BaseException]) -> None:
    """Check that in a run of `beside` under "continue" only the bad tasks failed.

    Parameters:
        found: the run.
        kinds: the class of the error of each.
    """
    assert found.done
    assert not found.ok
    assert dict(found) == {f"good{number}": number for number in range(7)}
    assert set(found.errors) == {f"bad{number}" for number in range(len(kinds))}
    for number, kind in enumerate(kinds):
        record = found.records[f"bad{number}"]
        assert record.state is State.FAILED, kind
        assert record.error is found.errors[f"bad{number}"], kind
        assert record.attempts[-1].error is record.error, kind
        assert type(record.error) is kind
        assert kind.__name__ in record.why
        for name in (f"child{number}", f"grandchild{number}"):
            assert found.records[name].state is State.SKIPPED, kind
            assert found.records[name].skipped_because == (f"bad{number}",), kind
    assert str(found).count("failed") >= len(kinds)
    assert json.loads(found.report().to_json())["progress"]["failed"] == len(kinds)


# Fault 1: an exception


class TwoArguments(Exception):
    """Cannot be made again from its `args`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """Refuses to have its attributes set, as frozen dataclasses do."""

    code: int


class Slotted(Exception):
    __slots__ = ("code",)


class Falsy(Exception):
    def __bool__(self) -> bool:
        return False


class Unbearable(Exception):
    """Fails at whatever it is asked, but its text."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __bool__(self) -> bool:
        raise AssertionError("asked for its truth")

    def __len__(self) -> int:
        raise AssertionError("measured")

    def __hash__(self) -> int:
        raise AssertionError("hashed")


class WithoutNotes(Exception):
    __notes__ = None


class RefusesNotes(Exception):
    def add_note(self, note: str) -> None:
        raise AssertionError("no notes")


class RefusesTraceback(Exception):
    @property
    def __traceback__(self) -> None:
        return None


ODD = [
    lambda: ValueError("bang"),
    lambda: TwoArguments(1, "bang"),
    lambda: Frozen(1),
    Slotted,
    Falsy,
    Unbearable,
    WithoutNotes,
    RefusesNotes,
    RefusesTraceback,
    lambda: KeyError(("not", "text")),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    lambda: OSError(28, "disk full", "/dev/full"),
]


@pytest.mark.shares_memory
@sync_and_async
def test_fault_1_an_exception(run, kind) -> None:
    """Failed; dependants skipped naming the cause; the rest finishes."""
    found = run(beside(*[raising(make, kind) for make in ODD]), on_error="continue")
    check_beside(found, *[type(make()) for make in ODD])


@every_policy
@pytest.mark.parametrize("make", ODD, ids=lambda make: type(make()).__name__)
def test_fault_1_an_exception_reaches_the_caller(make, on_error) -> None:
    """As it is, however odd its class; or it is kept as it is."""
    for kind in ("function", "coroutine"):
        error = make()
        graph = beside(raising(lambda error=error: error, kind))
        for executor in ("auto", "sequential"):
            try:
                found = graph.run(executor=executor, on_error=on_error)
            except type(error) as caught:
                raised: BaseException | None = caught
            else:
                raised = found.errors["bad0"]
            assert raised is error


# Fault 2: an exception that is no `Exception`


class Own(BaseException):
    """Slips through `except Exception`."""


def test_fault_2_a_base_exception(run) -> None:
    """Failed, and its worker lives on: there may be only the one."""
    for kind in KINDS:
        graph = beside(raising(Own, kind), raising(BaseException, kind))
        check_beside(run(graph, on_error="continue"), Own, BaseException)


@pytest.mark.shares_memory
def test_fault_2_a_base_exception_is_raised_as_it_is(run) -> None:
    """By a run that raises."""
    for kind in KINDS:
        error = Own("bang")
        with pytest.raises(Own) as caught:
            run(beside(raising(lambda error=error: error, kind)))
        assert caught.value is error
        assert error.__notes__ == ["raised by task 'bad0' of graph 'beside'"]


# Fault 3: leaving the interpreter


def test_fault_3_sys_exit(run) -> None:
    """Is a failure of the task, 0 as well, and nobody leaves."""
    for kind in KINDS:
        codes = [0, 1, None, "bye"]
        leaving = [raising(functools.partial(SystemExit, code), kind) for code in codes]
        found = run(beside(*leaving), on_error="continue")
        check_beside(found, *[SystemExit] * 4)
        assert [found.errors[f"bad{n}"].code for n in range(4)] == codes


@every_policy
def test_fault_3_sys_exit_is_a_failure_under_every_policy(ended, on_error) -> None:
    """The records say so, whatever the run raises then."""
    for kind in KINDS:
        found, _ = ended(
            beside(raising(lambda: SystemExit(0), kind)), on_error=on_error
        )
        assert found.done
        assert found.records["bad0"].state is State.FAILED
        assert found.records["child0"].skipped_because == ("bad0",)


@sync_and_async
def test_fault_3_sys_exit_does_not_exit_the_caller(run, kind, request) -> None:
    """What is raised is an error that no program takes for a good end."""
    if request.node.callspec.params["run"] == "background":
        pytest.skip("raises what it finds in the group of errors")
    with pytest.raises(TaskExited, match=r"'bad0'.*sys\.exit") as caught:
        run(beside(raising(lambda: SystemExit(0), kind)), on_error="raise")
    assert caught.value.code == 0
    assert isinstance(caught.value.__cause__, SystemExit)
    assert not issubclass(TaskExited, SystemExit)


# Fault 4: an interruption that the task makes itself


@sync_and_async
@every_policy
def test_fault_4_keyboard_interrupt(ended, kind, on_error) -> None:
    """In a worker it fails the task; in the main thread it is Ctrl-C, and ends the run.

    Then the run is recorded as cancelled, and the interruption goes on.
    """
    in_main: list[bool] = []

    def make() -> BaseException:
        in_main.append(threading.current_thread() is threading.main_thread())
        return KeyboardInterrupt("by hand")

    found, error = ended(beside(raising(make, kind)), on_error=on_error)
    assert found.done
    assert not found.ok
    states = {name: record.state for name, record in found.records.items()}
    if in_main == [True]:
        assert isinstance(error, KeyboardInterrupt)
        assert found.errors == {}
        assert states["bad0"] is State.CANCELLED
        assert State.FAILED not in states.values()
        assert State.CANCELLED in {states["good6"], states["grandchild0"]}
        with pytest.raises(BaseExceptionGroup) as group:
            found.raise_for_errors()
        assert group.value.exceptions == (error,)
    else:
        assert states["bad0"] is State.FAILED
        assert isinstance(found.errors["bad0"], KeyboardInterrupt)
        assert error is (None if on_error == "continue" else found.errors["bad0"])
        if on_error == "continue":
            check_beside(found, KeyboardInterrupt)


# Fault 5: a cancellation that nobody has asked for


def test_fault_5_an_uninvited_cancellation(run) -> None:
    """Failed, not cancelled."""
    for kind in KINDS:
        kinds = [asyncio.CancelledError, concurrent.futures.CancelledError]
        graph = beside(*[raising(kind_of_error, kind) for kind_of_error in kinds])
        check_beside(run(graph, on_error="continue"), *kinds)


@pytest.mark.parametrize(
    "run",
    ["sequential", "threads", "auto", "asyncio", "asyncio-sequential", "background"],
    indirect=True,
)
def test_fault_5_a_coroutine_that_cancels_itself(run) -> None:
    """Fails; its worker, whose asyncio task that was, goes on."""

    async def bad() -> None:
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        await asyncio.sleep(60)

    found = run(beside(bad, bad), on_error="continue")
    check_beside(found, asyncio.CancelledError, asyncio.CancelledError)


def test_fault_5_a_cancel_scope_of_the_task_itself(run) -> None:
    """Is none of the run's business."""

    async def patient() -> str:
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep(0)
        return "moved on"

    async def strict() -> None:
        with anyio.fail_after(0.001):
            await anyio.sleep_forever()

    found = run(beside(strict, strict), on_error="continue")
    check_beside(found, TimeoutError, TimeoutError)
    graph = Graph()
    graph.add(patient)
    assert run(graph)["patient"] == "moved on"


# Fault 6: what ends iterators


def test_fault_6_what_ends_iterators(run) -> None:
    """Failed, never a hang; a coroutine's StopIteration is a RuntimeError in Python."""
    for kind in KINDS:
        kinds = [StopIteration, StopAsyncIteration, GeneratorExit]
        graph = beside(*[raising(kind_of_error, kind) for kind_of_error in kinds])
        found = run(graph, on_error="continue")
        # A function that an event loop waits for has its error raised by a coroutine.
        assert type(found.errors["bad0"]) in {StopIteration, RuntimeError}
        check_beside(found, type(found.errors["bad0"]), *kinds[1:])


@pytest.mark.parametrize("kind_of_error", [StopIteration, GeneratorExit])
def test_fault_6_what_ends_iterators_is_raised(ended, kind_of_error) -> None:
    """By a run that raises; where it is awaited, as Python lets it out of there."""
    for kind in KINDS:
        found, error = ended(beside(raising(kind_of_error, kind)))
        assert isinstance(error, (kind_of_error, RuntimeError))
        assert found.done
        assert found.records["bad0"].state is State.FAILED
        assert found.records["child0"].skipped_because == ("bad0",)


def test_fault_6_at_the_first_step_of_a_coroutine(run) -> None:
    """Before it has ever suspended."""

    async def bad() -> None:
        raise GeneratorExit

    found = run(beside(bad, bad), on_error="continue")
    check_beside(found, GeneratorExit, GeneratorExit)


# Fault 7: groups


def nested_group(*leaves: BaseException) -> BaseExceptionGroup[BaseException]:
    inner = BaseExceptionGroup("inner", leaves)
    return BaseExceptionGroup("outer", [BaseExceptionGroup("middle", [inner]), inner])


LEAVES: list[tuple[BaseException, ...]] = [
    (ValueError("a"), OSError("b")),
    (ValueError("a"), KeyboardInterrupt()),
    (asyncio.CancelledError(), ValueError("a")),
    (SystemExit(0), Skip("no need")),
]


@pytest.mark.shares_memory
@sync_and_async
def test_fault_7_a_nested_group_is_kept_whole(run, kind) -> None:
    """It is one error of one task, whatever is in it."""
    errors = [nested_group(*leaves) for leaves in LEAVES]
    graph = beside(*[raising(lambda error=error: error, kind) for error in errors])
    found = run(graph, on_error="continue")
    check_beside(found, *map(type, errors))
    for number, (error, leaves) in enumerate(zip(errors, LEAVES, strict=True)):
        assert found.errors[f"bad{number}"] is error
        middle, inner = error.exceptions
        assert isinstance(middle, BaseExceptionGroup)
        assert isinstance(inner, BaseExceptionGroup)
        assert middle.exceptions == (inner,)
        assert inner.exceptions == leaves
        assert error.__notes__ == [f"raised by task 'bad{number}' of graph 'beside'"]
        assert not any(hasattr(part, "__notes__") for part in (middle, inner, *leaves))


def test_fault_7_a_nested_group_is_raised_whole(run) -> None:
    """And `except*` finds what is in it."""
    for kind in KINDS:
        error = nested_group(ValueError("a"), OSError("b"))
        found: list[BaseException] = []
        try:
            run(beside(raising(lambda error=error: error, kind)))
        except* ValueError as part:
            found.append(part)
        except* OSError as part:
            found.append(part)
        assert len(found) == 2


# Fault 8: exceptions that cannot be shown


class BrokenText(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError("in __str__")

    __repr__ = __str__


class NoText(Exception):
    def __str__(self) -> Any:
        return self.args

    __repr__ = __str__


class EndlessText(Exception):
    def __str__(self) -> str:
        return str(self)

    __repr__ = __str__


BROKEN_TEXTS = [BrokenText, NoText, EndlessText]


@sync_and_async
def test_fault_8_a_broken_text(run, kind) -> None:
    """Failed, with a placeholder wherever the text would be."""
    graph = beside(*[raising(kind_of_error, kind) for kind_of_error in BROKEN_TEXTS])
    found = run(graph, on_error="continue")
    check_beside(found, *BROKEN_TEXTS)
    assert str(found).count("cannot be shown") == 3
    tasks = json.loads(found.report().to_json())["tasks"]
    shown = {task["name"]: task["error"] for task in tasks}
    for number, kind_of_error in enumerate(BROKEN_TEXTS):
        record = found.records[f"bad{number}"]
        assert "cannot be shown" in record.why
        assert kind_of_error.__name__ in record.traceback
        assert shown[record.name]["type"].endswith(kind_of_error.__name__)
        assert "cannot be shown" in shown[record.name]["message"]
    with pytest.raises(ExceptionGroup, match="3 of 16 tasks"):
        found.raise_for_errors()


@pytest.mark.parametrize(
    "run",
    ["sequential", "threads", "one-thread", "auto", "background"],
    indirect=True,
)
@sync_and_async
@pytest.mark.parametrize("kind_of_error", BROKEN_TEXTS)
def test_fault_8_a_broken_text_is_raised(run, kind_of_error, kind) -> None:
    """As the exception that it is; `asyncio.run` and trio cannot bear it themselves."""
    with pytest.raises(kind_of_error) as caught:
        run(beside(raising(kind_of_error, kind)))
    assert caught.value.__notes__ == ["raised by task 'bad0' of graph 'beside'"]


@pytest.mark.shares_memory
def test_fault_8_a_text_that_leaves_the_interpreter(run) -> None:
    """Does not: it is as broken as any other."""

    class LeavingText(Exception):
        def __str__(self) -> str:
            raise SystemExit(3)

        __repr__ = __str__

    found = run(beside(raising(LeavingText)), on_error="continue")
    texts = []
    try:
        texts.append(found.records["bad0"].why)
        texts.append(str(found))
        texts.append(found.report().to_json())
    except SystemExit:
        pass
    # pytest itself would leave, were it to show such an exception.
    assert len(texts) == 3, "looking at the run has left the interpreter"
    assert all("cannot be shown" in text for text in texts)


@sync_and_async
def test_fault_8_a_skip_with_a_broken_text(run, kind) -> None:
    """Is a skip all the same."""

    class BrokenSkip(Skip):
        def __str__(self) -> str:
            raise ZeroDivisionError

    found = run(beside(raising(BrokenSkip, kind)), on_error="continue")
    assert found.ok
    assert found.records["bad0"].state is State.SKIPPED
    assert found["good6"] == 6
    assert "bad0" in str(found)
    found.report().to_json()


# Fault 9: the same exception again and again, and what it keeps alive


@pytest.mark.shares_memory
@sync_and_async
def test_fault_9_one_exception_raised_by_many_tasks(run, kind, request) -> None:
    """Neither its notes nor its traceback grow with each of them, nor with each run."""
    is_alone = request.node.callspec.params["run"] in ("sequential", "one-thread")
    if not (is_alone or gil_enabled()) and sys.version_info < (3, 14):
        pytest.skip("this Python crashes where threads raise one exception at once")
    error = ValueError("shared")
    graph = Graph("many", on_error="continue")
    for number in range(20):
        graph.add(raising(lambda: error, kind), name=str(number))
    found = run(graph)
    assert all(record.error is error for record in found.records.values())
    lengths = []
    for _ in range(3):
        found = run(graph)
        assert len(found.errors) == 20
        assert sorted(error.__notes__) == sorted(
            f"raised by task '{number}' of graph 'many'" for number in range(20)
        )
        lengths.append(len(traceback.extract_tb(error.__traceback__)))
        text = found.records["19"].traceback
        # Where several raise it in the same moment it is of them all.
        if is_alone:
            assert text.count("in bad") <= 2, "shows what other tasks did with it"
            assert lengths[-1] <= 5
    assert lengths[-1] <= 60


@pytest.mark.shares_memory
def test_fault_9_one_exception_raised_by_each_attempt(run) -> None:
    """Is noted at the task once."""
    error = ValueError("shared")
    graph = Graph("many", on_error="continue")
    graph.add(raising(lambda: error), name="bad", retry=Retry(20, backoff=0))
    found = run(graph)
    assert len(found.records["bad"].attempts) == 20
    assert len(error.__notes__) == 1
    assert len(traceback.extract_tb(error.__traceback__)) <= 5


@pytest.mark.parametrize("kind", ["called", "awaited", "read later"])
def test_an_error_of_a_run_within_a_task_keeps_where_it_is_from(kind: str) -> None:
    """Through any number of runs; what led there is before it."""
    inner = Graph("inner")

    def deep() -> None:
        raise ValueError("deep")

    inner.add(deep)

    def outer() -> None:
        if kind == "called":
            inner()
        inner.run(on_error="continue")["deep"]

    async def outer_async() -> None:
        await inner()

    graph = Graph("outer")
    graph.add(outer_async if kind == "awaited" else outer, name="outer")

    def outermost() -> None:
        graph()

    whole = Graph("outermost", on_error="continue")
    whole.add(outermost)
    text = whole.run().records["outermost"].traceback
    names = re.findall(r", in (outermost|outer|outer_async|deep)\n", text)
    between = "outer_async" if kind == "awaited" else "outer"
    assert names == ["outermost", between, "deep"]


def test_fault_9_one_exception_raised_by_runs_within_a_task() -> None:
    """Its traceback does not grow with each of them."""
    error = ValueError("shared")
    inner = Graph("inner")
    inner.add(raising(lambda: error), name="bad")
    lengths = []

    def outer() -> None:
        for _ in range(20):
            with pytest.raises(ValueError, match="shared"):
                inner.run(executor="sequential")
            lengths.append(len(traceback.extract_tb(error.__traceback__)))
        raise error

    graph = Graph("outer", on_error="continue")
    graph.add(outer)
    for _ in range(3):
        graph.run(executor="sequential")
        lengths.append(len(traceback.extract_tb(error.__traceback__)))
    assert max(lengths) <= 20


class Big:
    """Stand for a local that nobody wants to keep."""


def gil_enabled() -> bool:
    """Return whether this interpreter has its global lock."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def uses_loop(request: pytest.FixtureRequest) -> bool:
    """Return whether a runner awaits its run."""
    name = request.node.callspec.params["run"]
    return name.startswith(("asyncio", "trio"))


def wait_until_freed(big: weakref.ref[Big]) -> None:
    """Wait for worker threads to let go of a run, a moment after it is over."""
    deadline = time.monotonic() + 2
    while big() is not None and time.monotonic() < deadline:
        threading.Event().wait(0.001)
    assert big() is None


@pytest.mark.shares_memory
@sync_and_async
@pytest.mark.parametrize("on_error", ["raise", "continue"])
def test_fault_9_locals_are_freed_without_gc(run, kind, on_error, request) -> None:
    """As soon as run and error are dropped: no circle of references holds them.

    Where an event loop has a part, its own circles leave it to the collector.

    That of the last attempt and those of the attempts before it.
    """
    if not gil_enabled():
        pytest.skip("not so without the GIL yet")

    refs: list[weakref.ref[Big]] = []

    def fail() -> None:
        big = Big()
        refs.append(weakref.ref(big))
        raise ValueError("bang")

    async def fail_async() -> None:
        big = Big()
        refs.append(weakref.ref(big))
        await anyio.sleep(0)
        raise ValueError("bang")

    graph = Graph()
    function: Any = fail if kind == "function" else fail_async
    graph.add(function, name="bad", retry=Retry(2, backoff=0))
    graph.add(lambda x: x, name="child", dependencies="bad")
    gc.disable()
    try:
        try:
            found = run(graph, on_error=on_error)
        except ValueError as error:
            alive = refs[-1]() is not None and error.__traceback__ is not None
        else:
            alive = refs[-1]() is not None
            # Making the records and the text of the error keeps nothing either.
            assert "bang" in found.records["bad"].traceback
            assert "bang" in str(found)
            del found
        assert alive
        assert len(refs) == 2
        if kind == "coroutine" or uses_loop(request):
            gc.collect(0)  # all that is young: what has been made since it was disabled
        for big in refs:
            wait_until_freed(big)
    finally:
        gc.enable()


# Fault 10: running out of stack or memory


def test_fault_10_a_recursion_without_end(run) -> None:
    """Failed, and the workers are as good as before."""

    def deeper(depth: int = 0) -> int:
        return deeper(depth + 1) + 1

    async def deeper_async(depth: int = 0) -> int:
        return await deeper_async(depth + 1) + 1

    for kind in KINDS:
        bad = functools.partial(deeper if kind == "function" else deeper_async, 0)
        found = run(beside(bad, bad), on_error="continue")
        check_beside(found, RecursionError, RecursionError)


@sync_and_async
def test_fault_10_memory_error(run, kind) -> None:
    """Raised by Python itself for what no machine has."""

    def bad() -> bytearray:
        return bytearray(1 << 60)

    async def bad_async() -> bytearray:
        await anyio.sleep(0)
        return bytearray(1 << 60)

    found = run(beside(bad if kind == "function" else bad_async), on_error="continue")
    check_beside(found, MemoryError)


OUT_OF_MEMORY = """
import asyncio, gc, resource
from syncra import Graph

def eat():
    eaten = []
    while True:
        eaten.append(bytearray(1 << 20))

async def eat_async():
    await asyncio.sleep(0)
    eat()

graph = Graph("hungry", on_error="continue")
for number in range(3):
    graph.add(eat, name=f"eat{number}")
    graph.add(eat_async, name=f"eat_async{number}", after=f"eat{number}",
              trigger="any_failed")
before = ()
for number in range(50):
    before = graph.add(lambda *x: number, name=f"good{number}", dependencies=before)

def check(run):
    assert dict(run).keys() == {f"good{number}" for number in range(50)}, run
    assert {type(error) for error in run.errors.values()} == {MemoryError}, run
    assert len(run.errors) == 6, run

# All threads are there before memory is short.
warm = Graph()
for number in range(4):
    warm.add(asyncio.Event, name=str(number))
warm.run(executor="threads")
asyncio.run(graph.arun(targets=["good0"], executor="sequential"))
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), resource.RLIM_INFINITY))
check(graph.run(executor="sequential"))
gc.collect()
check(asyncio.run(graph.arun(executor="sequential")))
print("survived")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and /proc")
def test_fault_10_a_process_that_is_out_of_memory() -> None:
    """The tasks that ate it fail; their traceback lets go of it, and the rest runs."""
    assert in_a_script(OUT_OF_MEMORY) == "survived\n"


NO_NEW_THREAD = """
from syncra import Graph, Retry, _alarm

start, failures = _alarm.start_new_thread, [RuntimeError("can't start new thread")]

def start_later(*arguments):
    if failures:
        raise failures.pop()
    return start(*arguments)

_alarm.start_new_thread = start_later
for _ in range(2):
    answers = iter([ValueError("busy"), 1])

    def flaky():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    graph = Graph()
    graph.add(flaky, retry=Retry(2, backoff=0.01))
    found = graph.start()
    assert found.wait(10), "a run does not end"
assert failures == []
assert found.ok
"""


def test_fault_10_no_thread_for_the_clock() -> None:
    """Is the misfortune of one run; the next one tries again."""
    in_a_script(NO_NEW_THREAD)


NO_CLOCK = """
import sys
from syncra import Graph, _alarm

start, failures = _alarm.start_new_thread, [RuntimeError("can't start new thread")]

def start_later(*arguments):
    if failures:
        raise failures.pop()
    return start(*arguments)

_alarm.start_new_thread = start_later
told = []

class Observer: pass

def tell(self, run, *what):
    told.append(what)

async def coroutine():
    return 2

graph = Graph("g")
first = graph.add(lambda: 1, name="first")
SECOND
found = graph.start()
assert found.wait(10), "the run does not end"
assert failures == []
assert found.ok == OK, found
"""

OF_THE_CLOCK = {
    "a limit": ("graph.add(print, after=first, timeout=9)", False),
    "a coroutine": ("graph.add(coroutine, after=first)", True),
    **{
        event: (f"Observer.{event} = tell; graph.observers += (Observer(),)", True)
        for event in ("run_started", "task_started", "task_finished", "run_finished")
    },
}


@pytest.mark.parametrize("who", OF_THE_CLOCK)
def test_fault_10_no_thread_for_the_clock_amid_a_run(who: str) -> None:
    """Who is watched over by it goes on; where a limit depends on it the run ends."""
    second, is_ok = OF_THE_CLOCK[who]
    text = NO_CLOCK.replace("SECOND", second).replace("OK", str(is_ok))
    if who not in ("a limit", "a coroutine"):
        text += "assert told, 'the observer is not told'"
    in_a_script(text)


NO_THREAD_FOR_A_RUN = """
import asyncio, gc, threading, time, weakref
from syncra import Graph

start, left = threading.Thread.start, HOW_MANY

def start_while_there_are(thread):
    global left
    left -= 1
    if left == -1:
        raise RuntimeError("can't start new thread")
    start(thread)

threading.Thread.start = start_while_there_are

class Observer:
    def run_finished(self, run):
        print(run.progress, end=", ")

class Big: pass

def function(big):
    threading.Event().wait(0.1)

async def coroutine():
    await asyncio.sleep(60)

graph = Graph("g")
for task in TASKS:
    graph.add(task)
inputs = {"big": Big()} if graph.inputs else {}
kept = list(map(weakref.ref, inputs.values()))
options = {"observers": [Observer()]}
try:
    CALL
except RuntimeError as error:
    print(error)
inputs.clear()
deadline = time.monotonic() + 20  # what has a thread goes on for a moment
while any(big() for big in kept):
    assert time.monotonic() < deadline, "the run is kept"
    gc.collect()
"""


@pytest.mark.parametrize(
    ("tasks", "how_many"),
    [("function,", 0), ("coroutine,", 0), ("function, coroutine", 1)],
    ids=["function", "coroutine", "both"],
)
@pytest.mark.parametrize("call", ["run", "arun"])
def test_fault_10_no_thread_for_a_run(tasks: str, how_many: int, call: str) -> None:
    """It ends with that, whatever was to go on there, and observers know of it."""
    if call == "arun":
        if tasks == "coroutine,":
            pytest.skip("needs no thread")
        how_many = 0
    text = NO_THREAD_FOR_A_RUN.replace("TASKS", f"({tasks})")
    text = text.replace("HOW_MANY", str(how_many))
    wait = "{}" if call == "run" else "asyncio.run({})"
    text = text.replace("CALL", wait.format(f"graph.{call}(inputs, **options)"))
    count = len([task for task in tasks.split(",") if task])
    assert in_a_script(text) == f"{count} cancelled, can't start new thread\n"


# Fault 11, as far as there are hooks: policies and rollbacks


class Refusal(BaseException):
    """What a hook should not raise, but can."""


HOOK_ERRORS = [
    lambda: LookupError("in a hook"),
    lambda: Refusal("in a hook"),
    lambda: SystemExit(0),
    StopIteration,
    BrokenText,
]


@pytest.mark.parametrize("hook", ["on", "backoff"])
def test_fault_11_a_retry_policy_that_raises(run, hook) -> None:
    """The task fails with its own error; nothing else is changed."""
    for kind in KINDS:
        graph = beside()
        for number, make in enumerate(HOOK_ERRORS):

            def broken(_: object, make: Any = make) -> Any:
                raise make()

            retry = Retry(3, **{hook: broken})
            bad = raising(lambda: ValueError("bang"), kind)
            graph.add(bad, name=f"bad{number}", retry=retry)
            add_dependants(graph, number)
        found = run(graph, on_error="continue")
        check_beside(found, *[ValueError] * len(HOOK_ERRORS))
        for number in range(len(HOOK_ERRORS)):
            record = found.records[f"bad{number}"]
            assert len(record.attempts) == 1
            assert any("retry policy" in note for note in record.error.__notes__)


# What goes wrong here may leave a thread dead that later runs count on, so these have a
# process of their own.
RAISES_AFTER_A_TIMEOUT = """
import threading
from syncra import Graph, Retry

class Refusal(BaseException): pass

def broken(_):
    raise MAKE

go = threading.Event()
graph = Graph(on_error="continue")
graph.add(lambda: go.wait(30), name="bad", timeout=0.02, retry=Retry(3, on=broken))
graph.add(lambda: 1, name="good")
found = graph.start()
assert found.wait(10), "the run does not end"
go.set()
assert type(found.records["bad"].error).__name__ == "TaskTimeout"
assert len(found.records["bad"].attempts) == 1
assert found["good"] == 1
"""

HANGS_AFTER_A_TIMEOUT = """
import threading
from syncra import Graph, Retry

asked, answer, go = threading.Event(), threading.Event(), threading.Event()

def hang(_):
    asked.set()
    answer.wait(30)
    return False

graph = Graph(on_error="continue")
graph.add(lambda: go.wait(30), name="bad", timeout=0.02, retry=Retry(3, on=hang))
found = graph.start()
assert asked.wait(10)
found.cancel(grace=0)
in_time = found.wait(5)
answer.set()
go.set()
assert found.wait(10)
"""

AND_THE_NEXT_RUNS = """
after = Graph()
for number in range(4):
    after.add(lambda: 1, name=str(number))
for _ in range(5):
    found = after.start(executor="threads")
    assert found.wait(10), "a later run does not end"
    assert found.ok
"""


@pytest.mark.parametrize(
    "error", ["LookupError()", "Refusal()", "SystemExit(0)", "StopIteration()"]
)
def test_fault_11_a_policy_that_raises_after_a_timeout(error) -> None:
    """Where the attempt was given up, and its worker is not there to be asked."""
    in_a_script(RAISES_AFTER_A_TIMEOUT.replace("MAKE", error) + AND_THE_NEXT_RUNS)


def test_fault_11_a_policy_that_hangs_after_a_timeout() -> None:
    """Cannot keep a cancelled run from its end, nor harm the runs after it."""
    in_a_script(HANGS_AFTER_A_TIMEOUT + AND_THE_NEXT_RUNS)
    in_a_script(HANGS_AFTER_A_TIMEOUT + "assert in_time, 'waits for the policy'")


@pytest.mark.shares_memory
def test_fault_11_a_rollback_that_raises(ended) -> None:
    """The other undoings go on, and the first error stays the first."""
    for kind in KINDS:
        undone: list[str] = []
        graph = Graph("order", on_error="rollback")
        before: Any = graph.add(lambda: "first", name="first")
        before.rollback(undone.append)
        for number, make in enumerate(HOOK_ERRORS):
            before = graph.add(lambda: None, name=f"task{number}", after=before)
            before.rollback(raising(make, kind))
        before = graph.add(lambda: "last", name="last", after=before)
        before.rollback(undone.append)
        graph.add(raising(lambda: ValueError("bang")), name="bad", after=before)
        found, error = ended(graph)
        assert found.done
        assert type(error) is ValueError
        assert list(found.errors) == ["bad"]
        assert undone == ["last", "first"]
        for number in range(len(HOOK_ERRORS)):
            assert found.rollbacks[f"task{number}"].state is State.FAILED
            assert found.records[f"task{number}"].state is State.SUCCEEDED


# Fault 12: what is no result


def test_fault_12_generator_functions_are_refused() -> None:
    """At declaration, however they are wrapped."""

    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    class Generator:
        def __call__(self) -> Iterator[int]:
            yield 1

        def method(self) -> Iterator[int]:
            yield 1

        @staticmethod
        async def static() -> AsyncIterator[int]:
            yield 1

    refused: list[Any] = [
        generator,
        async_generator,
        functools.partial(generator),
        functools.partial(functools.partial(async_generator)),
        Generator(),
        Generator().method,
        Generator.static,
    ]
    graph = Graph()
    for function in refused:
        for declare in (graph.add, graph.task, syncra.task):
            with pytest.raises(SignatureError, match="generator function"):
                declare(function)
    assert len(graph) == 0


def test_fault_12_a_coroutine_that_a_function_returns_is_awaited(run) -> None:
    """Whether it will return one cannot be seen before."""

    async def answer(number: int) -> int:
        await anyio.sleep(0)
        return number * 2

    def plain(number: int) -> Any:
        return answer(number)

    def failing() -> Any:
        return raising(lambda: ValueError("bang"), "coroutine")()

    graph = Graph(on_error="continue")
    graph.add(lambda: 4, name="number")
    graph.add(plain, dependencies="number")
    graph.add(lambda x: x + 1, name="after", dependencies="plain")
    graph.add(failing)
    graph.add(lambda x: x, name="child", dependencies="failing")
    found = run(graph)
    assert dict(found) == {"number": 4, "plain": 8, "after": 9}
    assert type(found.errors["failing"]) is ValueError
    assert found.records["child"].skipped_because == ("failing",)


@pytest.mark.shares_memory
def test_fault_12_a_coroutine_that_a_coroutine_returns(run) -> None:
    """Is treated the same wherever it runs: awaited, or refused."""
    made: list[Any] = []

    async def answer() -> int:
        return 8

    async def returns_it() -> Any:
        made.append(answer())
        return made[-1]

    graph = Graph(on_error="continue")
    graph.add(returns_it)
    try:
        found = run(graph)
        assert found.errors or found["returns_it"] == 8
    finally:
        made[0].close()  # no warning of what was never awaited


@pytest.mark.shares_memory
def test_fault_12_generators_that_a_function_returns(run) -> None:
    """Are values like others, within one process."""
    graph = Graph()
    graph.add(lambda: (number for number in range(3)), name="numbers")
    graph.add(sum, dependencies="numbers")
    assert run(graph)["sum"] == 3


@pytest.mark.shares_memory
def test_the_context_of_a_failed_attempt_is_over(run) -> None:
    """A context that a task has kept still answers, and keeps nothing running."""
    kept: list[Context] = []

    def bad(context: Context) -> None:
        kept.append(context)
        raise ValueError("bang")

    found = run(beside(bad), on_error="continue")
    check_beside(found, ValueError)
    assert kept[0].task == "bad0"
    assert kept[0].run_id == found.id
    assert list(kept[0].errors) == ["bad0"]
