"""Fan-out: levels, membership, failures, the end."""

import copy
import logging
import pickle

import pytest

from nethical.integrations.logging_connectors import (
    JSONFileConnector,
    LogAggregator,
    LogLevel,
    MemoryConnector,
)


def messages(connector):
    return [entry.message for entry in connector.entries]


def test_each_connector_has_its_level():
    everything, errors, by_name = MemoryConnector(), MemoryConnector(), MemoryConnector()
    with LogAggregator() as logs:
        logs.add_connector(everything)
        logs.add_connector(errors, level=LogLevel.ERROR)
        logs.add_connector(by_name, "warn")
        for level in LogLevel:
            assert logs.log(level, level.value, "s")
        assert messages(everything) == [level.value for level in LogLevel]
        assert messages(errors) == ["ERROR", "CRITICAL"]
        assert messages(by_name) == ["WARNING", "ERROR", "CRITICAL"]


def test_membership(logs, memory):
    other = MemoryConnector()
    logs.add_connector(other)
    assert logs.connectors == [memory, other]
    assert logs.remove_connector(memory) is True
    assert logs.remove_connector(memory) is False
    logs.log(LogLevel.INFO, "after", "s")
    assert messages(other) == ["after"] and messages(memory) == []
    with pytest.raises(ValueError, match="twice"):
        logs.add_connector(other)


def test_the_list_cannot_be_changed_by_mistake(logs, memory):
    found = logs.connectors
    assert found == [memory] and isinstance(found, list)
    for change in (lambda: found.append(memory), found.clear, lambda: found.pop(), lambda: found.remove(memory)):
        with pytest.raises(TypeError, match="add_connector"):
            change()


@pytest.mark.parametrize("wrong", [None, "file.jsonl", MemoryConnector, object()])
def test_only_connectors_are_added(logs, wrong):
    with pytest.raises(TypeError, match="takes a LogConnector"):
        logs.add_connector(wrong)


def test_without_connectors():
    logs = LogAggregator()
    assert logs.connectors == []
    assert logs.log(LogLevel.INFO, "m", "s", a=1) is True
    assert logs.flush_all() is True and logs.close_all() is True


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "text"),
    [
        (("loud", "m", "s"), {}, ValueError, "debug, info, warning, error or critical"),
        ((20, "m", "s"), {}, TypeError, "not int"),
        ((True, "m", "s"), {}, TypeError, "not bool"),
        (("30", "m", "s"), {}, ValueError, "numbers mean different levels"),
        ((logging, "m", "s"), {}, TypeError, "not module"),
        ((LogLevel.INFO, "m"), {}, TypeError, "source is missing"),
        ((), {"message": "m", "source": "s"}, TypeError, "level is missing"),
        ((LogLevel.INFO, "m", "s", {"a": 1}), {}, TypeError, "4 were given by position"),
    ],
)
def test_wrong_arguments(logs, memory, args, kwargs, error, text):
    with pytest.raises(error, match=text):
        logs.log(*args, **kwargs)
    assert memory.entries == []


def test_by_position_and_by_name(logs, memory):
    logs.log(LogLevel.INFO, "m", "s", level=3, message="x", source=None)
    logs.log(LogLevel.INFO, "m", source="s", message="x")
    logs.log(LogLevel.INFO, message="m", source="s", level="x", a=1)
    logs.log(a=1, source="s", message="m", b=2, level="info")
    found = [(entry.level, entry.message, entry.source, entry.metadata) for entry in memory.entries]
    assert found == [
        (LogLevel.INFO, "m", "s", {"level": 3, "message": "x", "source": None}),
        (LogLevel.INFO, "m", "s", {"message": "x"}),
        (LogLevel.INFO, "m", "s", {"level": "x", "a": 1}),
        (LogLevel.INFO, "m", "s", {"a": 1, "b": 2}),
    ]


def test_names_that_are_no_identifiers(logs, memory):
    logs.log(LogLevel.INFO, "m", "s", **{"request.id": 1, "": 2, "\ud800": 3, "_omitted": 4})
    assert memory.entries[0].metadata == {"request.id": 1, "": 2, "\ufffd": 3, "_omitted": 4}


def test_help_shows_the_signature():
    assert "level, message, source, **metadata" in (LogAggregator.log.__text_signature__ or "")
    assert "never" in LogAggregator.log.__doc__.lower()


def test_one_closed_connector_stops_no_other(logs, memory):
    closed = MemoryConnector()
    logs.add_connector(closed)
    closed.close()
    assert logs.log(LogLevel.INFO, "m", "s") is False
    assert messages(memory) == ["m"]
    status = closed.status()
    assert (status["accepted"], status["dropped"]["closed"]) == (1, 1)


def test_a_late_entry_is_a_warning_once(caplog):
    logs = LogAggregator()
    logs.add_connector(MemoryConnector())
    assert logs.close_all() and logs.close_all()
    with caplog.at_level(logging.WARNING, logger="nethical"):
        assert logs.log(LogLevel.INFO, "late", "s") is False
        assert logs.log(LogLevel.INFO, "later", "s") is False
        import time

        deadline = time.monotonic() + 5
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.01)
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "an entry was logged after close_all(), and was not taken"
    ]


def test_a_full_queue_is_false_and_counted(tmp_path):
    import threading

    from nethical.integrations.logging_connectors import LogConnector

    go = threading.Event()

    class Slow(LogConnector):
        def send(self, entry):
            return go.wait(20)

    fast = MemoryConnector()
    with LogAggregator() as logs:
        logs.add_connector(Slow())
        logs.add_connector(fast)
        taken = [logs.log(LogLevel.INFO, "m", "s") for _ in range(70_000)]
        assert taken[:65_536] == [True] * 65_536 and False in taken
        status = logs.status()[0]
        assert status["dropped"]["queue_full"] == taken.count(False)
        assert logs.flush_all(0.2) is False
        go.set()
        assert logs.flush_all(60) is True
        status = logs.status()[0]
        assert status["accepted"] == status["confirmed"] + status["dropped"]["queue_full"] == 70_000


def test_an_aggregator_pickles_as_its_connectors(tmp_path, lines):
    path = tmp_path / "a.jsonl"
    first = LogAggregator()
    first.add_connector(JSONFileConnector(path), level="error")
    first.note = "kept"
    second = pickle.loads(pickle.dumps(first))
    assert second.note == "kept" and repr(second) == repr(first)
    assert copy.copy(first).connectors == first.connectors
    for logs in (first, second):
        logs.log(LogLevel.INFO, "too low", "s")
        logs.log(LogLevel.ERROR, "m", "s")
        logs.close_all()
    assert len(lines(path)) == 2


def test_subclasses(memory):
    class Mine(LogAggregator):
        def __init__(self, name, *, source):
            super().__init__()
            self.name, self.source = name, source

        def say(self, message):
            return self.log(LogLevel.INFO, message, self.source, aggregator=self.name)

    mine = Mine("mine", source="app")
    mine.add_connector(memory)
    assert mine.say("hello")
    assert memory.entries[0].metadata == {"aggregator": "mine"}
