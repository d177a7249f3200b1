"""What the measurements were made on."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import syncra


def describe() -> dict[str, Any]:
    """Return a description of interpreter and machine, ready for JSON."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "build": build(),
        "cpus": os.cpu_count(),
        "usable_cpus": usable_cpus(),
        "platform": platform.platform(),
        "processor": processor(),
        "syncra": syncra.__version__,
        "anyio": version_of("anyio"),
        "trio": version_of("trio"),
    }


def build() -> str:
    """Return whether this Python has a global lock, and whether it uses it."""
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "GIL"

    is_enabled = getattr(sys, "_is_gil_enabled", None)
    on = is_enabled is not None and is_enabled()
    return "free-threaded, but the GIL is on" if on else "free-threaded"


def usable_cpus() -> int | None:
    """Return how many CPUs this process may use, where that can be asked."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count()


def processor() -> str:
    """Return the name of the processor, as well as it can be found out."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass

    return platform.processor() or platform.machine()


def load() -> list[float] | None:
    """Return the load average over 1, 5 and 15 minutes, where there is one."""
    average = getattr(os, "getloadavg", None)
    return [round(one, 2) for one in average()] if average is not None else None


def version_of(package: str) -> str | None:
    """Return the version of a package, or None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
