"""Connectors that users write in Python."""

import logging
import threading
import time

import pytest

import nethical
from nethical.integrations.logging_connectors import (
    AggregatorHandler,
    JSONFileConnector,
    LogAggregator,
    LogConnector,
    LogEntry,
    LogLevel,
    MemoryConnector,
)


class Recorder(LogConnector):
    """Notes what it is asked, and from where."""

    def __init__(self, fails=()):
        self.calls, self.threads, self.fails = [], set(), fails

    def note(self, what):
        self.calls.append(what)
        self.threads.add(threading.get_ident())

    def send(self, entry):
        assert isinstance(entry, LogEntry)
        self.note(entry.message)
        if entry.message in self.fails:
            raise RuntimeError(f"cannot take {entry.message}")
        return True

    def flush(self):
        self.note("<flush>")
        return True

    def close(self):
        self.note("<close>")


def test_in_order_on_one_thread_of_its_own():
    recorder = Recorder()
    with LogAggregator() as logs:
        logs.add_connector(recorder)
        for index in range(1_000):
            logs.log(LogLevel.INFO, str(index), "s")
        assert logs.flush_all()
        assert recorder.calls == [str(index) for index in range(1_000)] + ["<flush>"]
    assert recorder.calls[-1] == "<close>" and recorder.calls.count("<close>") == 1
    assert len(recorder.threads) == 1 and threading.get_ident() not in recorder.threads


def test_entries_arrive_whole():
    got = []

    class Keep(LogConnector):
        def send(self, entry):
            got.append(entry)
            return True

    with LogAggregator() as logs:
        logs.add_connector(Keep())
        logs.log(LogLevel.WARNING, "m", "s", a=[1], token="t")
    (entry,) = got
    assert (entry.level, entry.message, entry.source) == (LogLevel.WARNING, "m", "s")
    assert entry.metadata == {"a": [1], "token": "[REDACTED]"}
    assert entry.timestamp.tzinfo is not None


def test_a_failure_is_a_dead_letter_and_stops_nobody(caplog):
    recorder, memory = Recorder(fails={"3", "5"}), MemoryConnector()
    with LogAggregator() as logs:
        logs.add_connector(recorder)
        logs.add_connector(memory)
        with caplog.at_level(logging.WARNING, logger="nethical"):
            assert all(logs.log(LogLevel.INFO, str(index), "s") for index in range(10))
            assert logs.flush_all()
        status, _ = logs.status()
        assert (status["confirmed"], status["dead_lettered"]) == (8, 2)
        assert "RuntimeError: cannot take 5" in status["last_error"]["message"]
        assert status["last_error"]["code"] == "python.send_failed"
        assert recorder.calls[:10] == [str(index) for index in range(10)]
        assert len(memory.entries) == 10


@pytest.mark.parametrize("result", [False, 0])
def test_a_false_result_is_a_refusal(result):
    class Refuses(LogConnector):
        def send(self, entry):
            return result

    with LogAggregator() as logs:
        logs.add_connector(Refuses())
        logs.log(LogLevel.INFO, "m", "s")
        assert logs.flush_all()
        (status,) = logs.status()
        assert status["dead_lettered"] == 1 and "returned" in status["last_error"]["message"]


def test_a_forgotten_return_is_no_refusal():
    class Forgets(LogConnector):
        def send(self, entry):
            pass

    with LogAggregator() as logs:
        logs.add_connector(Forgets())
        logs.log(LogLevel.INFO, "m", "s")
        assert logs.flush_all() and logs.status()[0]["confirmed"] == 1


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_nothing_ends_the_thread(error):
    class Leaves(LogConnector):
        def send(self, entry):
            raise error

    with LogAggregator() as logs:
        logs.add_connector(Leaves())
        for _ in range(3):
            logs.log(LogLevel.INFO, "m", "s")
        assert logs.flush_all() and logs.status()[0]["dead_lettered"] == 3


