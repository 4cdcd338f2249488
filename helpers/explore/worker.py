"""Work beside the page: one thread that does what was wished for last, and can be told to stop."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from helpers.networks.chunks import CHECK

PATIENCE = 0.3  # seconds after which work has to show that it is under way


class Stopped(Exception):  # no error: what its user asked for
    """Work that was stopped, or that a newer wish made pointless."""


@dataclass(eq=False)
class Turn:
    """One wish: its kind, what is to be done (given this turn), and who is given the result."""

    kind: str
    job: Callable[["Turn"], Any]
    show: Callable[[Any], None]
    stopped: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise Stopped if the turn was stopped; called before each chunk of images, and by what is long besides."""
        if self.stopped:
            raise Stopped


class Worker:
    """Does wishes in turn; of each kind the newest wins.

    told: is given the turn that has taken longer than PATIENCE, and None when nothing is under way; failed: is given
    an error that a turn raised. Both, and every `show`, are called in the worker's thread.
    """

    def __init__(self, told: Callable[[Turn | None], None], failed: Callable[[Exception], None]) -> None:
        self._told, self._failed = told, failed
        self._lock, self._speaking = threading.Condition(), threading.Lock()
        self._waiting: dict[str, Turn] = {}
        self._running: Turn | None = None
        self._thread: threading.Thread | None = None

    def wish(self, kind: str, job: Callable[[Turn], Any], show: Callable[[Any], None]) -> Turn:
        """Ask for work; a wish of the same kind that waits is dropped, and one under way ends at its next check."""
        turn = Turn(kind, job, show)
        with self._lock:
            for older in (self._waiting.pop(kind, None), self._running):
                if older and older.kind == kind:
                    older.stopped = True
            self._waiting[kind] = turn
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="explore", daemon=True)
                self._thread.start()
        return turn

    def drop(self, but: str) -> None:
        """Drop the wishes of all kinds but one; the work under way ends at its next check."""
        with self._lock:
            for turn in (*self._waiting.values(), *filter(None, [self._running])):
                turn.stopped = turn.stopped or turn.kind != but
            self._waiting = {kind: turn for kind, turn in self._waiting.items() if kind == but}

    def stop(self) -> None:
        """Drop all wishes. Work that cannot be interrupted ends by itself, unseen; new wishes do not wait for it."""
        with self._lock:
            for turn in (*self._waiting.values(), *filter(None, [self._running])):
                turn.stopped = True
                turn.over.set()
            self._waiting.clear()
            self._running = self._thread = None
            self._lock.notify_all()
        self._announce(None)

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until nothing is wished for any more; False where that takes longer."""
        with self._lock:
            return self._lock.wait_for(lambda: not (self._waiting or self._running), seconds)

    def _work(self) -> None:
        own = threading.current_thread()
        while turn := self._next(own):
            timer = threading.Timer(PATIENCE, self._announce, [turn])
            timer.daemon = True
            timer.start()
            try:
                CHECK.set(turn.check)  # in this thread alone
                found = turn.job(turn)
                with self._lock:
                    current = self._thread is own
                if current:  # older than a newer wish perhaps, but newer than what is shown
                    turn.show(found)
            except Stopped:
                pass
            except Exception as error:
                self._failed(error)
            finally:
                timer.cancel()
                self._end(turn, own)

    def _next(self, own: threading.Thread) -> Turn | None:
        with self._lock:
            if self._thread is not own:
                return None
            if not self._waiting:
                self._thread = None
                return None
            kind = next(iter(self._waiting))
            self._running = self._waiting.pop(kind)
            return self._running

    def _end(self, turn: Turn, own: threading.Thread) -> None:
        turn.over.set()
        with self._lock:
            quiet = self._thread is own and not self._waiting
            if self._thread is own:
                self._running = None
                self._lock.notify_all()
        if quiet:
            self._announce(None)

    def _announce(self, turn: Turn | None) -> None:
        with self._speaking:  # that a turn is over is not said before that it is under way
            if turn is None or not turn.over.is_set():
                self._told(turn)
