"""One delivery layer for logs, ML runs and alerts. For Linux.

The classes are in ``nethical.integrations``; this module has what concerns all of them.
"""

from __future__ import annotations

from ._core import __version__
from ._events import Event, off_event, on_event
from ._process import install as _install
from ._process import status
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
    "Event",
    "NethicalError",
    "PathError",
    "UnauthorizedError",
    "UnavailableError",
    "__version__",
    "off_event",
    "on_event",
    "status",
]

_install()
