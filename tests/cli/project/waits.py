"""A graph that waits until a file is there, or for ever."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from syncra import Graph

slow = Graph("slow")


@slow.task
def quick() -> int:
    print("quick was here")
    return 1


@slow.task(dependencies=quick)
async def patient(quick: int, file: Path) -> int:
    while not file.exists():
        await asyncio.sleep(0.005)
    return quick + os.path.getsize(file)


@slow.task(dependencies=patient)
def last(patient: int) -> int:
    return patient
