"""Worker processes: how they begin and end, and what passes between them and a run.

    run's thread --frames over a socket--> child      one thread owns one child
    guardian     --forks, reaps, kills---> child      ends them all if the run's
                                                      process is no more

A child knows nothing of graphs: it gets a function and arguments and sends back what
came of it.
"""

from __future__ import annotations


class Unpicklable(Exception):
    """Report what cannot cross.

    Attributes:
        stage: "function", "argument" or "result".
        text: what is wrong with it.
        path: where in it the culprit is, "" if that is not known.
    """

    def __init__(self, stage: str, text: str, path: str = "") -> None:
        super().__init__(text)
        self.stage = stage
        self.text = text
        self.path = path
