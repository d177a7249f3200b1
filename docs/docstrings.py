"""How the code reaches the reference of the site; loaded by `mkdocs.yml`.

The reference is made without importing Syncra. What the code says in ways of its own
is told here as readers expect it:

- an option that reaches a function in `**options` has its type, where the docstring
  names it, and so has one that has its type from an overload;
- what is only a name for a type, such as `AnyExecutor`, is shown as that type;
- "Example:" begins examples, as "Examples:" does;
- a public name between backticks, and an error under "Raises:", are links.
"""

from __future__ import annotations

import ast
import copy
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import griffe

#: Types by their names, where the whole type is more than a table has room for.
IN_SHORT = {
    "syncra._declare_command.Arguments": "Sequence[str | os.PathLike[str]]",
    "syncra._definition.Target": "Task | str | Callable",
    "syncra._task.Dependencies": "Task | str | Callable | Iterable | Mapping",
}

#: What Syncra makes, never its users: how it is made is of no use to them.
MADE_HERE = (
    *("_command_result.CommandResult", "_context.Context", "_inputs.Input"),
    *("_records.Attempt", "_records.Progress", "_records.TaskRecord"),
    *("_report.Report", "_run.Run", "_task_logs.LogEntry"),
    "_observing.ObserverError",
)

#: What takes the options in the end, and so knows what they are by default.
TAKERS = ("_preparing.prepare", "_declare_command.make_command")