def test_a_slow_one_does_not_hold_the_caller_up(memory):
    hold = threading.Event()

    class Slow(LogConnector):
        def send(self, entry):
            return hold.wait(60)

    with LogAggregator() as logs:
        logs.add_connector(Slow())
        logs.add_connector(memory)
        start = time.monotonic()
        for _ in range(5):
            logs.log(LogLevel.INFO, "m", "s")
        assert len(memory.entries) == 5
        assert time.monotonic() - start < 30
        assert logs.flush_all(0.1) is False
        hold.set()
        assert logs.flush_all(10) is True


def test_failing_flush_and_close_are_warnings(caplog):
    class Bad(Recorder):
        def flush(self):
            raise OSError("flush failed")

        def close(self):
            raise OSError("close failed")

    logs = LogAggregator()
    logs.add_connector(Bad())
    logs.log(LogLevel.INFO, "m", "s")
    with caplog.at_level(logging.WARNING, logger="nethical"):
        assert logs.flush_all() is False
        logs.close_all()
    assert "Bad.close() raised OSError: close failed" in caplog.text


def test_one_thread_in_two_aggregators():
    recorder = Recorder()
    first, second = LogAggregator(), LogAggregator()
    for logs in (first, second):
        logs.add_connector(recorder)
    for index in range(100):
        (first if index % 2 else second).log(LogLevel.INFO, str(index), "s")
    assert first.flush_all()
    assert recorder.calls[:-1] == [str(index) for index in range(100)] and len(recorder.threads) == 1
    assert first.close_all() and second.close_all()
    assert recorder.calls.count("<close>") == 1


def test_a_coroutine_is_refused_since_nobody_would_run_it(logs):
    class Mine:
        async def send(self, entry):
            raise AssertionError

    with pytest.raises(TypeError, match="no coroutine"):
        logs.add_connector(Mine())


def test_any_object_with_send():
    class Duck:
        def __init__(self):
            self.got = []

        def send(self, entry):
            self.got.append(entry.message)
            return True

    duck = Duck()
    with LogAggregator() as logs:
        logs.add_connector(duck)
        logs.log(LogLevel.INFO, "quack", "s")
        assert logs.flush_all() and duck.got == ["quack"]


def test_a_subclass_of_an_engine_connector(tmp_path, lines):
    class Stamped(JSONFileConnector):
        def send(self, entry):
            entry.metadata["stamp"] = "x"
            return super().send(entry)

    class Plain(JSONFileConnector):
        pass

    stamped, plain = Stamped(tmp_path / "a.jsonl"), Plain(tmp_path / "b.jsonl")
    with LogAggregator() as logs:
        logs.add_connector(stamped)
        logs.add_connector(plain)
        logs.log(LogLevel.INFO, "m", "s")
    assert lines(tmp_path / "a.jsonl")[0]["metadata"] == {"stamp": "x"}
    assert lines(tmp_path / "b.jsonl")[0]["metadata"] == {}


def test_what_it_logs_itself_does_not_come_back():
    class Chatty(Recorder):
        def send(self, entry):
            logging.getLogger("chatty").error("sent %s", entry.message)
            return super().send(entry)

    chatty = Chatty()
    with LogAggregator() as logs:
        logs.add_connector(chatty)
        handler = AggregatorHandler(logs)
        logging.getLogger("chatty").addHandler(handler)
        try:
            logs.log(LogLevel.INFO, "m", "s")
            assert logs.flush_all()
        finally:
            logging.getLogger("chatty").removeHandler(handler)
    assert chatty.calls.count("m") == 1 and len(chatty.calls) <= 4


def test_callbacks_hear_of_changes(caplog):
    heard, ready = [], threading.Event()

    @nethical.on_event
    def listen(event):
        heard.append(event)
        ready.set()

    @nethical.on_event
    def fails(event):
        raise RuntimeError("a callback's own fault")

    try:
        with LogAggregator() as logs:
            logs.add_connector(Recorder(fails={"m"}))
            logs.log(LogLevel.INFO, "m", "s")
            assert logs.flush_all() and ready.wait(10)
    finally:
        nethical.off_event(listen)
        nethical.off_event(fails)
    (event,) = heard
    assert (event.destination, event.kind) == ("Recorder", "dead_letter")
    assert "cannot take m" in event.message and event.hint
    with pytest.raises(TypeError):
        nethical.on_event("no function")
