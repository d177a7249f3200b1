"""What watches runs.

`Email` and `Webhook` tell somebody who is not there what has become of a run.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._email import Email as Email
    from ._webhook import Webhook as Webhook

_HOMES = {
    "Email": "syncra.observers._email",
    "Webhook": "syncra.observers._webhook",
}

__all__ = ["Email", "Webhook"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
