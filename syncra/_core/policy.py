"""When a failed attempt is followed by another one, and how long after."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Kinds: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]
    Answer: TypeAlias = bool | float | None
    Wanted: TypeAlias = Kinds | Callable[[BaseException], Answer]
    Backoff: TypeAlias = float | Callable[[int], float]


class Retry:
    """Say how often a task is tried, after which errors, and how long apart.

    The wait before attempt n + 1 is `backoff * 2 ** (n - 1)`, at most `max_backoff`,
    less a random part of it of up to `jitter`, so that tasks that failed together do
    not come back together. A waiting task holds no worker.

    Parameters:
        attempts: how often the task is tried in all, the first time included.
        on: the exceptions that are worth another try: a class, several, or a function
            that is given the exception and returns whether it is, or the seconds that
            are to pass before, as a server may have asked for: these are waited for
            exactly. By default every `Exception`. Of an exception group, as task groups
            raise them, classes mean everything in it.
        backoff: seconds before the second attempt, or a function that is given the
            number of the attempt that failed and returns seconds.
        max_backoff: the most seconds between two attempts.
        jitter: between 0 (waits are exact) and 1 (anything down to no wait).

    Raises:
        TypeError: if something has the wrong type.
        ValueError: if a number is out of its range.

    Example:
        >>> from syncra import Graph, Retry
        >>> graph = Graph("download")
        >>> answers = iter([OSError("busy"), OSError("busy"), "page"])
        >>> @graph.task(retry=Retry(attempts=3, on=OSError, backoff=0.001))
        ... def fetch() -> str:
        ...     answer = next(answers)
        ...     if isinstance(answer, OSError):
        ...         raise answer
        ...     return answer
        >>> run = graph()
        >>> run[fetch], len(run.records["fetch"].attempts)
        ('page', 3)
    """

    __slots__ = ("attempts", "backoff", "jitter", "max_backoff", "on")

    def __init__(
        self,
        attempts: int,
        on: Wanted = Exception,
        *,
        backoff: Backoff = 0.1,
        max_backoff: float = 30.0,
        jitter: float = 0.5,
    ) -> None:
        if isinstance(attempts, bool) or not isinstance(attempts, int):
            raise TypeError(f"Retry: attempts is a whole number, got {attempts!r}")

        if attempts < 1:
            raise ValueError(f"Retry: attempts is at least 1, got {attempts}")

        if not _are_exceptions(on) and not callable(on):
            raise TypeError(
                f"Retry: on= is an exception class, a tuple of them, or a function "
                f"that is given the exception, got {on!r}"
            )

        self.attempts = attempts
        self.on = tuple(on) if isinstance(on, list) else on
        self.backoff = (
            backoff
            if callable(backoff)
            else seconds(backoff, "Retry: backoff", least=0.0)
        )
        self.max_backoff = seconds(max_backoff, "Retry: max_backoff", least=0.0)
        self.jitter = seconds(jitter, "Retry: jitter", least=0.0)
        if self.jitter > 1:
            raise ValueError(f"Retry: jitter is between 0 and 1, got {jitter}")

    @property
    def calls_user_code(self) -> bool:
        """Return whether deciding means to call a function of the user."""
        return callable(self.backoff) or not _are_exceptions(self.on)

    def pause(self, error: BaseException, attempt: int, chance: float) -> float | None:
        """Return the seconds before the next attempt, or None if none follows.

        Parameters:
            error: what attempt number `attempt` has raised.
            attempt: number of the attempt that failed, from 1.
            chance: a random number from 0 to 1.
        """
        if attempt >= self.attempts:
            return None

        on = self.on
        if _are_exceptions(on):
            wanted: object = _is_one_of(error, on)  # type: ignore[arg-type]
        else:
            wanted = on(error)  # type: ignore[operator]
        if isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
            return seconds(wanted, "Retry: what on returned", least=0.0)

        return self.wait(attempt, chance) if wanted else None

    def wait(self, attempt: int, chance: float) -> float:
        """Return the seconds between attempt number `attempt` and the next one.

        Parameters:
            attempt: number of the attempt that failed, from 1.
            chance: a random number from 0 to 1.
        """
        backoff = self.backoff
        if callable(backoff):
            wait = seconds(backoff(attempt), "Retry: what backoff returned", least=0.0)
        else:
            # Beyond 2 ** 60 the exponent only makes trouble.
            wait = backoff * 2.0 ** min(attempt - 1, 60)
        return min(wait, self.max_backoff) * (1.0 - self.jitter * chance)

    def __repr__(self) -> str:
        return (
            f"Retry({self.attempts}, on={self.on!r}, backoff={self.backoff!r}, "
            f"max_backoff={self.max_backoff!r}, jitter={self.jitter!r})"
        )


def seconds(value: object, what: str, *, least: float | None = None) -> float:
    """Return a time in seconds as a float, or raise for what cannot be one.

    Parameters:
        value: what the user gave.
        what: what it was given for, for the message.
        least: the least it may be; None if it has to be more than 0.

    Raises:
        TypeError: if it is no number.
        ValueError: if it is a bool, not finite, or too small.
    """
    if isinstance(value, bool):
        raise ValueError(f"{what} is a number of seconds, got {value}")

    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        number = float("inf")
    except (TypeError, ValueError):
        number = None
    if number is None or isinstance(value, (str, bytes)):
        raise TypeError(f"{what} is a number of seconds, got {value!r}")

    if not number < float("inf"):  # neither of which NaN is
        raise ValueError(f"{what} is a finite number of seconds, got {value}")

    if number <= 0 if least is None else number < least:
        bound = "more than 0" if least is None else f"at least {least:g}"
        raise ValueError(f"{what} is {bound} seconds, got {value}")

    return number


def _is_one_of(error: BaseException, kinds: Kinds) -> bool:
    if isinstance(error, BaseExceptionGroup) and not isinstance(error, kinds):
        return error.split(kinds)[1] is None

    return isinstance(error, kinds)


def _are_exceptions(on: object) -> bool:
    kinds = on if isinstance(on, (tuple, list)) else (on,)
    return all(
        isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds
    )
