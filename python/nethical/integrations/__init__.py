"""Log entries, runs and messages to other systems."""

from __future__ import annotations

from typing import Any

# Prepares the end of the process, before anything is sent.
from .. import _process as _process


def _exported_as(module: str, found: dict[str, Any], names: list[str]) -> None:
    """Have pickles and messages name the place that people import from."""
    for name in names:
        found[name].__module__ = module
