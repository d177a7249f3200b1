"""How much memory this process has at the most taken from the system."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from .model import Cannot


@dataclass(frozen=True, slots=True)
class Memory:
    """Hold resident memory at one moment, in bytes.

    Attributes:
        resident: what the process held.
        peak: the most it had held until then.
        source: where the numbers come from.
    """

    resident: int
    peak: int
    source: str

    @classmethod
    def now(cls) -> Memory:
        """Return the memory of this moment.

        On Linux from /proc: `getrusage` there starts from the peak of the process
        that started this one. Elsewhere it is `getrusage`, which knows only peaks.

        Raises:
            Cannot: if the system tells neither.
        """
        try:
            with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
                found = dict(line.split(":", 1) for line in lines if ":" in line)
            return cls(
                resident=int(found["VmRSS"].split()[0]) * 1024,
                peak=int(found["VmHWM"].split()[0]) * 1024,
                source="VmRSS and VmHWM of /proc/self/status",
            )
        except (OSError, KeyError):
            pass

        try:
            from resource import RUSAGE_SELF, getrusage
        except ImportError:
            raise Cannot("this system does not tell peak memory") from None

        unit = 1 if sys.platform == "darwin" else 1024
        peak = getrusage(RUSAGE_SELF).ru_maxrss * unit
        return cls(peak, peak, "ru_maxrss of getrusage")

    def growth(self, tasks: int) -> dict[str, Any]:
        """Return by how much the peak has gone beyond what was held at that moment."""
        now = Memory.now()
        return {
            "bytes_per_task": (now.peak - self.resident) / tasks,
            "resident_before": self.resident,
            "peak_before": self.peak,
            "peak": now.peak,
            "source": self.source,
        }
