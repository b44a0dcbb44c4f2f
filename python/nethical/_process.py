"""The end of a process: deliver what waits, and say what is left."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from typing import Any

from . import _core, _events, _feed

EXIT_TIMEOUT = 30.0

_before: list[Callable[[float], None]] = []


def before_close(work: Callable[[float], None]) -> None:
    """Have ``work(timeout)`` done before the engine is closed at the end."""
    _before.append(work)


def _end_runs() -> None:
    """Runs that are open end with the program: as it does, as far as that can be seen."""
    # What the interpreter leaves of an exception that nobody caught.
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    status = "completed" if error is None else "killed" if isinstance(error, KeyboardInterrupt) else "failed"
    _core.end_open_runs(status)


def first_use() -> None:
    """The engine is used for the first time in this process.

    A child of ``multiprocessing`` ends without ``atexit``, and forgets at its start what was
    registered with ``multiprocessing`` before, so this must not be done any earlier.
    """
    _feed.start_all()
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None:
        return
    from multiprocessing.util import Finalize

    Finalize(None, close_engine, exitpriority=-100)


def exit_timeout() -> float:
    """Seconds that the end of a process may take: ``NETHICAL_EXIT_TIMEOUT``."""
    try:
        seconds = float(os.environ.get("NETHICAL_EXIT_TIMEOUT", EXIT_TIMEOUT))
    except ValueError:
        return EXIT_TIMEOUT
    return seconds if seconds >= 0 else EXIT_TIMEOUT


def close_engine() -> None:
    """Close everything, within the time for it."""
    timeout = exit_timeout()
    for work in _before:
        work(timeout)
    _end_runs()
    before = _core.status()
    try:
        left = _core.close_all(timeout)
    except KeyboardInterrupt:
        left = [status for status in before if status["waiting"]]
    _events.tell_all()
    for status in left:
        _say(_what_is_left(status, timeout))


def _what_is_left(status: dict[str, Any], timeout: float) -> str:
    waiting = status["waiting"]
    what = f"nethical: {waiting} {'entry' if waiting == 1 else 'entries'} for {status['name']} not delivered"
    error = status["last_error"]
    why = f": {error['message']}" if error else f" within NETHICAL_EXIT_TIMEOUT={timeout:g} s"
    return what + why + _where(status) + (f"; hint: {error['hint']}" if error and error["hint"] else "")


def _where(status: dict[str, Any]) -> str:
    """What becomes of them."""
    if status["key"] is None:
        return ""
    # Only a program has the connectors that are written in Python.
    who = "the next run sends them" if _feed.feeds(status["name"]) else "the next run or `nethical sync` sends them"
    return f"; kept in {status['directory']}, {who}"


def _say(line: str) -> None:
    if sys.stderr is None:
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass


# Children of a plain fork inherit it. What `logging` does at the end was registered before, so it comes after.
atexit.register(close_engine)
