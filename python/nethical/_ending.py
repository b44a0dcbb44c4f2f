"""How the program ends, as far as that can be seen: runs that are open then end like it."""

from __future__ import annotations

import sys
import threading
import weakref
from types import FrameType

_platforms: weakref.WeakValueDictionary[int, object] = weakref.WeakValueDictionary()
"""Those that have begun runs."""

_exit: tuple[SystemExit, FrameType, list[object]] | None = None
"""What ``sys.exit`` was called for last, the outermost frame of the program, and the platforms of then: one that the
program holds no more would end its runs itself, as completed."""


def watch_exit(platform: object) -> None:
    """Have the code seen that ``sys.exit`` is called with, for the runs of this platform.

    The interpreter leaves nothing of it to the end of the program.
    """
    _platforms[id(platform)] = platform
    called = sys.exit
    if getattr(called, "_is_watched", False):
        return

    def exit(*status: object) -> None:
        _note(*status)
        called(*status)  # type: ignore[arg-type]

    exit.__doc__ = called.__doc__
    exit._is_watched = True  # type: ignore[attr-defined]
    sys.exit = exit  # type: ignore[assignment]


def _note(*status: object) -> None:
    global _exit
    # In another thread it ends that thread alone.
    if threading.current_thread() is threading.main_thread():
        frame = sys._getframe()
        while frame.f_back is not None:
            frame = frame.f_back
        _exit = (SystemExit(*status), frame, list(_platforms.values()))


def status() -> str:
    """``completed``, ``failed`` or ``killed``."""
    error = _cause()
    if isinstance(error, KeyboardInterrupt):
        return "killed"
    if isinstance(error, SystemExit):
        return "failed" if _is_failure(error.code) else "completed"
    return "completed" if error is None else "failed"


def _cause() -> BaseException | None:
    """The exception that ends the program, if one does."""
    if is_child():
        # It is told of its end while the exception is on its way.
        return sys.exc_info()[1] or _child_exit()
    # What the interpreter leaves of an exception that nobody caught.
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None) or _uncaught_exit()


def _uncaught_exit() -> SystemExit | None:
    return _exit[0] if _exit is not None and not _has_returned(_exit[1]) else None


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
    return code is not None and not (isinstance(code, int) and code == 0)
