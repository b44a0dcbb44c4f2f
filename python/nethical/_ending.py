"""How the program ends, as far as that can be seen: runs that are open then end like it."""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from dataclasses import dataclass
from types import FrameType

_platforms: weakref.WeakValueDictionary[int, object] = weakref.WeakValueDictionary()
"""Those that have begun runs."""

_exit: _Exit | None = None
"""What ``sys.exit`` was called for last, unless that was caught."""


@dataclass
class _Exit:
    code: object
    frame: FrameType
    """The outermost one of the program."""
    platforms: list[object]
    """Of then: one that the program holds no more would end its runs itself, as completed."""


class _Mark:
    """Ends with the exception that has it."""


def remember(platform: object) -> None:
    """This platform has begun runs."""
    _platforms[id(platform)] = platform


def watch_exit() -> None:
    """Have the code seen that ``sys.exit`` is called with: the interpreter leaves nothing of it to the end of the
    program."""
    called = sys.exit
    if getattr(called, "_is_watched", False):
        return

    # Under its own name, by which it is pickled.
    @functools.wraps(called)
    def exit(*status: object) -> None:
        try:
            called(*status)  # type: ignore[arg-type]
        except SystemExit as error:
            _note(error)
            raise

    exit._is_watched = True  # type: ignore[attr-defined]
    sys.exit = exit  # type: ignore[assignment]


def _note(error: SystemExit) -> None:
    global _exit
    # In another thread it ends that thread alone.
    if threading.current_thread() is threading.main_thread():
        noted = _Exit(error.code, _outermost(), list(_platforms.values()))
        error._mark = mark = _Mark()  # type: ignore[attr-defined]
        weakref.finalize(mark, _gone, noted).atexit = False
        _exit = noted


def _gone(noted: _Exit) -> None:
    """An exception is no more: if the program still runs, it was caught."""
    global _exit
    if noted is _exit and _outermost() is noted.frame:
        _exit = None


def _outermost() -> FrameType:
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
    return frame


def status() -> str:
    """How the program ends: ``completed``, ``failed`` or ``killed``."""
    return status_after(_cause())


def status_after(error: BaseException | None) -> str:
    """How a run ends with this exception: ``completed``, ``failed`` or ``killed``."""
    if error is None or isinstance(error, GeneratorExit):
        return "completed"
    if isinstance(error, SystemExit):
        return "failed" if _is_failure(error.code) else "completed"
    # Beyond those of programs are Ctrl-C and the cancellation of tasks.
    return "failed" if isinstance(error, Exception) else "killed"


def _cause() -> BaseException | None:
    """The exception that ends the program, if one does."""
    if is_child():
        # It is told of its end while the exception is on its way.
        return sys.exc_info()[1] or _child_exit()
    # What the interpreter leaves of an exception that nobody caught.
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None) or _uncaught_exit()


def _uncaught_exit() -> SystemExit | None:
    return SystemExit(_exit.code) if _exit is not None and not _has_returned(_exit.frame) else None


def _child_exit() -> SystemExit | None:
    """What a child of ``multiprocessing`` ends with where nothing else is left of it: from Python 3.13 on."""
    if sys.version_info < (3, 13):
        return None
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("multiprocessing.") and "code" in frame.f_locals:
            return SystemExit(frame.f_locals["code"])
        frame = frame.f_back
    # One that was spawned ends itself by `sys.exit`.
    return _uncaught_exit()


def is_child() -> bool:
    """Whether this is a child of ``multiprocessing``, which ends without ``atexit``."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def _has_returned(frame: FrameType) -> bool:
    """Whether a frame that has come to its end did so by a return: then what was raised below it was caught."""
    import opcode  # Only now: the command starts with the package.

    return frame.f_lasti >= 0 and opcode.opname[frame.f_code.co_code[frame.f_lasti]].startswith("RETURN_")


def _is_failure(code: object) -> bool:
    """Whether the interpreter makes another exit code than 0 of it."""
    return code is not None and not (isinstance(code, int) and code % 256 == 0)
