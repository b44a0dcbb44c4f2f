"""Log entries and their levels."""

from __future__ import annotations

import enum
import json
import logging
import traceback
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .. import _core


class LogLevel(enum.Enum):
    """How severe an entry is."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"

    @classmethod
    def _missing_(cls, value: object) -> LogLevel | None:
        """``LogLevel("warn")``: names in any case, and the usual short forms."""
        return cls[_core.level_name(value)] if isinstance(value, str) else None


@dataclass
class LogEntry:
    """One log entry. A timestamp without a zone is local time."""

    timestamp: datetime
    level: LogLevel
    message: str
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=_core.new_id, compare=False, repr=False, kw_only=True)
    """Stays the same through every repeat, and when the entry is pickled."""

    def __post_init__(self) -> None:
        if not isinstance(self.timestamp, datetime):
            raise TypeError(f"timestamp must be a datetime, not {type(self.timestamp).__name__}")
        if not isinstance(self.level, LogLevel):
            self.level = LogLevel[_core.level_name(self.level)]
        if self.metadata is None:
            self.metadata = {}
        self.id = _core.parse_id(self.id)

    def to_json(self) -> str:
        """The line that a file gets for this entry, without its end. Secrets are redacted in it."""
        return _core.entry_to_json(self)

    def to_dict(self) -> dict[str, Any]:
        """What :meth:`to_json` holds, as a dict."""
        found: dict[str, Any] = json.loads(self.to_json())
        return found

    @classmethod
    def from_json(cls, line: str | bytes) -> LogEntry:
        """The entry that a line shows, as far as JSON can tell."""
        found = json.loads(line)
        at = datetime.fromisoformat(found["timestamp"].replace("Z", "+00:00"))
        level = LogLevel(found["level"])
        return cls(at, level, found["message"], found["source"], found["metadata"], id=found["id"])

    @classmethod
    def from_log_record(cls, record: logging.LogRecord) -> LogEntry:
        """The entry for a record of the standard library's ``logging``.

        ``extra=`` fields become metadata; an exception becomes ``exception`` with its ``type``,
        ``message`` and ``traceback``, and ``stack_info`` becomes ``stack``.
        """
        at = datetime.fromtimestamp(record.created, timezone.utc)
        metadata = {name: value for name, value in vars(record).items() if name not in OWN}
        metadata.update(failure_of(record) or {})
        return cls(at, level_of(record.levelno), message_of(record), record.name, metadata)


_LEVELS = {
    logging.DEBUG: LogLevel.DEBUG,
    logging.INFO: LogLevel.INFO,
    logging.WARNING: LogLevel.WARNING,
    logging.ERROR: LogLevel.ERROR,
    logging.CRITICAL: LogLevel.CRITICAL,
}


def level_of(number: int) -> LogLevel:
    """A level of one's own counts as the next named one below."""
    found = _LEVELS.get(number)
    if found is None:
        below = [known for known in _LEVELS if known <= number]
        found = _LEVELS[max(below, default=logging.DEBUG)]
    return found


# What every record has; the rest came by `extra=`.
OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # Arguments that do not fit the format, or have no text: show all of them.
        return f"{_shown(record.msg)} {_shown(record.args)}"


def _shown(part: object) -> str:
    try:
        return part if isinstance(part, str) else repr(part)
    except Exception:
        if isinstance(part, tuple):
            return f"({', '.join(map(_shown, part))},)"
        return f"<unprintable {type(part).__name__}>"


def failure_of(record: logging.LogRecord) -> dict[str, Any] | None:
    """The exception and the stack of a record, if it has them."""
    if not (record.exc_info or record.exc_text or record.stack_info):
        return None
    found: dict[str, Any] = {}
    if record.exc_info and record.exc_info[0]:
        found["exception"] = {
            "type": record.exc_info[0].__name__,
            "message": record.exc_info[1],
            "traceback": "".join(traceback.format_exception(*record.exc_info)),
        }
    elif record.exc_text:  # A record that travelled through a queue has only the text.
        found["exception"] = {"traceback": record.exc_text}
    if record.stack_info:
        found["stack"] = record.stack_info
    return found


_core.register(LogLevel, LogEntry)
