"""Entries, levels, and what they turn away."""

import copy
import json
import logging
import pickle
import uuid
from datetime import datetime, timedelta, timezone

import pytest

from nethical.integrations.logging_connectors import LogEntry, LogLevel


def entry(**changes):
    given = {"timestamp": datetime.now(), "level": LogLevel.INFO, "message": "m", "source": "s"}
    return LogEntry(**{**given, **changes})


def test_levels_are_an_ordinary_enum():
    assert [level.value for level in LogLevel] == ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    assert LogLevel("warn") is LogLevel.WARNING
    assert pickle.loads(pickle.dumps(LogLevel.ERROR)) is LogLevel.ERROR
    with pytest.raises(ValueError, match="no such level|unknown level"):
        LogLevel("loud")


def test_a_pickled_entry_is_the_same_one():
    made = entry(metadata={"a": [1, None]})
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert again == made and again.id == made.id and again.to_json() == made.to_json()
    assert pickle.dumps(made).count(b"logging_connectors") >= 1


def test_ids_sort_by_time_and_stay():
    made = [entry() for _ in range(100)]
    ids = [one.id for one in made]
    assert ids == sorted(ids) and len(set(ids)) == 100
    assert uuid.UUID(ids[0]).version == 7
    assert json.loads(made[0].to_json())["id"] == ids[0]
    assert entry(id=ids[0].upper()).id == ids[0]


def test_entries_compare_by_what_they_say():
    at = datetime.now()
    assert entry(timestamp=at) == entry(timestamp=at)
    assert "id=" not in repr(entry())


def test_local_time_is_written_in_utc():
    at = datetime(2026, 7, 1, 8, 0, 0, 123456)
    shown = entry(timestamp=at).to_dict()["timestamp"]
    assert datetime.fromisoformat(shown.replace("Z", "+00:00")) == at.astimezone(timezone.utc)
    zone = timezone(timedelta(hours=5, minutes=30))
    shown = entry(timestamp=datetime(2026, 7, 1, 8, tzinfo=zone)).to_dict()["timestamp"]
    assert shown == "2026-07-01T02:30:00.000000Z"
    for at in (datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(1969, 12, 31, 23, 59, 59, 500000, timezone.utc)):
        shown = entry(timestamp=at).to_dict()["timestamp"]
        assert datetime.fromisoformat(shown.replace("Z", "+00:00")) == at


def test_reads_back_from_its_line():
    made = entry(level=LogLevel.CRITICAL, metadata={"nested": {"a": [1, 2.5, None, True, "x"]}})
    back = LogEntry.from_json(made.to_json())
    assert (back.level, back.message, back.source, back.metadata) == (made.level, "m", "s", made.metadata)
    assert back.id == made.id and back.to_json() == made.to_json()


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"level": "loud"}, ValueError, "debug, info, warning, error or critical"),
        ({"level": 20}, TypeError, "not int"),
        ({"level": None}, TypeError, "not NoneType"),
        ({"timestamp": "2026-03-01"}, TypeError, "must be a datetime, not str"),
        ({"id": "first"}, ValueError, "no UUID"),
    ],
)
def test_wrong_parts_are_told_at_once(changes, error, text):
    with pytest.raises(error, match=text):
        entry(**changes)


def test_what_goes_wrong_later_is_told_when_it_is_used():
    made = entry()
    made.level = 7
    with pytest.raises(TypeError, match="not int"):
        made.to_json()
    made = entry()
    made.timestamp = datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))
    with pytest.raises(ValueError, match="years"):
        made.to_json()


def test_levels_by_name():
    assert entry(level="Fatal").level is LogLevel.CRITICAL


def test_metadata_of_another_kind_is_kept():
    made = entry(metadata=None)
    assert made.metadata == {}
    made.metadata = ["a"]
    assert made.to_dict()["metadata"] == {"metadata": ["a"]}


def test_from_a_log_record():
    try:
        raise KeyError("name")
    except KeyError:
        import sys

        info = sys.exc_info()
    extra = {"memory_mb": 1500, "password": "hunter2"}
    record = logging.getLogger("app.db").makeRecord(
        "app.db", logging.ERROR, "file.py", 7, "failed %s of %d", ("a", 3), info, extra=extra, sinfo="Stack: here"
    )
    made = LogEntry.from_log_record(record)
    assert (made.message, made.source, made.level) == ("failed a of 3", "app.db", LogLevel.ERROR)
    assert abs(made.timestamp.timestamp() - record.created) < 1e-5
    shown = made.to_dict()["metadata"]
    assert shown["memory_mb"] == 1500 and shown["password"] == "[REDACTED]" and shown["stack"] == "Stack: here"
    assert shown["exception"]["type"] == "KeyError" and "Traceback" in shown["exception"]["traceback"]
    assert set(shown) == {"memory_mb", "password", "stack", "exception"}


@pytest.mark.parametrize(
    ("number", "level"),
    [(0, "DEBUG"), (10, "DEBUG"), (15, "DEBUG"), (25, "INFO"), (30, "WARNING"), (49, "ERROR"), (99, "CRITICAL")],
)
def test_levels_of_records(number, level):
    record = logging.makeLogRecord({"levelno": number, "msg": "m", "name": "n"})
    assert LogEntry.from_log_record(record).level.value == level


def test_a_record_whose_arguments_do_not_fit():
    record = logging.makeLogRecord({"levelno": 20, "msg": "a %d", "args": ("x",), "name": "n"})
    assert LogEntry.from_log_record(record).message == "a %d ('x',)"


def test_the_first_moment_there_is():
    """There is no local time for it: it counts as UTC."""
    made = LogEntry(datetime.min, LogLevel.INFO, "m", "s")
    assert made.to_dict()["timestamp"] == "0001-01-01T00:00:00.000000Z"
    assert LogEntry.from_json(made.to_json()).timestamp == datetime.min.replace(tzinfo=timezone.utc)
