"""What an entry can be handed to."""

from __future__ import annotations

import abc
import os
from typing import TYPE_CHECKING, Any, Literal

from .. import _core, _spool
from .._background import With, in_background
from .._spool import Durability, Spool
from ._entries import LogEntry

if TYPE_CHECKING:
    from .. import _shapes

FLUSH_TIMEOUT = 10.0
CLOSE_TIMEOUT = 30.0


class LogConnector(With, abc.ABC):
    """Takes log entries.

    A subclass of one's own need only have ``send``. Added to a :class:`LogAggregator` its methods
    are called in order, on one background thread of its own, so they may be slow. An exception in
    ``send``, or a false result, is counted and kept as a dead letter; it concerns nobody else.

    Such a class may also set ``name``, ``spool`` and ``durability``, for itself or for each object
    before it is added. With ``spool = True`` (or a directory) its entries wait on disk, and what one
    run of the program leaves, the next one delivers to the connector of the same name. One without a
    name is known by where its class is.
    """

    spool: Spool = None
    """Whether entries wait on disk: None and False for in memory, True, or the directory for it."""
    durability: Durability = None
    """What those on disk survive; see :class:`JSONFileConnector`."""

    @abc.abstractmethod
    def send(self, entry: LogEntry) -> bool:
        """Take an entry. True if it was accepted."""

    def flush(self) -> bool:
        """Deliver what waits. True if everything accepted so far was delivered."""
        return True

    def close(self) -> None:
        """Deliver what waits, and let go of everything. A second call is harmless."""

    async def aflush(self) -> bool:
        """:meth:`flush`, for ``asyncio``."""
        return await in_background(self.flush)

    async def aclose(self) -> None:
        """:meth:`close`, for ``asyncio``."""
        await in_background(self.close)

    def _leave(self, error: BaseException | None) -> None:
        self.close()


WhenFull = Literal["drop_newest", "drop_oldest", "block"]


class EngineConnector(LogConnector):
    """A connector whose destination is the engine's: ``send`` hands over and returns at once."""

    def __init__(self, connector: _core.Connector, options: dict[str, Any]) -> None:
        self._connector = connector
        self._options = options

    @property
    def name(self) -> str:
        """The name in warnings and accounts."""
        return self._connector.name

    def send(self, entry: LogEntry) -> bool:
        """Take an entry. False if the queue is full and gives up new entries.

        After :meth:`close` this raises :class:`nethical.ClosedError`.
        """
        return self._connector.send(entry)

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what waits. True if everything accepted so far came to its end in ``timeout`` seconds."""
        return _core.flush([self._connector], timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Deliver what waits, and let go of the destination. A second call is harmless."""
        _core.close([self._connector], timeout)

    async def aflush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """:meth:`flush`, for ``asyncio``."""
        return await in_background(self.flush, timeout)

    async def aclose(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """:meth:`close`, for ``asyncio``."""
        await in_background(self.close, timeout)

    def status(self) -> dict[str, Any]:
        """The accounts, as :func:`nethical.status` describes them."""
        return self._connector.status()

    def dead_letters(self) -> list[dict[str, Any]]:
        """Entries that this process saw refused, the newest 16 MiB: ``line``, ``error``, ``attempts`` and ``at``.

        Those of all processes, with what can be done about them: :func:`nethical.dead_letters`.
        """
        return self._connector.dead_letters()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_open, (type(self), self._options))

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self._options.items())
        return f"{type(self).__name__}({options})"


def _open(kind: type[EngineConnector], options: dict[str, Any]) -> EngineConnector:
    return kind(**options)


class ConfiguredConnector(EngineConnector):
    """A connector that a configuration describes, of whatever type."""

    def __init__(
        self, config: _core.Config, name: str, kind: str, connector: _core.Connector | None = None
    ) -> None:
        self.kind = kind
        """The type of the destination."""
        opened = config.connect("logging", name) if connector is None else connector
        super().__init__(opened, {"config": config, "name": name, "kind": kind})

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, kind={self.kind!r})"


def _queue(max_queue: int, when_full: str, block_timeout: float) -> _shapes.Queue:
    return {"max_queue": max_queue, "when_full": when_full, "block_timeout": block_timeout}


