"""The end of a process: deliver what waits, and say what is left."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from . import _core, _ending, _events, _feed

EXIT_TIMEOUT = 30.0


class Caller(Protocol):
    """Calls somebody's own code in the background."""

    name: str

    def drain(self, deadline: float) -> int:
        """Wait until this time of ``time.monotonic()`` for the calls that were asked for. How many are left."""
        raise NotImplementedError


_callers: list[Caller] = []
_afterwards: list[Callable[[], None]] = []
_beforehand: list[Callable[[], None]] = []


def wait_for(caller: Caller) -> None:
    """Have the end of the process wait for these calls."""
    _callers.append(caller)


def afterwards(work: Callable[[], None]) -> None:
    """Have ``work()`` done when the engine has come to its end."""
    _afterwards.append(work)


def beforehand(work: Callable[[], None]) -> None:
    """Do this at the end of the process, while everything is open."""
    _beforehand.append(work)


def first_use() -> None:
    """The engine is used for the first time in this process.

    A child of ``multiprocessing`` ends without ``atexit``, and forgets at its start what was
    registered with ``multiprocessing`` before, so this must not be done any earlier.
    """
    _feed.start_all()
    end_with_child()


def end_with_child() -> None:
    """Have everything closed at the end of this process if it is a child of ``multiprocessing``."""
    if not _ending.is_child():
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
    deadline = time.monotonic() + timeout
    # What is called may log, so it comes first. Half of the time is the engine's, however slow that is.
    _drain(deadline - timeout / 2)
    _core.end_open_runs(_ending.status())
    _do(_beforehand)
    left, why = _close(deadline, timeout)
    uncalled = _drain(deadline)
    _callers.clear()
    _events.tell_all()
    for name, calls in uncalled:
        say(f"nethical: {calls} {'call' if calls == 1 else 'calls'} of {name} not done{_in_vain(timeout)}")
    for status in left:
        is_where_it_is_to_be = status["offline"] and not status["last_error"] and not status["at_risk"]
        if status["waiting"] and not is_where_it_is_to_be:
            say(_what_is_left(status, why))
    _do(_afterwards)


def _do(all_of: list[Callable[[], None]]) -> None:
    try:
        for work in all_of:
            work()
    except KeyboardInterrupt:  # Whoever is at the keyboard waits no longer.
        pass


def _drain(deadline: float) -> list[tuple[str, int]]:
    """Wait for what is called in the background. Names, and how many calls are left."""
    try:
        return [(caller.name, left) for caller in _callers if (left := caller.drain(deadline))]
    except KeyboardInterrupt:  # Whoever is at the keyboard waits no longer.
        return _drain(0.0)


def _close(deadline: float, timeout: float) -> tuple[list[dict[str, Any]], str]:
    """Close the engine. The accounts of what is left, and why it is where no error says so."""
    before = _core.status()
    try:
        left = _core.close_all(max(0.0, deadline - time.monotonic()))
    except KeyboardInterrupt:
        return [status for status in before if status["waiting"]], " before Ctrl-C"
    return left, _in_vain(timeout) if time.monotonic() >= deadline else " when it was closed"


def _in_vain(timeout: float) -> str:
    return f" within NETHICAL_EXIT_TIMEOUT={timeout:g} s"


def _what_is_left(status: dict[str, Any], why: str) -> str:
    waiting = status["waiting"]
    what = f"nethical: {waiting} {'entry' if waiting == 1 else 'entries'} for {status['name']} not delivered"
    error = status["last_error"]
    why = f": {error['message']}" if error else why
    return what + why + _where(status) + (f"; hint: {error['hint']}" if error and error["hint"] else "")


def _where(status: dict[str, Any]) -> str:
    """What becomes of them."""
    if status["key"] is None:
        return ""
    # Only a program has the connectors that are written in Python.
    who = "the next run sends them" if _feed.feeds(status["name"]) else "the next run or `nethical sync` sends them"
    # Nothing says how much it took.
    is_at_risk = status["at_risk"] or status["dropped"]["storage"]
    kept = "the disk did not take all of them, what it took is kept" if is_at_risk else "kept"
    return f"; {kept} in {status['directory']}, {who}"


def say(line: str) -> None:
    """Say something at the end, when nothing else is there any more."""
    if sys.stderr is None:
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass


# Children of a plain fork inherit it. What `logging` does at the end was registered before, so it comes after.
atexit.register(close_engine)
