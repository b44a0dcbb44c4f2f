"""Log entries to many destinations.

    from nethical.integrations.logging_connectors import JSONFileConnector, LogAggregator, LogLevel

    with LogAggregator() as logs:
        logs.add_connector(JSONFileConnector("logs/app.jsonl"))
        logs.log(LogLevel.WARNING, "High memory usage", "monitor", memory_mb=1500)
"""

from __future__ import annotations

from . import _exported_as
from ._aggregator import LogAggregator
from ._cloudwatch import CloudWatchConnector
from ._connectors import JSONFileConnector, LogConnector, MemoryConnector
from ._entries import LogEntry, LogLevel
from ._handler import AggregatorHandler
from ._syslog import SyslogConnector

__all__ = [
    "AggregatorHandler",
    "CloudWatchConnector",
    "JSONFileConnector",
    "LogAggregator",
    "LogConnector",
    "LogEntry",
    "LogLevel",
    "MemoryConnector",
    "SyslogConnector",
]

_exported_as(__name__, globals(), __all__)
