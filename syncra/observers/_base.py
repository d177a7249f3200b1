"""What an observer may want to be told."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._records import State
    from .._run import Run


class Observer:
    """Watch runs: override what you want to be told of.

    Any object with some of these methods is an observer; who derives from this class
    has the others too. They are called one after another, in the order in which things
    happen, in a thread that belongs to none of the tasks. Whatever they raise, and
    however long they take, the run goes on as it would without them: what goes wrong
    is listed in `run.observer_errors`.

    Of several observers the first one is told first when something begins, and last
    when it is over, as context managers are left in reverse order.

    Example:
        >>> from syncra import Graph
        >>> from syncra.observers import Observer
        >>> class Diary(Observer):
        ...     def task_finished(self, run, task, state):
        ...         print(task, state)
        >>> graph = Graph(observers=[Diary()])
        >>> one = graph.add(lambda: 1, name="one")
        >>> two = graph.add(lambda one: one + 1, name="two", dependencies=one)
        >>> run = graph.run()
        one succeeded
        two succeeded
    """

    def run_started(self, run: Run) -> None:
        """Take note that a run has started.

        Parameters:
            run: the run. A handle too: `run.cancel()` ends it.
        """

    def task_started(self, run: Run, task: str, attempt: int) -> None:
        """Take note that an attempt at a task has started.

        Parameters:
            run: the run.
            task: name of the task.
            attempt: number of the attempt, from 1. It comes again for one that was
                given to a worker that turned out not to have begun with it.
        """

    def task_retrying(
        self, run: Run, task: str, attempt: int, error: BaseException, wait: float
    ) -> None:
        """Take note that an attempt has failed, and that another one follows.

        Parameters:
            run: the run.
            task: name of the task.
            attempt: number of the attempt that has failed.
            error: what it has raised.
            wait: seconds until the next one.
        """

    def task_finished(self, run: Run, task: str, state: State) -> None:
        """Take note that a task is over; also one that has never started.

        Parameters:
            run: the run; `run.records[task]` tells more.
            task: name of the task.
            state: its last state.
        """

    def run_finished(self, run: Run) -> None:
        """Take note that a run is over, and what it had to undo undone.

        Parameters:
            run: the run, whose results and records are complete.
        """
