"""Texts with placeholders: `{name}` is filled in, `{{` and `}}` are braces.

In the text of a shell every value is quoted, which is only safe where the shell reads a
quoted word. So each placeholder is looked at when the command is declared, by a scanner
that knows as much of the shell's grammar as that takes. Where it cannot be sure it
refuses: a value can always come in through `env=`.
"""

from __future__ import annotations

import re
from keyword import iskeyword

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class Template:
    """Hold a text with placeholders.

    Parameters:
        text: the text.
        whose: what it belongs to, for messages.

    Attributes:
        literals: the texts around the placeholders, one more than there are names.
        names: the names of the placeholders, in order.

    Raises:
        ValueError: if a placeholder is more than a name.
    """

    __slots__ = ("literals", "names")

    def __init__(self, text: str, whose: str) -> None:
        literals = [""]
        names = []
        position = 0
        for token in _TOKEN.finditer(text):
            literals[-1] += text[position : token.start()]
            position = token.end()
            if token[0] in ("{{", "}}"):
                literals[-1] += token[0][0]
            else:
                name = token[1] or ""
                if not name.isidentifier() or iskeyword(name):
                    raise ValueError(
                        f"{whose} holds {token[0]!r}: a placeholder is a name in "
                        f"braces, such as {{path}}, without attribute, index or "
                        f"format. Write {{{{ and }}}} for literal braces."
                    )

                names.append(name)
                literals.append("")
        literals[-1] += text[position:]
        self.literals = tuple(literals)
        self.names = tuple(names)

    def fill(self, values: Mapping[str, str], quote: Callable[[str], str] = str) -> str:
        """Return the text with the placeholders filled.

        Parameters:
            values: texts by name of the placeholder.
            quote: what each value is passed through.
        """
        parts = [self.literals[0]]
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            parts += quote(values[name]), literal
        return "".join(parts)


def check_for_shell(template: Template, whose: str) -> None:
    """Raise for a placeholder that a quoted value could break out of.

    Parameters:
        template: a command line of a POSIX shell.
        whose: what it belongs to, for messages.

    Raises:
        ValueError: if there is one.
    """
    scanner = _Scanner()
    for name, literal in zip(template.names, template.literals, strict=False):
        scanner.read(literal)
        reason = scanner.objection()
        if reason is not None:
            raise ValueError(
                f"{whose}: placeholder {{{name}}} {reason}. A value can also come in "
                f'as a variable: env={{"VALUE": "{{{name}}}"}} and "$VALUE" in the '
                f"command."
            )

        scanner.word_begins = scanner.after_dollar = False


class _Scanner:
    """Know where in the grammar of the shell the text has come to."""

    def __init__(self) -> None:
        self.state = "plain"  # or "single", "double", "comment"
        self.word_begins = True
        self.after_dollar = self.after_backslash = False
        #: What closes the expansions that are open, innermost last.
        self.open: list[str] = []
        #: After what the quotes cannot be told any more.
        self.unsure = ""

    def objection(self) -> str | None:
        """Return what speaks against a quoted value here, or None."""
        if self.state in ("single", "double"):
            return (
                "is within quotes. Drop the quotes around it: every value is quoted "
                "for the shell already"
            )

        if self.state == "comment":
            return "is in a comment, which a line break in its value would end"

        if self.after_dollar:
            return "follows a '$'. Write ${{...}} for a variable of the shell"

        if self.after_backslash:
            return "follows a backslash, which would undo its quotes"

        if self.unsure or self.open:
            after = self.unsure or "${"
            return f"comes after {after!r}, where values cannot be quoted reliably"

        return None

    def read(self, text: str) -> None:
        """Go on through a literal part of the text."""
        for position, letter in enumerate(text):
            dollar = letter == "$"
            if self.after_backslash:
                self.after_backslash = dollar = False
                # A line that is continued has not been interrupted.
                self.word_begins = self.word_begins and letter == "\n"
            elif self.state == "single":
                if letter == "'":
                    self.state = "plain"
            elif self.state == "comment":
                if letter == "\n":
                    self.state, self.word_begins = "plain", True
            elif self.state == "double":
                self._read_double(letter)
            else:
                self._read_plain(letter, text[position : position + 2])
            self.after_dollar = dollar

    def _read_double(self, letter: str) -> None:
        if self.open and letter in "\"'\\`#":
            self.unsure = self.unsure or "quotes within quotes"
        if letter == '"':
            self.state = "plain"
        elif letter == "\\":
            self.after_backslash = True
        elif letter == "`":
            self.unsure = self.unsure or "`"
        elif letter in "({" and (self.after_dollar or self.open):
            self.open.append(")" if letter == "(" else "}")
        elif self.open and letter == self.open[-1]:
            self.open.pop()

    def _read_plain(self, letter: str, two: str) -> None:
        if letter == "'" and self.after_dollar:
            self.unsure = self.unsure or "$'"
        elif two in ("<<", "((") or letter == "`":
            # A here-document, arithmetic, an old substitution: other rules of quoting.
            self.unsure = self.unsure or (letter if letter == "`" else two)
        if letter == "'":
            self.state = "single"
        elif letter == '"':
            self.state = "double"
        elif letter == "\\":
            self.after_backslash = True
            return  # what it does to the beginning of a word, the next letter says
        elif letter == "#" and self.word_begins:
            self.state = "comment"
        elif letter == "{" and self.after_dollar:
            self.open.append("}")
        elif self.open and letter == self.open[-1]:
            self.open.pop()
        self.word_begins = letter in " \t\n;&|()<>"