#: The section of parameters, and what an entry of it looks like.
PARAMETERS = re.compile(r"^Parameters:\n((?:(?:    .*)?\n)*(?:    .*)?)", re.MULTILINE)
ENTRY = re.compile(r"^    (\w+): ", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Prepare the objects of the package, when all are read."""

    def __init__(self) -> None:
        super().__init__()
        self.overloads: dict[str, list[griffe.Function]] = {}

    def on_function_instance(self, *, func: griffe.Function, **_: object) -> None:
        """Keep overloads, which are in the branch that only checkers of types see."""
        if func.overloads:
            self.overloads[func.path] = func.overloads

    def on_package(self, *, pkg: griffe.Module, **_: object) -> None:
        """Change what the package says of itself."""
        places = places_in_reference()
        for path in MADE_HERE:
            pkg[path].members.pop("__init__", None)
            pkg[path].decorators = []  # such as `dataclass`, which would bring it back
        objects = list(objects_of(pkg))
        for item in objects:
            if isinstance(item, griffe.Module):
                name_errors(item)
            elif isinstance(item, griffe.Class):
                find_docstring(item)
            elif isinstance(item, griffe.Function):
                # A class whose overloads say what it makes has them on `__new__`.
                declared = item.path.replace(".__init__", ".__new__")
                overloads = self.overloads.get(declared, [])
                use_overloads(item, overloads, pkg)
                unpack_options(item, overloads, pkg)
                spell_out_types(item, pkg)
            if item.docstring is not None:
                text = item.docstring.value.replace("\nExample:\n", "\nExamples:\n")
                if not item.path.startswith("syncra.compat"):
                    text = with_links(text, item.name, places)
                item.docstring.value = text


def objects_of(pkg: griffe.Module) -> Iterator[griffe.Object]:
    """Return modules, classes, functions and attributes, with all within them."""
    waiting: list[griffe.Object] = [pkg]
    while waiting:
        item = waiting.pop()
        yield item
        waiting.extend(
            member for member in item.members.values() if not member.is_alias
        )


def places_in_reference() -> dict[str, str]:
    """Return what a docstring may call a name that has a place, and that place."""
    places = {}
    for page in sorted((Path(__file__).parent / "reference").glob("*.md")):
        for path in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE):
            if not path.startswith("syncra.compat."):
                places[path] = path
                if path.rpartition(".")[2][0].isupper():  # `run` may be anything
                    places[path.rpartition(".")[2]] = path
    return places


def with_links(text: str, name: str, places: dict[str, str]) -> str:
    """Return a docstring in which public names are links, but for its own."""

    def link(found: re.Match[str]) -> str:
        place = places.get(found[1])
        if place is None or found[1] == name:
            return found[0]

        return f"[`{found[1]}`][{place}]"

    return re.sub(r"(?<!\[)`([\w.]+)`", link, text)


def name_errors(module: griffe.Module) -> None:
    """Let a module know the errors that it only names in docstrings."""
    if module.path == "syncra.errors":
        return

    for name, error in module.package["errors"].classes.items():
        if name not in module.members:
            module.set_member(name, griffe.Alias(name, error, parent=module))


def find_docstring(item: griffe.Class) -> None:
    """Read a docstring that is not the first statement: `__doc__ = _Doc("...")`."""
    given = item.members.get("__doc__")
    if item.docstring is None and given is not None and not given.is_alias:
        value = given.value
        if isinstance(value, griffe.ExprCall):
            text = inspect.cleandoc(ast.literal_eval(str(value.arguments[0])))
            item.docstring = griffe.Docstring(text, parent=item, lineno=given.lineno)


def use_overloads(
    function: griffe.Function, overloads: list[griffe.Function], pkg: griffe.Module
) -> None:
    """Give parameters without a type that of the overloads, or of their options."""
    kinds = {str(overload.returns).partition("[")[0] for overload in overloads}
    if kinds and kinds <= {"Task", "AsyncTask"}:
        function.returns = griffe.safe_get_annotation(
            ast.parse("Task", mode="eval").body, parent=function.parent
        )
    for parameter in function.parameters:
        found = [
            overload.parameters[parameter.name].annotation
            for overload in overloads
            if parameter.name in overload.parameters
        ]
        found += [
            options[parameter.name].annotation
            for overload in overloads
            if parameter.name in (options := options_in(overload, pkg))
        ]
        if parameter.annotation is None and found:
            parameter.annotation = found[-1]


def options_in(
    function: griffe.Function, pkg: griffe.Module
) -> dict[str, griffe.Attribute]:
    """Return what `**options: Unpack[...]` takes, by name."""
    for parameter in function.parameters:
        found = re.fullmatch(r"Unpack\[(\w+)\]", str(parameter.annotation))
        if found is not None:
            kind = pkg[function.resolve(found[1]).removeprefix("syncra.")]
            # Inherited ones first, as in the code.
            kinds = [*reversed(kind.mro()), kind]
            return {
                name: attribute
                for each in kinds
                for name, attribute in each.attributes.items()
            }
    return {}


def unpack_options(
    function: griffe.Function, overloads: list[griffe.Function], pkg: griffe.Module
) -> None:
    """Show the options that the docstring names as parameters of the function."""
    options = options_in(function, pkg)
    for overload in overloads:
        options |= {
            parameter.name: parameter
            for parameter in overload.parameters
            if parameter.kind is griffe.ParameterKind.keyword_only
        } | options_in(overload, pkg)
    docstring = function.docstring
    if function.name == "__init__":
        docstring = docstring or function.parent.docstring
    if not options or docstring is None:
        return

    rest = next(
        (
            parameter
            for parameter in function.parameters
            if parameter.kind is griffe.ParameterKind.var_keyword
        ),
        None,
    )
    if rest is None:
        return

    section = PARAMETERS.search(docstring.value)
    named = ENTRY.findall(section[1]) if section is not None else []
    keep = rest.name in named or not set(named) & options.keys()
    parameters = [each for each in function.parameters if each is not rest]
    for name in named:
        if name in options and name not in function.parameters:
            annotation = options[name].annotation
            if str(annotation).startswith("Literal["):
                annotation = "bool"  # one overload for each of the two
            parameters.append(
                griffe.Parameter(
                    name,
                    annotation=annotation,
                    kind=griffe.ParameterKind.keyword_only,
                    default=default_of(name, options, pkg),
                )
            )
    if keep:
        rest.annotation = "Any"
        parameters.append(rest)
    function.parameters = griffe.Parameters(*parameters)


def default_of(
    name: str, options: dict[str, griffe.Attribute], pkg: griffe.Module
) -> str | griffe.Expr:
    """Return what an option is if it is not given."""
    for path in TAKERS:
        parameters = pkg[path].parameters
        taken = [option for option in options if option in parameters]
        if name in taken and len(taken) > len(options) / 2:
            return parameters[name].default
    return getattr(options[name], "default", None) or "..."


def spell_out_types(function: griffe.Function, pkg: griffe.Module) -> None:
    """Show what names for types stand for, in parameters."""
    for parameter in function.parameters:
        for _ in range(3):  # some of them stand for others
            parameter.annotation = spelled_out(parameter.annotation, pkg)


def alias_of(name: griffe.ExprName, pkg: griffe.Module) -> griffe.Attribute | None:
    """Return what declares a name for a type, or None if it is not such a name."""
    path = name.canonical_path
    if not path.startswith("syncra."):
        return None

    try:
        found = pkg[path.removeprefix("syncra.")]
    except KeyError:  # a parameter of a type
        return None

    is_one = found.is_attribute and str(found.annotation) == "TypeAlias"
    return found if is_one else None


def spelled_out(
    annotation: str | griffe.Expr | None, pkg: griffe.Module
) -> str | griffe.Expr | None:
    """Return an annotation without names for types."""
    if isinstance(annotation, griffe.ExprName):
        if annotation.canonical_path in IN_SHORT:
            tree = ast.parse(IN_SHORT[annotation.canonical_path], mode="eval").body
            return griffe.safe_get_annotation(tree, parent=pkg["_declare"])

        attribute = alias_of(annotation, pkg)
        if attribute is None:
            return annotation

        value = attribute.value
        if str(value)[:1] in "'\"":  # it was written as a text
            tree = ast.parse(ast.literal_eval(str(value)), mode="eval").body
            value = griffe.safe_get_annotation(tree, parent=attribute.parent)
        return value

    if isinstance(annotation, griffe.ExprBinOp):
        annotation = copy.copy(annotation)
        annotation.left = spelled_out(annotation.left, pkg)
        annotation.right = spelled_out(annotation.right, pkg)
    elif isinstance(annotation, griffe.ExprSubscript):
        annotation = copy.copy(annotation)
        annotation.slice = spelled_out(annotation.slice, pkg)
    elif isinstance(annotation, griffe.ExprTuple):
        annotation = copy.copy(annotation)
        annotation.elements = [
            spelled_out(element, pkg) for element in annotation.elements
        ]
    return annotation
