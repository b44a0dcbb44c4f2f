"""Points in time, as the engine counts them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def at(micros: int) -> datetime:
    """So many microseconds since 1970, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def micros(time: datetime) -> int:
    """Microseconds since 1970. A time without a zone is local time."""
    return (time.astimezone(timezone.utc) - _EPOCH) // timedelta(microseconds=1)
