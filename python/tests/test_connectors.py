"""Connectors by themselves: options, accounts, failures."""

import os
import pickle
import stat
import threading
import time
from datetime import datetime

import pytest

import nethical
from nethical.integrations.logging_connectors import JSONFileConnector, LogConnector, LogEntry, LogLevel, MemoryConnector


def entry(message="m", **metadata):
    return LogEntry(datetime.now(), LogLevel.INFO, message, "s", metadata)


def test_a_directory_is_told_at_once(tmp_path):
    with pytest.raises(nethical.NethicalError) as caught:
        JSONFileConnector(tmp_path)
    error = caught.value
    assert error.code == "jsonl.is_directory" and error.hint and str(tmp_path) in str(error)
    assert isinstance(error, (nethical.ConfigError, OSError))
    assert isinstance(error, OSError) and isinstance(error, ValueError)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.code, again.hint) == (type(error), str(error), error.code, error.hint)


def test_a_file_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(nethical.PathError, match="not a directory|Not a directory|exists"):
        JSONFileConnector(tmp_path / "file" / "app.jsonl")


def test_an_unwritable_path_is_told_at_once(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        # Whoever may do everything may not do that.
        path = "/proc/app.jsonl" if os.geteuid() == 0 else tmp_path / "app.jsonl"
        with pytest.raises(OSError) as caught:
            JSONFileConnector(path)
        assert isinstance(caught.value, nethical.NethicalError)
    finally:
        tmp_path.chmod(stat.S_IRWXU)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"filepath": ""}, ValueError),
        ({"filepath": "a\0b"}, ValueError),
        ({"filepath": 7}, TypeError),
        ({"filepath": "x", "buffer_size": 0}, ValueError),
        ({"filepath": "x", "buffer_size": "10"}, ValueError),
        ({"filepath": "x", "fsync": "often"}, ValueError),
        ({"filepath": "x", "schema": "gelf"}, ValueError),
        ({"filepath": "x", "rotate_bytes": 0}, ValueError),
        ({"filepath": "x", "rotate_bytes": "1 MB"}, ValueError),
        ({"filepath": "x", "rotate_hours": -1}, ValueError),
        ({"filepath": "x", "keep_files": 3}, ValueError),
        ({"filepath": "x", "rotate_bytes": 1, "compress": "rar"}, ValueError),
        ({"filepath": "x", "when_full": "explode"}, ValueError),
        ({"filepath": "x", "max_queue": 0}, ValueError),
        ({"filepath": "x", "when_full": "block", "block_timeout": -1}, ValueError),
        ({"filepath": "x", "block_timeout": -1}, ValueError),
        ({"filepath": "x", "block_timeout": float("nan")}, ValueError),
        ({"filepath": "x", "name": ""}, nethical.ConfigError),
        ({"filepath": "x", "name": "a\nb"}, nethical.ConfigError),
        ({"filepath": "x", "bufer_size": 1}, TypeError),
    ],
)
def test_wrong_options(tmp_path, monkeypatch, given, error):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        JSONFileConnector(**given)
    assert list(tmp_path.iterdir()) == []


def test_send_after_close_is_told(tmp_path):
    connector = JSONFileConnector(tmp_path / "a.jsonl", name="audit")
    connector.close()
    connector.close()
    assert connector.flush() is True
    with pytest.raises(nethical.ClosedError, match="audit is closed"):
        connector.send(entry())


@pytest.mark.parametrize("wrong", [{"message": "m"}, "m", None, LogEntry])
def test_only_entries_are_sent(memory, wrong):
    with pytest.raises(TypeError, match="a LogEntry is needed"):
        memory.send(wrong)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "soon"])
def test_wrong_timeouts(memory, timeout):
    with pytest.raises((ValueError, TypeError)):
        memory.flush(timeout)


def test_endless_patience(memory):
    assert memory.flush(float("inf")) is True


def test_buffer_size_writes_early(tmp_path, lines):
    path = tmp_path / "a.jsonl"
    with JSONFileConnector(path, buffer_size=10) as connector:
        for _ in range(10):
            connector.send(entry())
        deadline = time.monotonic() + 0.7
        while not lines(path) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(lines(path)) == 10


def test_accounts(tmp_path):
    with JSONFileConnector(tmp_path / "a.jsonl") as connector:
        connector.send(entry(nan=float("nan")))
        connector.send(entry())
        assert connector.flush()
        status = connector.status()
        assert (status["accepted"], status["confirmed"], status["waiting"], status["repaired"]) == (2, 2, 0, 1)
        assert "jsonl" in [one["name"] for one in nethical.status()]
        assert connector.dead_letters() == []


class Slow(LogConnector):
    """Holds each entry until it is let go."""

    def __init__(self):
        self.go = threading.Event()

    def send(self, entry):
        return self.go.wait(20)


def test_full_queues(tmp_path):
    fifo_free = MemoryConnector(max_events=5)
    for index in range(10):
        fifo_free.send(entry(index=index))
    assert [one.metadata["index"] for one in fifo_free.entries] == [5, 6, 7, 8, 9]
    fifo_free.clear()
    assert fifo_free.entries == []
    fifo_free.close()


def test_memory_shows_what_would_arrive(memory):
    memory.send(entry(password="hunter2", at=datetime(2026, 1, 1)))
    (found,) = memory.entries
    assert found.metadata["password"] == "[REDACTED]" and found.metadata["at"].endswith("Z")


def test_connectors_pickle_as_their_options(tmp_path, lines):
    path = tmp_path / "a.jsonl"
    first = JSONFileConnector(path, 7, fsync="never", when_full="drop_oldest")
    second = pickle.loads(pickle.dumps(first))
    assert repr(first) == repr(second) and second.buffer_size == 7
    for connector in (first, second):
        connector.send(entry())
        connector.close()
    assert len(lines(path)) == 2


def test_a_forgotten_connector_still_delivers(tmp_path, lines):
    path = tmp_path / "a.jsonl"
    connector = JSONFileConnector(path)
    connector.send(entry())
    del connector
    deadline = time.monotonic() + 10
    while not lines(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(lines(path)) == 1


def test_abstract_until_send_is_there():
    with pytest.raises(TypeError):
        LogConnector()
    assert isinstance(MemoryConnector(), LogConnector) and Slow().flush() is True
