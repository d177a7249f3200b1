"""What the weather is like."""

import asyncio
import csv
import logging
from random import Random
from statistics import fmean

from service import ask
from syncra import Context, Graph, Retry

graph = Graph("weather", log="weather.log")


@graph.task
def read(path: str) -> list[dict[str, str]]:
    """Read the measurements."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@graph.task(dependencies=read)
def highs(rows: list[dict[str, str]]) -> dict[str, list[float]]:
    """Put together what was measured in each city."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["high"] == "n/a":
            logging.warning("nothing was measured in %s on %s", row["city"], row["day"])
        else:
            found.setdefault(row["city"], []).append(float(row["high"]))
    return found


@graph.task(dependencies=highs)
def means(highs: dict[str, list[float]]) -> dict[str, float]:
    """Work out the mean of each city."""
    return {city: fmean(values) for city, values in highs.items()}


@graph.task(
    dependencies=highs,
    retry=Retry(3, on=ConnectionError, backoff=0.1),
    timeout=10,
)
async def forecast(highs: dict[str, list[float]]) -> dict[str, float]:
    """Ask what tomorrow will be like."""
    answers = await asyncio.gather(*(ask(city) for city in highs))
    return dict(zip(highs, answers, strict=True))


@graph.task(dependencies=highs, executor="processes")
def spread(highs: dict[str, list[float]]) -> dict[str, tuple[float, float]]:
    """Work out where 19 of 20 means of a month would lie, by drawing days."""
    chance, found = Random(1), {}
    for city, values in highs.items():
        means = sorted(fmean(chance.choices(values, k=30)) for _ in range(1000))
        found[city] = means[25], means[-26]
    return found


@graph.task(dependencies=[means, spread, forecast])
def letter(
    means: dict[str, float],
    spread: dict[str, tuple[float, float]],
    forecast: dict[str, float],
) -> str:
    """Tell it in words."""
    return "\n".join(
        "{}: {:.1f} °C ({:.1f} to {:.1f}), tomorrow {:.1f} °C".format(
            city, mean, *spread[city], forecast[city]
        )
        for city, mean in means.items()
    )


@graph.task(after=[letter], trigger="any_failed")
def alarm(context: Context) -> None:
    """Tell whoever watches that something has failed."""
    for name, error in context.errors.items():
        print(f"ALARM: {name}: {error!r}")
