"""Cost of one log call with five fields: `python logging_calls.py CONTESTANT N` prints `{"seconds": ...}`."""

import json
import logging
import logging.handlers
import queue
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

FIELDS = {"memory_mb": 1500, "host_name": "web-1", "region": "eu-west-1", "ratio": 0.91, "healthy": True}


class JsonLines(logging.Formatter):
    """What people write to get a record and its extra fields as one JSON line."""

    def format(self, record):
        line = {
            "timestamp": self.formatTime(record),
            "level": record.levelname,
            "message": record.getMessage(),
            "source": record.name,
            "metadata": {name: getattr(record, name) for name in FIELDS},
        }
        return json.dumps(line)


def logger_with(handler):
    logger = logging.getLogger("monitor")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return logger


@contextmanager
def file_handler(folder, formatter=None):
    """Writes in the caller: the bare message, without the fields, unless a formatter is given."""
    handler = logging.FileHandler(folder / "file.log")
    handler.setFormatter(formatter)
    logger = logger_with(handler)
    yield lambda: logger.warning("High memory usage", extra=FIELDS)
    handler.close()


@contextmanager
def queue_handler(folder):
    """Hands the record to a thread that formats and writes it."""
    target = logging.FileHandler(folder / "queue.jsonl")
    target.setFormatter(JsonLines())
    records = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, target)
    listener.start()
    logger = logger_with(logging.handlers.QueueHandler(records))
    yield lambda: logger.warning("High memory usage", extra=FIELDS)
    listener.stop()
    target.close()


@contextmanager
def nethical(folder):
    """Puts the line together in the caller and hands it over; a thread of its own writes it."""
    from nethical.integrations.logging_connectors import JSONFileConnector, LogAggregator, LogLevel

    connector = JSONFileConnector(folder / "nethical.jsonl", max_queue=1_000_000)
    logs = LogAggregator()
    logs.add_connector(connector)
    log, level = logs.log, LogLevel.WARNING
    yield lambda: log(
        level, "High memory usage", "monitor",
        memory_mb=1500, host_name="web-1", region="eu-west-1", ratio=0.91, healthy=True,
    )
    if not logs.close_all():
        raise RuntimeError("not every entry was written")


CONTESTANTS = {
    "nethical": nethical,
    "FileHandler": file_handler,
    "FileHandler, JSON": partial(file_handler, formatter=JsonLines()),
    "QueueHandler, JSON": queue_handler,
}


def main(contestant, n):
    with tempfile.TemporaryDirectory() as folder, CONTESTANTS[contestant](Path(folder)) as call:
        call()
        start = time.perf_counter()
        for _ in range(n):
            call()
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
