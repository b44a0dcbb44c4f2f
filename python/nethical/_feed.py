"""Connectors that are written in Python: each has one thread, however many aggregators it is in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from . import _core, _events, _spool

if TYPE_CHECKING:
    from . import _shapes

# By address, with what feeds them. The object is kept, so the address stays its own.
_handles: dict[int, tuple[Any, _core.Connector]] = {}

_QUEUE: _shapes.Queue = {"max_queue": 65_536, "when_full": "drop_newest", "block_timeout": 0.0}


class Stand:
    """Stands for an object that takes something else than log entries."""

    name: str
    what: str
    """Its method, for messages."""

    def take(self, id: str, line: bytes) -> str | None:
        """Have the object take an event. Why it did not, if so."""
        raise NotImplementedError


def handle(connector: Any) -> _core.Connector:
    """What feeds this connector."""
    known = _handles.get(id(connector))
    if known is None or known[1].closed:
        made = _make(connector)
        made.start()
        known = _handles[id(connector)] = (connector, made)
    return known[1]


def _make(connector: Any) -> _core.Connector:
    given = getattr(connector, "name", None)
    name = given if isinstance(given, str) else _name(connector)
    identity = None if isinstance(given, str) else _spool.identity_of(connector)
    # Of any other object these may be something else.
    declared = isinstance(connector, _connector_class())
    spool = _spool.absolute(connector.spool) if declared else None
    durability = connector.durability if declared else None
    options = _spool.options(spool, durability, identity)
    return _core.Connector.custom(name, connector, _QUEUE, options)


def _connector_class() -> type:
    from .integrations.logging_connectors import LogConnector

    return LogConnector


def feeds(name: str) -> bool:
    """Whether a connector of this name is one of them."""
    return any(made.name == name for _, made in tuple(_handles.values()))


def forget(connector: Any) -> None:
    """This connector was closed."""
    known = _handles.get(id(connector))
    if known is not None and known[1].closed:
        del _handles[id(connector)]


def start_all() -> None:
    """Start the threads in a forked child, which inherits none."""
    for _, known in tuple(_handles.values()):
        if not known.closed:
            known.start()


_thread = threading.local()


def is_feeding() -> bool:
    """Whether this thread is one of them: what it logs must not come back to it."""
    return getattr(_thread, "feeding", False)


def work(feed: _core.Feed, connector: Any) -> None:
    """Call the connector's methods, one at a time, until it is closed."""
    _thread.feeding = True
    while (task := feed.next()) is not None:
        kind, events = task
        if kind == "deliver":
            feed.done(_deliver(connector, events))
        elif kind == "flush":
            feed.done(_call(connector, "flush"))
        else:
            failed = _call(connector, "flush")
            feed.done(failed + _call(connector, "close"))


def _deliver(connector: Any, events: list[tuple[str, bytes]]) -> list[tuple[int, str]]:
    from .integrations.logging_connectors import LogEntry

    refused = []
    for index, (id, line) in enumerate(events):
        try:
            if isinstance(connector, Stand):
                failure = connector.take(id, line)
            else:
                taken = connector.send(LogEntry.from_json(line))
                is_taken = taken is None or taken
                failure = None if is_taken else f"{_name(connector)}.send() returned {taken!r}"
        except BaseException as error:  # Nothing that it raises may end the thread.
            method = f"{connector.what}()" if isinstance(connector, Stand) else f"{_name(connector)}.send()"
            failure = f"{method} raised {_describe(error)}"
        if failure is not None:
            refused.append((index, failure))
    return refused


def _call(connector: Any, method: str) -> list[tuple[int, str]]:
    """Call ``flush`` or ``close``, if there is one. A failure is a warning."""
    function = getattr(connector, method, None)
    if function is None:
        return []
    try:
        result = function()
        failure = f"returned {result!r}" if result is not None and not result else None
    except BaseException as error:
        failure = f"raised {_describe(error)}"
    if failure is None:
        return []
    _events.warn(f"{_name(connector)}.{method}() {failure}", None)
    return [(0, failure)]


def _name(connector: Any) -> str:
    return type(connector).__name__


def _describe(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
