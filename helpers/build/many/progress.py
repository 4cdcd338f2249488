"""How far a study's reports are: one live block on a terminal, elsewhere a line now and then for each that runs."""

import contextlib
import re
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from helpers.base.words import duration
from helpers.build.many.engines import last_lines
from helpers.build.stale import modified

_STAGE = re.compile(r"\[\d+/\d+\] |\d\d_\w+: ")  # how a line of a report's log begins that says what it is at
_OFTEN = 60.0  # seconds from one word on those that run to the next, where there is no terminal


class Progress:
    """What each report of a study is at, read in its log, and how long the whole still takes.

    logs: the log of each report by its name, written from when it starts.
    """

    def __init__(self, logs: Mapping[str, Path]) -> None:
        self._logs, self._all, self._live = dict(logs), len(logs), sys.stdout.isatty()
        self._began = self._told = time.monotonic()
        self._started: dict[str, float] = {}  # when a log of this study was first seen
        self._before = {name: modified(log) for name, log in logs.items()}  # logs of an earlier call

    def shown(self) -> AbstractContextManager:
        """Show the block for as long as this lasts, where there is a terminal."""
        if not self._live:
            return nullcontext()
        from rich.live import Live  # takes a moment to import
        from rich.text import Text

        def block() -> Text:
            return Text("\n".join(self.running()), no_wrap=True, overflow="ellipsis")

        return Live(get_renderable=block, refresh_per_second=1)

    def ended(self, name: str, sentence: str) -> None:
        """Say how a report ended."""
        self._logs.pop(name)
        print(f"[{self._all - len(self._logs)}/{self._all}] {sentence}{self._left()}", flush=True)

    def tell(self) -> None:
        """Say what runs, if that was not said for a while and is not shown all the time."""
        if not self._live and time.monotonic() - self._told >= _OFTEN:
            self._told = time.monotonic()
            print("\n".join(self.running()), flush=True)

    def running(self) -> list[str]:
        """Give a line for each report that runs, with its stage and seconds, and one for all that still wait."""
        for name, log in self._logs.items():
            if name not in self._started and modified(log) != self._before[name]:
                self._started[name] = time.monotonic()
        there = [name for name in self._logs if name in self._started]
        passed = {name: time.monotonic() - self._started[name] for name in there}
        lines = [f"      {name}, {duration(passed[name])}: {self._stage(name)}" for name in there]
        return [*lines, f"      still to come: {len(self._logs) - len(there)}{self._left()}"]

    def _left(self) -> str:
        done = self._all - len(self._logs)
        if not done or not self._logs:
            return ""
        return f"; about {duration((time.monotonic() - self._began) / done * len(self._logs))} left"

    def _stage(self, name: str) -> str:
        with contextlib.suppress(OSError):
            lines = reversed(last_lines(self._logs[name]))
            return next((line.strip() for line in lines if _STAGE.match(line.strip())), "starts")
        return "starts"
