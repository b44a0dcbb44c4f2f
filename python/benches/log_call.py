"""What one log call costs in the caller, beside the standard library's logging. Prints JSON.

    python python/benches/log_call.py            # or --quick
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import logging.handlers
import platform
import queue
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nethical.integrations.logging_connectors import JSONFileConnector, LogAggregator, LogLevel

FIVE = {"memory_mb": 1500, "host": "web-1", "ratio": 0.75, "cached": True, "path": "/v1/items"}
Case = tuple[Callable[[int], None], Callable[[], None]]


def nethical_case(folder: Path, positional: bool, on_disk: bool = False) -> Case:
    aggregator = LogAggregator()
    path = folder / f"nethical-{positional}-{on_disk}.jsonl"
    home = folder / "home" if on_disk else False
    aggregator.add_connector(JSONFileConnector(path, max_queue=4_000_000, spool=home))
    log, level = aggregator.log, LogLevel.INFO

    def by_position(calls: int) -> None:
        for _ in range(calls):
            log(level, "request served", "web", memory_mb=1500, host="web-1", ratio=0.75, cached=True, path="/v1/items")

    def by_name(calls: int) -> None:
        for _ in range(calls):
            log(level=level, message="request served", source="web",
                memory_mb=1500, host="web-1", ratio=0.75, cached=True, path="/v1/items")

    def settle() -> None:
        assert aggregator.flush_all(60), "the file did not keep up"
        (status,) = aggregator.status()
        assert status["confirmed"] == status["accepted"], status

    return (by_position if positional else by_name), settle


def logger(name: str, handler: logging.Handler) -> logging.Logger:
    made = logging.getLogger(name)
    made.propagate = False
    made.setLevel(logging.INFO)
    made.addHandler(handler)
    return made


def file_case(folder: Path) -> Case:
    """FileHandler with the default format, which does not even show the five fields."""
    log = logger("bench.file", logging.FileHandler(folder / "file.log")).info

    def run(calls: int) -> None:
        for _ in range(calls):
            log("request served", extra={"memory_mb": 1500, "host": "web-1", "ratio": 0.75, "cached": True, "path_": "/v1/items"})

    return run, lambda: None


def queue_case(folder: Path) -> Case:
    """QueueHandler in the caller, QueueListener with a FileHandler on a thread."""
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    log = logger("bench.queue", logging.handlers.QueueHandler(waiting)).info  # type: ignore[arg-type]
    listener = logging.handlers.QueueListener(waiting, logging.FileHandler(folder / "queue.log"))
    listener.start()

    def run(calls: int) -> None:
        for _ in range(calls):
            log("request served", extra={"memory_mb": 1500, "host": "web-1", "ratio": 0.75, "cached": True, "path_": "/v1/items"})

    def settle() -> None:
        while not waiting.empty():
            time.sleep(0.01)

    return run, settle


def measure(cases: dict[str, Case], calls: int, rounds: int) -> dict[str, list[float]]:
    """Nanoseconds per call of each round; the cases take turns, and start with nothing waiting."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, (run, settle) in cases.items():
            gc.collect()
            start = time.perf_counter_ns()
            run(calls)
            spent = time.perf_counter_ns() - start
            settle()
            if turn:  # The first one warms up.
                found[name].append(spent / calls)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000, help="calls in one round")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--quick", action="store_true", help="2,000 calls, 3 rounds")
    options = parser.parse_args()
    calls, rounds = (2_000, 3) if options.quick else (options.calls, options.rounds)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        cases = {
            "nethical": nethical_case(folder, positional=True),
            "logging_file_handler": file_case(folder),
            "nethical_by_name": nethical_case(folder, positional=False),
            "nethical_on_disk": nethical_case(folder, positional=True, on_disk=True),
            "logging_queue_handler": queue_case(folder),
        }
        rounds_of = measure(cases, calls, rounds)
    medians = {name: statistics.median(times) for name, times in rounds_of.items()}
    print(json.dumps({
        "python": platform.python_version(),
        "calls": calls,
        "rounds": rounds,
        "ns_per_call": {name: round(time) for name, time in medians.items()},
        "ns_per_call_best": {name: round(min(times)) for name, times in rounds_of.items()},
        "times_nethical": {name: round(time / medians["nethical"], 2) for name, time in medians.items()},
    }, indent=2))


if __name__ == "__main__":
    main()