class JSONFileConnector(EngineConnector):
    """Appends to a file, one JSON object per line. Several processes may write to one file.

    ``buffer_size`` entries are written at once; fewer are written after a second, at a flush or at
    the end. ``fsync`` says when the file is forced to the disk: ``interval`` (at most a second
    after a write), ``batch`` (with every write) or ``never``. ``schema`` says which keys a line has:
    ``nethical``, ``ecs`` (Elastic), ``otel`` (OpenTelemetry) or ``flat`` (metadata beside the rest).

    A file of ``rotate_bytes``, or one that is ``rotate_hours`` old, is moved away, to a name that says
    when, and a new one begun. Those that were moved away are compressed as ``compress`` says (``gzip``
    or ``zstd``), and deleted when there are more than ``keep_files``, when they have more than
    ``keep_bytes``, or after ``keep_days``; without these all are kept. All of that happens in the
    background. Rotation by others, such as ``logrotate``, is noticed at the next write.

    At most ``max_queue`` entries wait in
    memory; what happens beyond is ``when_full``: ``drop_newest``, ``drop_oldest``, or ``block`` the
    caller for at most ``block_timeout`` seconds.

    The file is itself on this machine, so entries wait for it in memory, unless ``spool`` is True or
    names a directory: then they wait on disk (``NETHICAL_HOME``, or that directory), outlive the
    process, and the next one that opens this file delivers what is left. ``max_queue``, ``when_full``
    and ``block_timeout`` do not count there: up to 1 GiB waits, and the oldest give way.
    ``durability`` says what entries on disk survive: ``none`` the end of the process, ``interval``
    (the usual) also that of the machine, both but for the last 20 ms; with ``every`` an entry is safe
    when ``log`` returns. ``NETHICAL_SPOOL=off`` turns it off in any case. With ``spool=False`` dead
    letters are kept in memory only, too.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        buffer_size: int = 100,
        *,
        fsync: Literal["interval", "batch", "never"] = "interval",
        schema: Literal["nethical", "ecs", "otel", "flat"] = "nethical",
        rotate_bytes: int | None = None,
        rotate_hours: float | None = None,
        compress: Literal["none", "gzip", "zstd"] = "none",
        keep_files: int | None = None,
        keep_bytes: int | None = None,
        keep_days: float | None = None,
        name: str | None = None,
        max_queue: int = 65_536,
        when_full: WhenFull = "drop_newest",
        block_timeout: float = 10.0,
        spool: Spool = None,
        durability: Durability = None,
    ) -> None:
        path = os.fsdecode(filepath)
        if not path or "\0" in path:
            raise ValueError(f"filepath is {path!r}: name a file")
        if not isinstance(buffer_size, int) or buffer_size < 1:
            raise ValueError(f"buffer_size is {buffer_size!r}: use a whole number from 1 up")
        path = os.path.abspath(path) + (os.sep if path.endswith(os.sep) else "")
        queue = _queue(max_queue, when_full, block_timeout)
        spool = _spool.absolute(spool)
        on_disk = _spool.options(spool, durability, path if name is None else None)
        shown = "jsonl" if name is None else name
        written: dict[str, Any] = {
            "buffer_size": buffer_size,
            "fsync": fsync,
            "schema": schema,
            "rotate_bytes": rotate_bytes,
            "rotate_hours": rotate_hours,
            "compress": compress,
            "keep_files": keep_files,
            "keep_bytes": keep_bytes,
            "keep_days": keep_days,
        }
        connector = _core.Connector.jsonl(shown, path, dict(written), queue, on_disk)
        self.spool: Spool = spool
        self.durability: Durability = durability
        self.filepath = path
        """The file, as an absolute path."""
        self.buffer_size = buffer_size
        """Entries that are written at once."""
        options = {"filepath": path, **written, "name": name}
        super().__init__(connector, {**options, **queue, "spool": spool, "durability": durability})


class MemoryConnector(EngineConnector):
    """Keeps the newest entries in memory, for tests."""

    def __init__(
        self,
        max_events: int = 10_000,
        *,
        name: str = "memory",
        max_queue: int = 65_536,
        when_full: WhenFull = "drop_newest",
        block_timeout: float = 10.0,
    ) -> None:
        queue = _queue(max_queue, when_full, block_timeout)
        connector = _core.Connector.memory(name, max_events, queue)
        super().__init__(connector, {"max_events": max_events, "name": name, **queue})

    @property
    def entries(self) -> list[LogEntry]:
        """What was sent so far, oldest first, as it would arrive elsewhere: redacted, within limits."""
        self.flush()
        return [LogEntry.from_json(line) for line in self._connector.lines()]

    def clear(self) -> None:
        """Forget all."""
        self.flush()
        self._connector.clear()
