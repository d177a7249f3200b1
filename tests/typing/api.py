"""What type checkers must make of the public names. Checked, never executed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, MutableMapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

from syncra import (
    CommandResult,
    Context,
    Graph,
    Run,
    Task,
    get_graph,
    list_graphs,
    task,
)
from syncra.errors import CommandFailed
from syncra.executors import Foreign, Threads
from syncra.observers import KeepLogs, LogEntry


# Every spelling of the decorator keeps the parameters and the result.
@task
def bare(path: str) -> list[int]:
    return [len(path)]


@task(graph="etl")
def extract(path: str, *, limit: int = 10) -> list[int]:
    return [len(path)] * limit


@task("etl", dependencies=extract, name="more")
async def enrich(rows: list[int]) -> dict[str, int]:
    return {str(row): row for row in rows}


@task(graph_name="etl", dependencies=[extract, enrich], executor=Threads(2))
def crunch(rows: list[int], more: dict[str, int]) -> float:
    return sum(rows) / len(more)


graph = Graph("typed", executor="threads", on_error="continue")


@graph.task
def first(context: Context) -> bytes:
    assert_type(context.shared, MutableMapping[str, Any])
    return context.run_id.encode()


@graph.task(dependencies={"data": first}, outputs=("head", "tail"))
async def second(data: bytes) -> tuple[bytes, bytes]:
    return data[:1], data[1:]


# Called like the function, with its signature.
assert_type(extract("x", limit=3), list[int])
assert_type(bare("x"), list[int])
pending: Coroutine[Any, Any, dict[str, int]] = enrich([1])
extract(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
extract("x", limt=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
crunch([1], {}, 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# Adding keeps types too.
added = graph.add(len, dependencies=first)
assert_type(added("x"), int)


def plain(number: int) -> str:
    return str(number)


plain_task = graph.add(plain, name="plain", kwargs={"number": 3})
assert_type(plain_task(3), str)
plain_as_task: Task[..., str] = plain_task


async def coroutine(number: int) -> str:
    return str(number)


async_task = graph.add(coroutine)
pending_too: Coroutine[Any, Any, str] = async_task(3)

# Results have the type of what the function returns, or what its coroutine does.
run = get_graph("etl")(path="data.csv")
assert_type(run, Run)
assert_type(run[extract], list[int])
assert_type(run[enrich], dict[str, int])
assert_type(run[crunch], float)
assert_type(run.get(crunch), float | None)
assert_type(run.get(crunch, 0.0), float)
assert_type(run.get(crunch, "nothing"), float | str)
assert_type(run.records[crunch].duration, float | None)
assert_type(run[first], bytes)
assert_type(run[second], tuple[bytes, bytes])
assert_type(run[async_task], str)
assert_type(run[plain_task], str)
assert_type(run["anything"], Any)
assert_type(run[second["head"]], Any)
assert_type(list_graphs(), list[str])

# A graph as one task gives a run.
nested = graph.add(get_graph("etl"), name="nested")
assert_type(run[nested], Run)
assert_type(run[nested][crunch], float)


async def service() -> None:
    assert_type(await get_graph("etl")(path="x"), Run)
    assert_type(await graph.arun({}, targets=[first]), Run)
    assert_type(await enrich([1]), dict[str, int])
    started = graph.start()
    assert_type(await started, Run)
    assert_type(started.wait(1.0), bool)
    seeded = await graph.arun(shared={"visits": 0})
    assert_type(seeded.shared, MutableMapping[str, Any])
    graph.run(shared=[])  # type: ignore[arg-type]  # pyright: ignore


# Commands give a result of text, or of bytes if that is asked for.
clone = graph.command(["git", "clone", "{url}"], timeout=60, env={"LANG": None})
archive = graph.command(["tar", "c", "."], text=False, dependencies=clone, cwd="{at}")
listed = graph.command(["ls", Path("/tmp"), "{path}"], name="listed")
options: list[str] = ["-l", "-a"]
graph.command(["ls", *options], name="long")
graph.command(options, name="options")
graph.command(("ls", Path.home()), name="home")
count = graph.shell("wc -l {path}", name="count", retry=3, redact=["secret"])
raw = graph.shell("cat {path}", text=False)
assert_type(run[clone], CommandResult)
assert_type(run[clone].stdout, str)
assert_type(run[archive].stdout, bytes)
assert_type(run[count], CommandResult[str])
assert_type(run[raw], CommandResult[bytes])
result_as_task: Task[..., CommandResult] = clone
graph.command("git status")  # type: ignore[call-overload]  # pyright: ignore
graph.command(["ls"], cdw="/")  # type: ignore[call-overload]  # pyright: ignore
graph.shell(["ls"])  # type: ignore[call-overload]  # pyright: ignore


def code_of(error: CommandFailed) -> int:
    return error.result.returncode


# Dependencies are tasks, names, functions or parts of results, alone or several.
graph.add(plain, name="a", dependencies=first)
graph.add(plain, name="b", dependencies="first")
graph.add(plain, name="c", dependencies=[first, "a", plain, second["head"]])
graph.add(plain, name="d", dependencies=first & second & plain_task)
graph.add(plain, name="e", dependencies={"number": first}, after=plain_task)

# Decorators can be stacked, and a decorator kept.
stacked = task(graph="other")(extract)
assert_type(stacked("x"), list[int])
decorate = task(graph="kept", tags=["slow"])
assert_type(decorate(plain)(3), str)

with graph.override({first: lambda: b"x", "a": plain}) as overridden:
    assert_type(overridden, Graph)


# Pools are executors wherever one is taken.
def in_pools(processes: ProcessPoolExecutor, any_pool: Executor) -> None:
    pooled = Graph("pooled", executor=ThreadPoolExecutor(2))
    pooled.add(plain, executor=processes)

    @pooled.task(executor=Foreign(any_pool, max_in_flight=100))
    def in_pool(number: int) -> str:
        return str(number)

    @task(graph="pooled", executor=any_pool)
    def in_any_pool(number: int) -> float:
        return number / 2

    run = pooled.run({"number": 3}, executor=any_pool)
    assert_type(run[in_pool], str)
    assert_type(run[in_any_pool], float)
    pooled.start(executor=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


functions: list[Callable[..., Any]] = [extract, enrich]  # tasks are callables

# Graphs and runs are drawn alike.
assert_type(graph.to_mermaid(direction="TB", fold=None), str)
assert_type(run.to_mermaid(fold="tags"), str)
assert_type(graph.to_dot(direction="LR", fold="prefix"), str)
assert_type(run.to_dot(), str)
assert_type(graph.draw("graph.svg"), Path)
assert_type(run.draw(Path("run.png"), direction=None, fold="auto"), Path)
assert_type(run.draw("run.svg", timeout=None), Path)
graph.to_dot(direction="RL")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
run.draw("run.svg", fold=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# What tasks log is kept for the report.
kept = Graph("kept", observers=[KeepLogs(level="DEBUG", redact=["secret"])])
for entries in kept.run().report().logs.values():
    assert_type(entries, tuple[LogEntry, ...])
    assert_type(entries[0].time, datetime)

# Tasks made by calling the class, and graphs that take them in.
made = Task(name="made", func=plain, retry=2)
made_async = Task(func=coroutine, dependencies=made)
assert_type(made(3), str)
assert_type(run[made], str)
assert_type(run[made_async], str)
gathering = Graph("gathering")
gathering += made
gathering += [made, made_async, plain]
assert_type(gathering, Graph)
assert_type(Graph.from_list("listed", [{"func": plain}]), Graph)
Task(plain, nam="made")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
