"""One delivery layer for logs, ML runs and alerts. For Linux.

The classes are in ``nethical.integrations``; this module has what concerns all of them.
"""

from __future__ import annotations

from ._core import __version__
from .errors import (
    ClosedError,
    ConfigError,
    DeadlineError,
    NethicalError,
    PathError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
)

# Type checkers take it for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._background import in_background
    from ._events import Event, off_event, on_event
    from ._letters import DeadLetter, dead_letters, replay
    from ._spool import Synced, status, sync

__all__ = [
    "ClosedError",
    "ConfigError",
    "DeadLetter",
    "DeadlineError",
    "Event",
    "NethicalError",
    "PathError",
    "RefusedError",
    "Synced",
    "UnauthorizedError",
    "UnavailableError",
    "__version__",
    "dead_letters",
    "in_background",
    "off_event",
    "on_event",
    "replay",
    "status",
    "sync",
]

# Read when they are first asked for: the command and small programs do without them.
_LATER = {
    "DeadLetter": "_letters",
    "Event": "_events",
    "Synced": "_spool",
    "dead_letters": "_letters",
    "in_background": "_background",
    "off_event": "_events",
    "on_event": "_events",
    "replay": "_letters",
    "status": "_spool",
    "sync": "_spool",
}

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        return found

    def __dir__():
        return sorted({*globals(), *_LATER})
