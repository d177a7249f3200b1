"""The names of Processes 1.0: what its users rely on, and what is better now."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from alert_servers import PASSWORD, Mailbox, certificate, mail_server

from syncra.compat.processes import (
    CircularDependencyError,
    DependencyNotFoundError,
    HTMLSMTPHandler,
    Process,
    Task,
    TaskDependency,
    TaskNotFoundError,
)
from syncra.errors import SyncraError

OPS = "ops@example.org"


def seven() -> int:
    return 7


def given(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs


def fail(reason: str = "no rows") -> None:
    raise ValueError(reason)


async def later(*args: Any) -> tuple[Any, ...]:
    return args


def add_result(name: str) -> TaskDependency:
    return TaskDependency(name, use_result_as_additional_args=True)


def by_keyword(name: str, keyword: str) -> TaskDependency:
    return TaskDependency(name, False, True, keyword)


def waiting(name: str, *names: str) -> Task:
    """Return a task that only waits for others."""
    return Task(name, None, seven, dependencies=[TaskDependency(n) for n in names])


@pytest.mark.parametrize("parallel", [False, True, None])
def test_arguments_and_results(parallel: bool | None) -> None:
    """Arguments, then results in the order of dependencies; and by keyword."""
    tasks = [
        Task(
            "last",
            None,
            given,
            ("first",),
            {"a": 1, "b": 2},
            [
                add_result("letter"),
                by_keyword("seven", "b"),
                TaskDependency("other"),
                add_result("results"),
                TaskDependency("seven", True, True, "again"),
            ],
        ),
        Task("seven", None, seven),
        Task("letter", None, str, ("x",)),
        Task("results", None, str, ("y",)),  # the name of a parameter of Syncra's own
        waiting("other"),
    ]
    result = Process(tasks).run(parallel)
    args, kwargs = result.passed_tasks_results["last"].result
    assert args == ("first", "x", "y", 7)
    assert kwargs == {"a": 1, "b": 7, "again": 7}
    assert result.failed_tasks == set()


@pytest.mark.parametrize("parallel", [False, True])
def test_where_one_fails_the_others_go_on(parallel: bool, tmp_path: Path) -> None:
    """What waits for it has not passed either, and its log says why."""
    log = tmp_path / "all.log"
    tasks = [
        Task("fails", str(log), fail, ("no money",)),
        Task("waits", str(log), seven, dependencies=[TaskDependency("fails")]),
        Task("waits too", log, seven, dependencies=[TaskDependency("waits")]),
        Task("fine", log, seven),
        Task("too many", log, seven, dependencies=[add_result("fine")]),
    ]
    with Process(tasks) as process:
        result = process.run(parallel=parallel)
    assert list(result.passed_tasks_results) == ["fine"]
    assert result.failed_tasks == {"fails", "waits", "waits too", "too many"}
    assert str(result.run.errors["fails"]) == "no money"
    assert set(result.run.errors) == {"fails", "too many"}  # in whatever order
    assert result.run.records["waits too"].skipped_because == ("fails",)
    text = log.read_text(encoding="utf-8")
    assert "in fail\n        raise ValueError(reason)" in text
    assert "skipped because of it: waits, waits too" in text
    assert "process.fine succeeded" in text


def test_each_task_has_its_log(tmp_path: Path) -> None:
    """Or none; what a function logs is there too, and runs append."""
    import logging

    def talkative(word: str) -> None:
        logging.getLogger("my.module").warning("I say %s", word)

    process = Process(
        [
            Task("first", tmp_path / "first.log", talkative, ("one",)),
            Task("second", tmp_path / "second.log", talkative, ("two",)),
            Task("silent", None, seven),
        ]
    )
    for _ in range(2):
        process.run(parallel=True)
    first = (tmp_path / "first.log").read_text(encoding="utf-8")
    second = (tmp_path / "second.log").read_text(encoding="utf-8")
    assert first.count("my.module: I say one") == second.count("I say two") == 2
    assert "two" not in first
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "first.log",
        "second.log",
    ]


def test_parallel_tasks_meet() -> None:
    """As many as there are workers, and no more."""
    barrier = threading.Barrier(3)
    tasks = [Task(f"task {n}", None, barrier.wait, (20,)) for n in range(3)]
    result = Process(tasks).run(parallel=True, max_workers=3)
    assert len(result.passed_tasks_results) == 3
    running = threading.Semaphore(2)

    def alone() -> bool:
        free = running.acquire(blocking=False)
        if free:
            running.release()
        return free

    tasks = [Task(f"task {n}", None, alone) for n in range(12)]
    found = Process(tasks).run(max_workers=2).passed_tasks_results.values()
    assert [one.result for one in found] == [True] * 12


def test_ten_tasks_run_in_parallel_unless_told_otherwise() -> None:
    """Fewer run in the calling thread, one after another."""

    def workers_of(count: int, parallel: bool | None) -> set[str | None]:
        meet = threading.Barrier(2 if count >= 10 and parallel is None else 1)
        tasks = [Task(f"task {n}", None, meet.wait, (20,)) for n in range(count)]
        result = Process(tasks).run(parallel, max_workers=2)
        assert result.failed_tasks == set()
        return {record.worker for record in result.run.records.values()}

    assert workers_of(9, None) == workers_of(10, False) == {"MainThread"}
    assert len(workers_of(10, None)) == 2


def test_coroutine_functions_are_tasks_too() -> None:
    """Which Processes could not run."""
    tasks = [
        Task("seven", None, seven),
        Task("later", None, later, ("a",), dependencies=[add_result("seven")]),
    ]
    for parallel in (False, True):
        result = Process(tasks).run(parallel)
        assert result.passed_tasks_results["later"].result == ("a", 7)


def test_a_process_can_run_again() -> None:
    """Each time anew."""
    calls: list[int] = []
    process = Process([Task("count", None, lambda: calls.append(1) or len(calls))])
    results = [process.run(True).passed_tasks_results["count"].result for _ in "abc"]
    assert results == [1, 2, 3]


def test_a_chain_of_thousands() -> None:
    """Nothing recurses."""
    tasks = [Task("task 0", None, int)]
    for number in range(1, 5_000):
        before = add_result(f"task {number - 1}")
        tasks.append(Task(f"task {number}", None, int, dependencies=[before]))
    process = Process(tasks[::-1])
    assert len(process.run(False).passed_tasks_results) == 5_000
    assert len(process.get_dependant_tasks("task 0")) == 4_999


def test_looking_at_a_process() -> None:
    """By name, and what waits for what."""
    process = Process(
        [waiting("d", "b", "c"), waiting("c", "a"), waiting("b"), waiting("a")]
    )
    assert process.get_task("c") is process.tasks[1]
    assert [one.name for one in process.get_dependant_tasks("a")] == ["d", "c"]
    assert process.get_dependant_tasks("d") == []
    assert process.get_task("d").get_dependencies_names() == {"b", "c"}
    with pytest.raises(TaskNotFoundError):
        process.get_task("e")
    assert Process([]).run().passed_tasks_results == {}


def test_what_is_seen_at_a_prompt() -> None:
    result = Process([Task("a", None, seven), Task("b", None, fail)]).run()
    assert repr(Task("a", None, seven)) == "<Task 'a'>"
    assert repr(result) == "<ProcessResult: 1 passed, 1 failed>"
    assert repr(result.passed_tasks_results["a"]) == "TaskResult(True, 7, None)"


@pytest.mark.parametrize(
    ("tasks", "error"),
    [
        ([waiting("a", "b")], DependencyNotFoundError),
        ([waiting("a", "b"), waiting("b", "a")], CircularDependencyError),
        ([waiting("a", "a")], ValueError),
        ([waiting("a"), waiting("a")], ValueError),
        (["a"], TypeError),
    ],
)
def test_mistakes_are_found_before_anything_runs(tasks: Any, error: Any) -> None:
    """With the exceptions that Processes has, which are Syncra's too."""
    with pytest.raises(error) as caught:
        Process(tasks)
    assert error is TypeError or isinstance(caught.value, SyncraError)


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((1, None, seven), {}, "name is a str"),
        (("a", seven, "a.log"), {}, "second argument is the path of a log file"),
        (("a", None, 3), {}, "third is the function"),
        (("a", None, seven, 3), {}, "args is a tuple"),
        (("a", None, seven), {"kwargs": [1]}, "kwargs is a dict"),
        (("a", None, seven), {"dependencies": ["b"]}, "is a TaskDependency"),
        (
            ("a", None, seven),
            {"dependencies": TaskDependency("b")},
            "task 'a': dependencies is a list",
        ),
        (("a", None, seven), {"html_mail_handler": 3}, "is a HTMLSMTPHandler"),
    ],
)
def test_a_task_is_checked(arguments: Any, options: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        Task(*arguments, **options)


def test_a_dependency_is_checked() -> None:
    with pytest.raises(TypeError, match="task_name is a str"):
        TaskDependency(1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="needs additional_kwarg_name="):
        TaskDependency("a", use_result_as_additional_kwargs=True)


def test_a_handler_is_checked() -> None:
    """Its password is in no error."""
    with pytest.raises(TypeError, match="mailhost is a tuple of two, got NoneType"):
        HTMLSMTPHandler(None, "me@example.org", [OPS])  # type: ignore[arg-type]
    for wrong in ("hunter2", ("user", "hunter2", "more")):
        with pytest.raises(TypeError, match="credentials is a tuple of two") as caught:
            HTMLSMTPHandler(
                "localhost",
                "me@example.org",
                [OPS],
                credentials=wrong,  # type: ignore[arg-type]
            )
        assert "hunter2" not in str(caught.value)


def test_a_mail_about_a_task_that_fails() -> None:
    """It says why, where, with what, and what has not run because of that."""
    with mail_server(Mailbox()) as mailbox:
        handler = HTMLSMTPHandler(("127.0.0.1", mailbox.port), "me@example.org", [OPS])
        tasks = [
            Task("fails", None, fail, ("no money",), html_mail_handler=handler),
            Task("waits", None, seven, (), {}, [TaskDependency("fails")], handler),
            Task("fails too", None, fail),
            Task("fine", None, seven, html_mail_handler=handler),
        ]
        with Process(tasks) as process:
            process.run()
        assert handler.email.errors == ()
        mail = mailbox.only_mail()  # it is there, since the block has been left
    assert mail["Subject"] == "[syncra] process: fails failed: ValueError: no money"
    assert (mail["From"], mail["To"]) == ("me@example.org", OPS)
    for kind in ("plain", "html"):
        text = mail.get_body((kind,)).get_content()
        assert "Traceback (most recent call last)" in text
        assert "in fail" in text
        assert "skipped because of it: waits" in text
        assert "fails too" not in text
    assert "reason='no money'" in mail.get_body(("plain",)).get_content()


def test_handlers_of_their_own() -> None:
    """Each mails about its tasks only, as often as the process runs."""
    with mail_server(Mailbox()) as left, mail_server(Mailbox()) as right:
        handlers = [
            HTMLSMTPHandler(("127.0.0.1", box.port), "me@example.org", OPS)
            for box in (left, right)
        ]
        tasks = [
            Task(f"{number} fails", None, fail, html_mail_handler=handler)
            for number, handler in enumerate([*handlers, handlers[1]])
        ]
        with Process(tasks) as process:
            process.run(parallel=True)
            process.run(parallel=False)
    names = [
        sorted(mail["Subject"].split()[2] for mail in box.mails)
        for box in (left, right)
    ]
    assert names == [["0", "0"], ["1", "1", "2", "2"]]


@pytest.mark.parametrize("spelling", ["use_tls", "secure"])
def test_mails_over_tls_with_a_login(spelling: str, tmp_path: Path) -> None:
    """Where the certificate is good; else nothing is sent, and no password."""
    server, client = certificate(tmp_path)
    with mail_server(Mailbox(), tls_context=server, require_starttls=True) as mailbox:
        where = (("localhost", mailbox.port), "me@example.org", [OPS])
        login = ("me", PASSWORD)
        tls = {"use_tls": True} if spelling == "use_tls" else {"secure": ()}
        distrusting = HTMLSMTPHandler(*where, credentials=login, **tls)
        trusting = HTMLSMTPHandler(*where, login, (None, None, client), timeout=20)
        for handler in (distrusting, trusting):
            with Process([Task("a", None, fail, html_mail_handler=handler)]) as process:
                process.run()
    (error,) = distrusting.email.errors
    assert "certificate is not to be trusted" in str(error)
    assert trusting.email.errors == ()
    assert len(mailbox.mails) == 1
    assert mailbox.logins == [(b"me", PASSWORD.encode())]
    assert PASSWORD not in repr(trusting)


def test_a_certificate_of_this_side(tmp_path: Path) -> None:
    """Given as files, as `logging.handlers.SMTPHandler` takes them."""
    certificate(tmp_path)
    files = (str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem"))
    where = (("localhost", 25), "me@example.org", [OPS])
    assert "localhost" in repr(HTMLSMTPHandler(*where, None, files))
    with pytest.raises(FileNotFoundError):
        HTMLSMTPHandler(*where, None, ("nowhere.pem",))


def test_fault_127_a_mail_server_that_is_down() -> None:
    """The process goes on; what could not be sent can be asked for."""
    with mail_server(Mailbox()) as mailbox:
        pass
    handler = HTMLSMTPHandler(("127.0.0.1", mailbox.port), "me@example.org", [OPS])
    with Process([Task("a", None, fail, html_mail_handler=handler)]) as process:
        result = process.run()
    assert result.failed_tasks == {"a"}
    assert len(handler.email.errors) == 1
