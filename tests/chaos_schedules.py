"""Random fault schedules: a seed decides on graph, faults, executor and way to run."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

#: What an attempt at a task may do.
ACTS = (
    "ok",  # returns at once
    "slow",  # returns after a few milliseconds
    "race",  # returns at about the moment its time is up
    "block",  # returns after its time is up, a coroutine without awaiting
    "raise",  # raises an Exception
    "base",  # raises a BaseException of its own
    "exit",  # raises SystemExit
    "final",  # raises DontRetry
    "skip",  # raises Skip
    "hang",  # waits for ever
    "tidy",  # waits for ever, and awaits something when it is cancelled
    "swallow",  # waits for ever, and returns when it is cancelled
    "complain",  # waits for ever, and raises an error of its own when cancelled
    "evade",  # waits for ever, and raises Skip when it is cancelled
    "stay",  # waits for ever, also when it is cancelled
    # In another process:
    "deaf",  # waits for ever, and ignores SIGTERM
    "sigkill",  # kills its process
    "quit",  # ends its process by os._exit
    "segv",  # has its process die of a segmentation fault
    "large",  # returns megabytes
    "unpicklable",  # returns what cannot be pickled
    "odd",  # raises what cannot be loaded again
)

#: These wait until somebody ends them.
ENDLESS = frozenset({"hang", "tidy", "swallow", "complain", "evade", "stay", "deaf"})

#: These end their process: exit code and signal.
DEADLY = {"sigkill": (None, 9), "quit": (3, None), "segv": (None, 11)}

#: A grace in seconds within which a coroutine that obeys has certainly ended.
OBEYED = 3.0

#: What may be wrong with a task, as often as it is named here.
FAULTS = (
    *("raise", "raise", "base", "exit", "final", "skip", "slow", "flaky", "flaky"),
    *("hang", "hang", "race", "block", "stubborn", "tidy"),
)

#: What may be wrong with a task in another process.
FAULTS_AWAY = (
    *("raise", "base", "exit", "final", "skip", "slow", "flaky", "odd", "unpicklable"),
    *("hang", "deaf", "race", "block", "stubborn", "tidy", "large", "large"),
    *("sigkill", "sigkill", "quit", "segv", "frail", "frail", "frail"),
)

EXECUTORS = (
    *("auto", "sequential", "threads", "one-thread", "three-threads"),
    *("pool", "synchronous-pool"),
)

#: With tasks in other processes.
AWAY = ("processes", "processes", "three-processes", "one-process")
MIXED = (*AWAY, "auto", "threads", "three-threads")

#: The number of worker processes of each executor.
WIDTHS = {"one-process": 1, "processes": 2, "three-processes": 3, "spawn": 1}

#: Schedules with processes have seeds from here on.
FIRST_MIXED = 1_000_000

WAYS = (
    "main",
    "thread",
    "asyncio",
    "trio",
    "background",
    "background-completed",
    "background-awaited",
)

TRIGGERS = ("all_done", "any_failed", "any_succeeded")


@dataclass
class TaskPlan:
    """Say what a task is like and what its attempts do.

    Attributes:
        index: its number; it only depends on lower ones.
        is_async: whether it is a coroutine function.
        before: the tasks whose results it takes.
        after: the tasks that it only waits for.
        acts: what its attempts do; the last entry holds for all further ones.
        attempts: how often it may be tried.
        pause: seconds that a "slow", "race" or "block" attempt takes.
        undo: "ok" or "raise" if it has a rollback function.
        is_away: whether it runs in another process.
    """

    index: int
    is_async: bool
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    trigger: str = "all_succeeded"
    acts: tuple[str, ...] = ("ok",)
    attempts: int = 1
    backoff: float = 0.0
    timeout: float | None = None
    pause: float = 0.0
    yields: bool = False
    executor: str | None = None
    undo: str | None = None
    undo_is_async: bool = False
    is_away: bool = False

    @property
    def name(self) -> str:
        return f"t{self.index:02}"

    @property
    def waits_for(self) -> tuple[int, ...]:
        return self.before + self.after

    @property
    def obeys(self) -> bool:
        """Return whether each attempt ends soon when it is told to."""
        deaf = {"stay", "deaf"}.intersection(self.acts)
        return (self.is_async or self.is_away) and not deaf

    def act(self, attempt: int) -> str:
        """Return what an attempt does, counted from 1."""
        return self.acts[min(attempt, len(self.acts)) - 1]


@dataclass
class Schedule:
    """Say what happens in one run.

    Attributes:
        ending: "cancel", "signal", "outer" (whoever awaits the run is cancelled) or
            "timeout"; None if nothing ends the run from outside.
        end_at: how many attempts have started when that happens.
        end_from: "thread" or "task".
        end_grace: what `cancel` is given.
        added: the order in which the tasks are added to the graph.
        kills: when somebody kills a "worker" or the "guardian": seconds from the start.
    """

    seed: int
    executor: str
    way: str
    on_error: str
    tasks: list[TaskPlan] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    ending: str | None = None
    end_at: int = 1
    end_from: str = "thread"
    end_grace: float | None = None
    grace: float | None = None
    timeout: float | None = None
    kills: list[tuple[float, str]] = field(default_factory=list)

    @property
    def is_mixed(self) -> bool:
        """Return whether tasks may run in other processes."""
        return self.seed >= FIRST_MIXED

    def place(self, plan: TaskPlan) -> str:
        """Return the name of the executor of a task."""
        return plan.executor or self.executor

    @property
    def one_at_a_time(self) -> bool:
        """Return whether no two tasks may run at once."""
        return self.executor in ("sequential", "one-thread") and not any(
            plan.executor for plan in self.tasks
        )

    def replay(self) -> str:
        """Return the command that carries out this schedule alone."""
        return (
            f"SYNCRA_CHAOS_SEED={self.seed} python -m pytest tests/test_chaos.py "
            f"-k replay"
        )

    def shown(self) -> str:
        """Return what is not as usual, for the report of a failure."""
        usual = TaskPlan(0, False)
        lines = [
            f"seed {self.seed}: {len(self.tasks)} tasks, executor {self.executor}, "
            f"way {self.way}, on_error {self.on_error}, grace {self.grace}, timeout "
            f"{self.timeout}, ending {self.ending} at {self.end_at} from "
            f"{self.end_from} with grace {self.end_grace}, kills {self.kills}"
        ]
        for plan in self.tasks:
            told = {
                key: value
                for key, value in vars(plan).items()
                if key != "index" and value != getattr(usual, key)
            }
            lines.append(f"  {plan.name} {told}")
        return "\n".join(lines)


def make_schedule(seed: int) -> Schedule:
    """Return the schedule of a seed, the same in every process."""
    random = Random(seed)
    mixed = seed >= FIRST_MIXED
    schedule = Schedule(
        seed,
        executor=random.choice(MIXED if mixed else EXECUTORS),
        way=random.choice(WAYS),
        on_error=random.choice(("raise", "continue", "continue", "rollback")),
    )
    _add_tasks(schedule, random)
    if mixed:
        _move_away(schedule, random)
    _add_ending(schedule, random)
    if mixed:
        _add_kills(schedule, random)
    for plan in random.sample(
        schedule.tasks, min(random.randrange(5), len(schedule.tasks))
    ):
        _add_fault(schedule, plan, random)
    _add_grace(schedule, random)
    if schedule.on_error == "rollback":
        for plan in schedule.tasks:
            if random.random() < 0.5:
                plan.undo = "raise" if random.random() < 0.15 else "ok"
                plan.undo_is_async = random.random() < 0.3
    return schedule


def _move_away(schedule: Schedule, random: Random) -> None:
    """Have some tasks run in other processes, and others not."""
    if random.random() < 0.04:
        schedule.executor = "spawn"
    here = ("threads", "sequential", "auto", "auto")
    away = schedule.executor in WIDTHS
    share = random.choice((0.0, 0.0, 0.3, 0.6) if away else (0.3, 0.6, 0.9))
    for plan in schedule.tasks:
        if random.random() < share:
            plan.executor = random.choice(here if away else AWAY)
        plan.is_away = schedule.place(plan) in WIDTHS
        if plan.is_away and random.random() < 0.3:
            plan.acts, plan.pause = ("slow",), random.uniform(0.001, 0.02)


def _add_kills(schedule: Schedule, random: Random) -> None:
    """Have somebody kill worker processes during the run."""
    if random.random() < 0.5:
        for _ in range(random.randint(1, 4)):
            schedule.kills.append((random.uniform(0.0, 0.1), "worker"))
    if random.random() < 0.1:
        schedule.kills.append((random.uniform(0.0, 0.1), "guardian"))
    schedule.kills.sort()


def _add_tasks(schedule: Schedule, random: Random) -> None:
    size = random.choice((random.randint(1, 6), random.randint(3, 20)) * 2 + (60,))
    if size == 60:
        size = random.randint(20, 60)
    asyncness = random.choice((0.0, 0.3, 0.5, 1.0))
    widest = random.choice((1, 2, 3, 5))
    reach = random.choice((3, 8, 60))
    triggered = random.choice((0.0, 0.0, 0.1, 0.3))
    moved = random.choice((0.0, 0.0, 0.0, 0.2))
    for index in range(size):
        plan = TaskPlan(index, random.random() < asyncness)
        nearest = range(max(0, index - reach), index)
        found = random.sample(nearest, min(len(nearest), random.randint(0, widest)))
        cut = len(found) if random.random() < 0.7 else random.randint(0, len(found))
        plan.before, plan.after = tuple(found[:cut]), tuple(found[cut:])
        if found and random.random() < triggered:
            plan.trigger = random.choice(TRIGGERS)
        if random.random() < moved:
            plan.executor = random.choice(("threads", "sequential", "auto"))
        plan.yields = random.random() < 0.5
        schedule.tasks.append(plan)
    schedule.added = list(range(size))
    if random.random() < 0.3:
        random.shuffle(schedule.added)


def _add_ending(schedule: Schedule, random: Random) -> None:
    endings = ["cancel", "timeout"]
    if schedule.way == "main":
        endings.append("signal")
    if schedule.way in ("asyncio", "trio", "background-awaited"):
        endings.append("outer")
    if random.random() < 0.35:
        schedule.ending = random.choice(endings)
    if schedule.ending == "timeout":
        shortest = (0.02, 0.05, 0.1) if schedule.is_mixed else (0.001, 0.005, 0.02)
        schedule.timeout = random.choice((*shortest, 0.05))
    schedule.end_at = random.randint(1, len(schedule.tasks))
    if schedule.ending == "cancel":
        if not schedule.is_mixed:
            schedule.end_from = random.choice(("thread", "thread", "task"))
        schedule.end_grace = random.choice((None, None, 0.0, 0.05))


def _add_fault(schedule: Schedule, plan: TaskPlan, random: Random) -> None:
    fault = random.choice(FAULTS_AWAY if plan.is_away else FAULTS)
    if fault == "stubborn":
        fault = random.choice(("swallow", "complain", "evade", "stay"))
    if fault in ENDLESS and fault != "hang" and not plan.is_away:
        plan.is_async = True
    plan.acts = (fault,)
    plan.pause = random.uniform(0.001, 0.005)
    if fault in ENDLESS:
        # Without a limit of its own it needs one of the run.
        if schedule.ending is None or random.random() < 0.5:
            plan.timeout = random.uniform(0.02, 0.06)
    elif fault == "race":
        plan.timeout = random.uniform(0.005, 0.02)
        plan.pause = max(plan.timeout + random.uniform(-0.001, 0.0005), 0.0)
    elif fault == "block":
        plan.timeout = random.uniform(0.005, 0.015)
        plan.pause = plan.timeout * random.uniform(1.1, 2.0)
    elif fault == "flaky":
        plan.acts = ("raise",) * random.randint(1, 3) + ("ok",)
        plan.attempts = random.randint(2, 4)
    elif fault == "frail":
        plan.acts = (random.choice(list(DEADLY)),) * random.randint(1, 2) + ("ok",)
        plan.attempts = random.randint(2, 4)
    if plan.is_away and plan.timeout is not None and fault in ENDLESS:
        plan.timeout += random.choice((0.0, 0.03))  # a process takes that to begin
    if fault not in {"flaky", "frail"} and random.random() < 0.3:
        plan.attempts = random.randint(2, 3)
        if random.random() < 0.5:
            plan.acts += ("ok",)
    plan.backoff = random.choice((0.0, 0.0, 0.001, 0.004))


def _add_grace(schedule: Schedule, random: Random) -> None:
    """Give the run a grace wherever the usual one would be long."""
    endless = [p for p in schedule.tasks if ENDLESS.intersection(p.acts)]
    if all(plan.obeys for plan in endless) and random.random() < 0.3:
        schedule.grace = random.choice((None, OBEYED))  # nobody will need it
    elif endless or (schedule.ending and random.random() < 0.5):
        schedule.grace = random.choice((0.0, 0.03, 0.05, 0.05, 0.1, 0.1, 0.2))
    elif random.random() < 0.2:
        schedule.grace = random.choice((0.0, 0.05))
