"""The integrations guide's ways to use files and aggregators."""

from datetime import datetime, timezone

from nethical.integrations.logging_connectors import JSONFileConnector, LogAggregator, LogEntry, LogLevel


def test_a_file_gets_one_line_per_entry(tmp_path, lines, monkeypatch):
    monkeypatch.chdir(tmp_path)
    connector = JSONFileConnector(filepath="logs/application.jsonl", buffer_size=10)
    entry = LogEntry(
        timestamp=datetime(2026, 3, 1, 12, 34, 56, 123456, tzinfo=timezone.utc),
        level=LogLevel.ERROR,
        message="Database connection failed",
        source="database",
        metadata={"retries": 3, "error_code": "ECONNREFUSED"},
    )
    assert connector.send(entry) is True
    connector.close()
    path = tmp_path / "logs/application.jsonl"
    (found,) = lines(path)
    assert list(found) == ["timestamp", "level", "message", "source", "metadata", "id", "host", "pid"]
    assert found["timestamp"] == "2026-03-01T12:34:56.123456Z"
    assert found["metadata"] == {"retries": 3, "error_code": "ECONNREFUSED"}
    assert path.read_text() == entry.to_json() + "\n"
    assert found == entry.to_dict()


def test_paths_are_absolute_from_the_start(tmp_path, lines, monkeypatch):
    monkeypatch.chdir(tmp_path)
    connector = JSONFileConnector("logs/app.jsonl")
    assert (connector.filepath, connector.buffer_size) == (str(tmp_path / "logs/app.jsonl"), 100)
    monkeypatch.chdir("/")
    connector.send(LogEntry(datetime.now(), LogLevel.INFO, "m", "s"))
    connector.close()
    assert len(lines(tmp_path / "logs/app.jsonl")) == 1


def test_an_aggregator_logs_everywhere(tmp_path, lines):
    aggregator = LogAggregator()
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path in paths:
        aggregator.add_connector(JSONFileConnector(path))
    assert len(aggregator.connectors) == 2
    assert aggregator.log(
        level=LogLevel.WARNING,
        message="High memory usage detected",
        source="monitor",
        memory_mb=1500,
        threshold_mb=1000,
    )
    assert aggregator.close_all() is True
    for path in paths:
        (found,) = lines(path)
        assert (found["level"], found["source"]) == ("WARNING", "monitor")
        assert found["metadata"] == {"memory_mb": 1500, "threshold_mb": 1000}


def test_metrics_pass_any_names_on(logs, memory):
    def log_metric(name, value, **metadata):
        logs.log(LogLevel.INFO, f"Metric: {name} = {value}", "metrics", metric=name, value=value, **metadata)

    log_metric("accuracy", 0.95, model="v2.0", source="eval", level=3, message="m")
    (entry,) = memory.entries
    assert entry.metadata == {
        "metric": "accuracy", "value": 0.95, "model": "v2.0", "source": "eval", "level": 3, "message": "m",
    }  # fmt: skip
    assert (entry.source, entry.level) == ("metrics", LogLevel.INFO)
