"""Changes of a destination's state: a warning of logger ``nethical``, and callbacks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from . import _core

_log = logging.getLogger("nethical")


@dataclass(frozen=True)
class Event:
    """One change of state of one destination."""

    destination: str
    """The connector's name; empty if it is about none of them alone."""
    kind: str
    """``down``, ``up``, ``dropping``, ``dead_letter``, ``at_risk``, ``closed`` or ``warning``."""
    message: str
    """For people: what happened."""
    hint: str | None
    """What to do next, if that is known."""


_Told = TypeVar("_Told")
_Callback = TypeVar("_Callback", bound=Callable[[Event], object])
_callbacks: list[Callable[[Event], object]] = []

def on_event(callback: _Callback) -> _Callback:
    """Have ``callback`` called with each :class:`Event`, on a background thread. Also a decorator."""
    if not callable(callback):
        raise TypeError(f"on_event() takes a function, not {type(callback).__name__}")
    _callbacks.append(callback)
    return callback


def off_event(callback: Callable[[Event], object]) -> None:
    """Have ``callback`` called no more."""
    if callback in _callbacks:
        _callbacks.remove(callback)


def warn(message: str, hint: str | None) -> None:
    """Say it on logger ``nethical``, whose records never enter our own connectors."""
    if hint:
        _log.warning("%s; hint: %s", message, hint, extra={"hint": hint})
    else:
        _log.warning("%s", message)


def shielded(callback: Callable[[_Told], object], told: _Told) -> None:
    """Call somebody's function. What it raises is logged."""
    try:
        callback(told)
    except Exception:
        _log.exception("a callback of nethical failed")


def tell_all() -> None:
    """Tell what there is to tell; runs on a thread that ends with it."""
    while (told := _core.next_notice()) is not None:
        if len(told) == 2:
            shielded(*told)
        else:
            _tell(Event(*told))


def _tell(event: Event) -> None:
    try:
        warn(event.message, event.hint)
    except Exception:  # A handler's fault is not to keep the callbacks from it.
        pass
    for callback in tuple(_callbacks):
        shielded(callback, event)
