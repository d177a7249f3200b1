"""A command as a callable: what it is given, how it is run, what is raised of it.

Its parameters are its placeholders, so it is wired like any function. It is a coroutine
function, since that is what every executor can interrupt; the coroutine only waits for
the thread that has the process.
"""

from __future__ import annotations

import os
import shlex
from functools import partial
from inspect import Parameter, Signature

from ._command_result import (
    CommandResult,
    ending,
    last_lines,
    shortened,
    shown_command,
    text_of,
)
from ._names import note_on
from ._placeholders import Template
from ._process import DRAIN, GRACE, Process, Tail
from ._redaction import Redaction, encoded_text
from .errors import CommandFailed
from .executors._pool import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeAlias

    from anyio import Event

    from ._process import Sink

    #: What is filled in for each call, or taken as it is.
    Text: TypeAlias = Template | str

_LOST = (
    "has ended, and how is not known: this program ignores SIGCHLD, or has waited for "
    "it by itself. Let SIGCHLD be signal.SIG_DFL, and wait for what you have begun only"
)

#: The shell that `graph.shell` speaks to.
SHELL = "/bin/sh" if os.name == "posix" else "sh"


class Command:
    """Run a command each time it is called, with values for its placeholders.

    Parameters:
        name: name of its task, for messages.
        place: where it is declared, as "file:line".
        arguments: the program and its arguments, or one text for a shell.
        given: what it reads from its standard input.
        cwd: where it runs.
        env: what is different in its environment.
        files: where stdout and stderr go if not into memory.
        check: whether an exit code that is not 0 is an error.
        captures: whether its output is captured.
        is_text: whether its output is text.
        max_output: the most bytes that are kept of each stream.
        secrets: what must not be seen.
    """

    #: Under "auto" threads run it, which bounds how many processes there are at once.
    wants_thread = True

    def __init__(
        self,
        name: str,
        place: str,
        arguments: Sequence[Text] | Template,
        *,
        given: Template | bytes | None,
        cwd: Text | None,
        env: Mapping[str, Text | None],
        files: tuple[Text | None, Text | None],
        check: bool,
        captures: bool,
        is_text: bool,
        max_output: int | None,
        secrets: Sequence[str],
    ) -> None:
        self.__name__ = name
        self.__declared_at__ = place
        self.arguments = arguments
        self.given = given
        self.cwd = cwd
        self.env = env
        self.files = files
        self.check = check
        self.captures = captures
        self.is_text = is_text
        self.max_output = max_output
        line = [arguments] if isinstance(arguments, Template) else arguments
        names = dict.fromkeys(
            name
            for text in (*line, cwd, *env.values(), given, *files)
            if isinstance(text, Template)
            for name in text.names
        )
        #: Secrets as they are, and placeholders whose values are secrets.
        self.secret_names = [name for name in names if f"{{{name}}}" in secrets]
        of_names = {f"{{{name}}}" for name in names}
        self.secrets = [secret for secret in secrets if secret not in of_names]
        self.__signature__ = Signature(
            [Parameter(name, Parameter.KEYWORD_ONLY) for name in names]
        )

    async def __call__(self, /, **values: Any) -> CommandResult[Any]:
        from .executors._in_thread import event_here

        self.__signature__.bind(**values)
        call = _Call(self, {name: text_of(value) for name, value in values.items()})
        event, set_soon = event_here()
        start_thread(partial(call.run, set_soon))
        try:
            await event.wait()
        except GeneratorExit:
            raise  # closed by force: nothing can be awaited any more
        except BaseException as error:
            await _end(call.process, event)
            call.tell(error)
            raise
        finally:
            call.process.kill()
        return call.outcome()


async def _end(process: Process, event: Event) -> None:
    """End a process in good order, or else by force; bounded."""
    import anyio

    process.terminate()
    with anyio.move_on_after(GRACE, shield=True):
        return await event.wait()

    process.kill()
    with anyio.move_on_after(2 * DRAIN, shield=True):
        await event.wait()


