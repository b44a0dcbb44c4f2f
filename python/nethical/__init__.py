"""One delivery layer for logs, ML runs and alerts. For Linux.

The classes are in ``nethical.integrations``; this module has what concerns all of them.
"""

from __future__ import annotations

from ._core import __version__
from ._events import Event, off_event, on_event
from ._letters import DeadLetter, dead_letters, replay
from ._process import install as _install
from ._spool import Synced, status, sync
from .errors import (
    ClosedError,
    ConfigError,
    NethicalError,
    PathError,
    UnauthorizedError,
    UnavailableError,
)

__all__ = [
    "ClosedError",
    "ConfigError",
    "DeadLetter",
    "Event",
    "NethicalError",
    "PathError",
    "Synced",
    "UnauthorizedError",
    "UnavailableError",
    "__version__",
    "dead_letters",
    "off_event",
    "on_event",
    "replay",
    "status",
    "sync",
]

_install()
