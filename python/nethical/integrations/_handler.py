"""The standard library's ``logging`` as a source."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

from .. import _feed
from ._aggregator import LogAggregator
from ._entries import OWN, failure_of, level_of, message_of


class AggregatorHandler(logging.Handler):
    """Hands records to an aggregator.

    It is an ``aggregator`` that is there, or one for itself, with every connector that ``config`` names: the path of a
    file, or a dict of the same shape, as :meth:`LogAggregator.from_config` takes it. The latter is closed with the handler.

    With a formatter the message of an entry is what the formatter makes of the record; the fields of ``extra=`` and the
    exception are metadata all the same.

    Records of logger ``nethical`` and below never enter, nor what a connector logs while it is
    given entries: either would go round in circles. The former, such as that a destination is down, go on to all
    other handlers, and where there are none to ``logging.lastResort`` (stderr), as if these were not there either.
    """

    def __init__(
        self,
        aggregator: LogAggregator | None = None,
        level: int | str = logging.NOTSET,
        *,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    ) -> None:
        if (aggregator is None) is (config is None):
            raise TypeError("AggregatorHandler() takes either an aggregator or a config")
        if aggregator is not None and not isinstance(aggregator, LogAggregator):
            raise TypeError(f"a LogAggregator is needed, not {type(aggregator).__name__}")
        super().__init__(level)
        self.aggregator: LogAggregator = LogAggregator.from_config(config) if aggregator is None else aggregator  # type: ignore[arg-type]
        """Where records go."""
        self._is_owner = aggregator is None

    def handle(self, record: logging.LogRecord) -> bool:
        """As any handler, without its lock: an aggregator may be used by many threads."""
        if _is_own(record):
            self._pass_on(record)
            return False
        wanted: Any = self.filter(record)
        if wanted:
            # Since Python 3.12 a filter may give another record.
            self.emit(wanted if isinstance(wanted, logging.LogRecord) else record)
        return bool(wanted)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record over, without a wait. What is wrong with it is told as ``logging.raiseExceptions`` says."""
        if _is_own(record) or _feed.is_feeding():
            return
        try:
            message = message_of(record) if self.formatter is None else self.formatter.format(record)
            self.aggregator._log_record(vars(record), OWN, level_of(record.levelno), message, failure_of(record))
        except Exception:
            self.handleError(record)

    def _pass_on(self, record: logging.LogRecord) -> None:
        """Hand a record of ours to the last resort, which handlers like this one keep from coming in by itself."""
        resort = logging.lastResort
        if resort is None or record.levelno < resort.level:
            return
        handlers = list(_handlers_of(record.name))
        if all(isinstance(one, AggregatorHandler) for one in handlers):
            # One of them, however many there are.
            if self is next((one for one in handlers if record.levelno >= one.level), None):
                resort.handle(record)

    def flush(self) -> None:
        """Deliver what waits, in at most ten seconds."""
        self.aggregator.flush_all()

    def close(self) -> None:
        """Let go. An aggregator of its own delivers what waits and is closed, in at most 30 seconds."""
        super().close()
        if self._is_owner:
            self.aggregator.close_all()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.aggregator, self.level, self.formatter, self._is_owner))


def _is_own(record: logging.LogRecord) -> bool:
    name: object = record.name
    return isinstance(name, str) and (name == "nethical" or name.startswith("nethical."))


def _handlers_of(name: str) -> Iterator[logging.Handler]:
    """Every handler that a record of this logger comes to."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _rebuild(
    kind: type[AggregatorHandler],
    aggregator: LogAggregator,
    level: int,
    formatter: logging.Formatter | None,
    is_owner: bool,
) -> AggregatorHandler:
    """In another process: the same with an aggregator of its own."""
    made = kind(aggregator, level)
    made.setFormatter(formatter)
    made._is_owner = is_owner
    return made