class _Call:
    """Run a command once.

    Parameters:
        command: the command.
        values: the texts for its placeholders.
    """

    def __init__(self, command: Command, values: Mapping[str, str]) -> None:
        self.command = command
        hidden = [*command.secrets, *(values[name] for name in command.secret_names)]
        self.redaction = Redaction(hidden)
        self._result: CommandResult[Any] | None = None
        self._error: BaseException | None = None

        def filled(text: Text) -> str:
            return text.fill(values) if isinstance(text, Template) else text

        def path(text: Text | None) -> str | None:
            return None if text is None else os.path.abspath(filled(text))

        line, self.shown = self._lines(command.arguments, values)
        given = command.given
        if isinstance(given, Template):
            given = encoded_text(filled(given))
        self.cwd = path(command.cwd)
        self.files = [path(file) for file in command.files]
        self.sinks = [self._sink(file) for file in self.files]
        self.process = Process(
            line,
            cwd=self.cwd,
            env=_environment(command.env, filled) if command.env else None,
            given=given,
            stdout=self.sinks[0],
            stderr=self.sinks[1],
        )

    def _lines(
        self, arguments: Sequence[Text] | Template, values: Mapping[str, str]
    ) -> tuple[list[str], tuple[str, ...] | str]:
        """Return what is run, and what is shown of it."""
        redacted = self.redaction.text
        if isinstance(arguments, Template):
            text = arguments.fill(values, shlex.quote)
            harmless = {name: redacted(value) for name, value in values.items()}
            shown = redacted(arguments.fill(harmless, shlex.quote))
            # A text that begins with a dash would be options of the shell.
            return [SHELL, "-c", f" {text}" if text[:1] in ("-", "+") else text], shown

        line = [
            text.fill(values) if isinstance(text, Template) else text
            for text in arguments
        ]
        return line, tuple(map(redacted, line))

    def _sink(self, file: str | None) -> Sink:
        if file is not None or not self.command.captures:
            return file

        limit = self.command.max_output
        # Some more than is asked for: where it is cut a secret must not be.
        return Tail(None if limit is None else limit + self._margin)

    @property
    def _margin(self) -> int:
        return max(self.redaction.longest - 1, 0)

    # In the thread of the process.

    def run(self, set_soon: Callable[[], object]) -> None:
        """Run it to its end, and tell so."""
        try:
            here = self.cwd or os.getcwd()
            self.process.run()
            self._result = self._made_result(here)
        except BaseException as error:
            self._error = error
        try:
            set_soon()
        except RuntimeError:
            pass  # the loop has been closed: nobody waits

    def _made_result(self, here: str) -> CommandResult[Any]:
        process = self.process
        code = process.returncode
        if code is None:
            missing = isinstance(process.failure, FileNotFoundError)
            code = 127 if missing and not self._failed_at() else 126
        redacted = self.redaction.text
        file = self.files[0]
        stdout, dropped = self._output(self.sinks[0])
        return CommandResult(
            command=self.shown,
            returncode=code,
            stdout=stdout,
            stderr=self._output(self.sinks[1])[0],
            cwd=redacted(here),
            duration=process.duration,
            stdout_file=None if file is None else redacted(file),
            captured=self.command.captures,
            dropped=dropped,
        )

    def _output(self, sink: Sink) -> tuple[str | bytes, int]:
        """Return what was kept of a stream, and how many bytes were not."""
        data, dropped = b"", 0
        if isinstance(sink, Tail):
            data, dropped = sink.take(), sink.dropped
            skip = 0
            if dropped:
                skip = min(self._margin, len(data))
                dropped += skip
            data = self.redaction.data(data, skip)
            if dropped:
                data = b"[... %d bytes cut ...]\n%b" % (dropped, data)
        if not self.command.is_text:
            return data, dropped

        text = data.decode("utf-8", "replace")
        return (text if os.linesep == "\n" else text.replace(os.linesep, "\n")), dropped

    # In the coroutine.

    def outcome(self) -> CommandResult[Any]:
        """Return the result, or raise what stands in its place."""
        try:
            if self._error is not None:
                raise self._error

            result = self._result
            assert result is not None
            failure = self.process.failure
            if failure is not None:
                raise self._failed(self._why_not_started(), result) from self._cause()

            if self.command.check and result.returncode:
                lost = self.process.is_lost
                raise self._failed(_LOST if lost else ending(result.returncode), result)

            return result
        finally:
            self._error = None

    def tell(self, error: BaseException) -> None:
        """Note at the error that ends the call what was ended."""
        result = self._result
        if result is not None and self.process.returncode is not None:
            what = f"was ended after {result.duration:.3g} s"
            note_on(error, self._text(what, result))

    def _failed(self, what: str, result: CommandResult[Any]) -> CommandFailed:
        name = self.command.__name__
        text = f"task {name!r}: {self._text(what, result)}"
        return CommandFailed(text, name, result)

    def _text(self, what: str, result: CommandResult[Any]) -> str:
        shown = shortened(shown_command(self.shown), 200)
        # What was in pieces, between escape sequences, may have come together.
        return self.redaction.text(f"command `{shown}` {what}{last_lines(result)}")

    def _failed_at(self) -> str:
        """Return which of its files has kept it from being started, "" for itself."""
        at = getattr(self.process.failure, "filename", None)
        if at is None:
            return ""

        if at in self.files:
            return " for its output"

        return " (its cwd)" if at == self.cwd else ""

    def _why_not_started(self) -> str:
        failure = self._cause()
        if not isinstance(failure, OSError):
            return f"could not be started: {failure}"

        why = failure.strerror or type(failure).__name__
        if failure.filename is not None:
            why += f": {failure.filename!r}{self._failed_at()}"
        return f"could not be started: {why}"

    def _cause(self) -> OSError | ValueError:
        """Return what has kept it from being started, without secrets."""
        failure = self.process.failure
        if not isinstance(failure, OSError):
            return ValueError(self.redaction.text(str(failure)))

        if failure.filename is None:
            return OSError(failure.errno, failure.strerror)

        file = self.redaction.text(os.fsdecode(failure.filename))
        return OSError(failure.errno, failure.strerror, file)


def _environment(
    changes: Mapping[str, Text | None], filled: Callable[[Text], str]
) -> dict[str, str]:
    """Return the present environment with what is different in that of a command."""
    environment = dict(os.environ)
    for name, text in changes.items():
        if text is not None:
            environment[name] = filled(text)
        else:
            environment.pop(name, None)
    return environment
