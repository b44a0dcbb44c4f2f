"""One entry to many connectors."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex, TypeVar, overload

from .. import _core, _feed, _process
from .._background import With, in_background
from ._connectors import (
    CLOSE_TIMEOUT,
    FLUSH_TIMEOUT,
    ConfiguredConnector,
    EngineConnector,
    LogConnector,
)
from ._entries import LogLevel

_Self = TypeVar("_Self", bound="LogAggregator")


class Connectors(list[LogConnector]):
    """A picture of the connectors. Changing it would change nothing, so it refuses."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("use add_connector() and remove_connector(): the list is a picture")

    append = extend = insert = remove = clear = reverse = _refuse
    sort: Any = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def pop(self, index: SupportsIndex = -1) -> NoReturn:
        self._refuse()

    def __reduce__(self) -> tuple[Any, ...]:
        return (list, (list(self),))


def handle_of(connector: LogConnector) -> _core.Connector:
    """What feeds this connector."""
    if isinstance(connector, EngineConnector) and type(connector).send is EngineConnector.send:
        return connector._connector
    return _feed.handle(connector)


class LogAggregator(With, _core.Aggregator):
    """Hands every log entry to all of its connectors. One that fails or is slow concerns no other."""

    _config: _core.Config | None = None

    if TYPE_CHECKING:
        # A name whose value is given by position is free for metadata.
        def __new__(cls: type[_Self], *args: Any, **kwargs: Any) -> _Self: ...
        @overload
        def log(self, level: Any, message: Any, source: Any, /, **metadata: Any) -> bool: ...
        @overload
        def log(self, level: Any, message: Any, /, *, source: Any, **metadata: Any) -> bool: ...
        @overload
        def log(self, level: Any, /, *, message: Any, source: Any, **metadata: Any) -> bool: ...
        @overload
        def log(self, /, level: Any, message: Any, source: Any, **metadata: Any) -> bool: ...
        def log(self, /, *args: Any, **kwargs: Any) -> bool: ...

    def __init__(self) -> None:
        self._members: list[tuple[LogConnector, _core.Connector, LogLevel]] = []

    @classmethod
    def from_config(
        cls: type[_Self], config: str | os.PathLike[str] | Mapping[str, Any]
    ) -> _Self:
        """An aggregator with every connector of a configuration's ``[logging]``, open.

        ``config`` is the path of a file (TOML or JSON) or a dict of the same shape:
        ``{"logging": {"jsonl": {"filepath": "logs/app.jsonl"}}}``. Everything that is wrong with it
        is told in one :class:`nethical.ConfigError`, before anything is opened.
        """
        read = read_config(config)
        made = cls.__new__(cls, read)
        made.__init__()  # type: ignore[misc]
        made._config = read
        for name, kind, level, connector in read.open_logs():
            made.add_connector(ConfiguredConnector(read, name, kind, connector), level)
        return made

    @property
    def connectors(self) -> list[LogConnector]:
        """The connectors, in the order in which they were added."""
        return Connectors(member[0] for member in self._members)

    def add_connector(self, connector: LogConnector, level: LogLevel | str | None = None) -> None:
        """Have ``connector`` get every entry, or those of ``level`` and above.

        It may be any object with a ``send`` method; see :class:`LogConnector`.
        """
        if isinstance(connector, type) or not callable(getattr(connector, "send", None)):
            raise TypeError(f"add_connector() takes a LogConnector, not {_what(connector)}")
        if inspect.iscoroutinefunction(connector.send):
            shown = type(connector).__name__
            raise TypeError(f"add_connector() takes no coroutine: {shown}.send() runs on a thread of its own, and may wait")
        if any(member[0] is connector for member in self._members):
            raise ValueError(f"{connector!r} was added before, and would get every entry twice")
        known = LogLevel.DEBUG if level is None else LogLevel[_core.level_name(level)]
        handle = handle_of(connector)
        self._add(handle, known)
        self._members.append((connector, handle, known))

    def remove_connector(self, connector: LogConnector) -> bool:
        """Have ``connector`` get no more. It stays open. Whether it was there."""
        for index, (member, handle, _) in enumerate(self._members):
            if member is connector:
                del self._members[index]
                return self._remove(handle)
        return False

    def flush_all(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what waits, everywhere at once. True if all of it came to its end in ``timeout`` seconds."""
        return _core.flush([member[1] for member in self._members], timeout)

    def close_all(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """Deliver what waits and close every connector, within ``timeout`` seconds. True if nothing was left."""
        settled = _core.close([member[1] for member in self._members], timeout)
        self._closed()
        for connector, _, _ in self._members:
            _feed.forget(connector)
        return settled

    async def aflush_all(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """:meth:`flush_all`, for ``asyncio``."""
        return await in_background(self.flush_all, timeout)

    async def aclose_all(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """:meth:`close_all`, for ``asyncio``."""
        return await in_background(self.close_all, timeout)

    def status(self) -> list[dict[str, Any]]:
        """The accounts of each connector."""
        return [member[1].status() for member in self._members]

    def _leave(self, error: BaseException | None) -> None:
        self.close_all()

    def __reduce__(self) -> tuple[Any, ...]:
        members = [(connector, level) for connector, _, level in self._members]
        state = {name: value for name, value in vars(self).items() if name != "_members"}
        return (_rebuild, (type(self), members, state))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(connectors={list(self.connectors)!r})"


def _rebuild(
    kind: type[LogAggregator], members: list[tuple[LogConnector, LogLevel]], state: dict[str, Any]
) -> LogAggregator:
    """In another process: the same with connectors of its own."""
    made = kind.__new__(kind, state.get("_config"))
    LogAggregator.__init__(made)
    vars(made).update(state)
    for connector, level in members:
        made.add_connector(connector, level)
    return made


def read_config(config: object) -> _core.Config:
    """A configuration that is the path of a file, or a dict."""
    if isinstance(config, (str, os.PathLike)):
        return _core.Config(os.path.abspath(os.fsdecode(config)), None)
    if not isinstance(config, Mapping):
        raise TypeError(f"from_config() takes a path or a dict, not {type(config).__name__}")
    return _core.Config(None, json.dumps(dict(config), default=os.fspath))


_said_late: list[bool] = []
"""Not empty once it was said that an entry came too late."""


def _late(method: Callable[..., bool]) -> Callable[..., bool]:
    """A way to log after the engine's end: that an entry was not taken is said once."""

    def log(self: LogAggregator, /, *args: Any, **kwargs: Any) -> bool:
        taken = method(self, *args, **kwargs)
        if not taken and self._members and not _said_late:
            _said_late.append(True)
            _process.say("nethical: an entry was logged after everything was closed, and is lost, as are all that follow")
        return taken

    return log


def _watch_late() -> None:
    for name in ("log", "log_entry", "_log_record"):
        setattr(LogAggregator, name, _late(getattr(_core.Aggregator, name)))


_process.afterwards(_watch_late)


def _what(found: object) -> str:
    return f"the class {found.__name__} itself" if isinstance(found, type) else type(found).__name__
