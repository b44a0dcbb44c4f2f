"""The standard library's ``logging`` as a source."""

from __future__ import annotations

import logging
from typing import Any

from .. import _feed
from ._aggregator import LogAggregator
from ._entries import OWN, failure_of, level_of, message_of


class AggregatorHandler(logging.Handler):
    """Hands records to an aggregator.

    Records of logger ``nethical`` and below never enter, nor what a connector logs while it is
    given entries: either would go round in circles.
    """

    def __init__(self, aggregator: LogAggregator, level: int | str = logging.NOTSET) -> None:
        if not isinstance(aggregator, LogAggregator):
            raise TypeError(f"a LogAggregator is needed, not {type(aggregator).__name__}")
        super().__init__(level)
        self.aggregator = aggregator

    def handle(self, record: logging.LogRecord) -> bool:
        """As any handler, without its lock: an aggregator may be used by many threads."""
        wanted: Any = self.filter(record)
        if wanted:
            # Since Python 3.12 a filter may give another record.
            self.emit(wanted if isinstance(wanted, logging.LogRecord) else record)
        return bool(wanted)

    def emit(self, record: logging.LogRecord) -> None:
        name = record.name
        if name == "nethical" or name.startswith("nethical.") or _feed.is_feeding():
            return
        try:
            self.aggregator._log_record(
                vars(record), OWN, level_of(record.levelno), message_of(record), failure_of(record)
            )
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Deliver what waits, in at most ten seconds."""
        self.aggregator.flush_all()

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.aggregator, self.level))
