"""What waits on disk: the options, and what can be asked and done about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from . import _core

if TYPE_CHECKING:
    from . import _shapes

Spool = bool | str | os.PathLike[str] | None
"""Whether entries wait on disk, or the directory in which they do."""

Durability = Literal["none", "interval", "every"] | None
"""What the entries that wait on disk survive; see :class:`JSONFileConnector`."""


def absolute(spool: Spool) -> bool | str | None:
    """The same with an absolute path, which means the same after a change of directory."""
    if spool is None or isinstance(spool, bool):
        return spool
    if not isinstance(spool, (str, os.PathLike)):
        raise TypeError(f"spool is {spool!r}: use True, False or a directory")
    home = os.fsdecode(spool)
    if not home or "\0" in home:
        raise ValueError(f"spool is {home!r}: name a directory, or use True or False")
    return os.path.abspath(home)


def options(spool: bool | str | None, durability: Durability, identity: str | None) -> _shapes.Spool:
    """The same for the engine, for a destination that waits in memory unless told otherwise."""
    if durability is not None and not spool:
        raise ValueError(f"durability={durability!r} is for entries that wait on disk: use it with spool=True")
    if isinstance(spool, str):
        return {"enabled": True, "home": spool, "durability": durability, "identity": identity}
    return {"enabled": spool, "home": None, "durability": durability, "identity": identity}


def identity_of(connector: object) -> str:
    """What a connector that is written in Python is known by when it has no name: where its class is."""
    kind = type(connector)
    module = kind.__module__
    if module == "__main__":
        # Every program has one of these.
        path = getattr(sys.modules.get("__main__"), "__file__", None)
        module = os.path.abspath(path) if path else module
    return f"{module}:{kind.__qualname__}"


def status(*, all: bool = False, home: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """The accounts of every connector of this process, of each a dict.

    Always ``accepted = confirmed + sent + dead_lettered + sum(dropped.values()) + waiting``. Beside
    these: ``waiting_bytes``, ``oldest`` (when the oldest entry that waits was logged), ``down_since`` and
    ``down_for`` (seconds), ``breaker_open``, ``last_error``, ``at_risk`` (the disk did not take all that is to
    wait on it) and ``offline`` (what waits is where it is to be: nothing uploads it by itself). Where entries wait on disk, ``key`` is what a
    later process knows the connector by, and ``directory`` is where they are.

    ``all=True`` adds the other processes with the same home (that of ``NETHICAL_HOME``, or ``home``):
    those that run, as they last wrote it down (each second), and what ended ones have left, without
    ``at_risk`` and ``offline``. ``pid`` and ``running`` tell them apart; ``name`` is the ``key`` there, and connectors that wait in memory are
    not seen from outside.
    """
    if not all:
        if home is not None:
            raise ValueError("home is for status(all=True)")
        return _core.status()
    return _core.status() + _core.survey(None if home is None else os.path.abspath(os.fsdecode(home)))


@dataclass(frozen=True)
class Synced:
    """What :func:`sync` came to. It is true if nothing is left for the connectors that are open."""

    done: bool
    """Everything that waited for a connector of this process came to its end."""
    left: list[dict[str, Any]]
    """The accounts of connectors of this process for which something is still waiting."""
    elsewhere: list[dict[str, Any]]
    """What waits on disk for connectors that are not open: closed here, or left by ended processes."""

    def __bool__(self) -> bool:
        return self.done

    def __str__(self) -> str:
        if self.done and not self.elsewhere:
            return "nothing is left"
        parts = [_sum(self.left, "left")] if self.left else []
        parts += [_sum(self.elsewhere, "left for connectors that are not open")] if self.elsewhere else []
        return ", ".join(parts)


def _sum(accounts: Iterable[dict[str, Any]], what: str) -> str:
    each = [f"{one['waiting']} for {one['name']}" for one in accounts]
    return f"{what}: {', '.join(each)}"


def sync(timeout: float = 60.0) -> Synced:
    """Deliver what waits for the connectors of this process, and what ended processes left for them.

    Returns within ``timeout`` seconds (a second more where the disk is slow). What was delivered, and
    what became a dead letter, is no longer waiting.
    """
    return Synced(*_core.sync(timeout))
