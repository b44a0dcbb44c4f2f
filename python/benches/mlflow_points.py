"""Points of a run to a real MLflow server, or into a file: nethical beside MLflow's own client, in one run.

    python python/benches/mlflow_points.py [--quick] [--file]

Needs `cargo xtask peers` and the package installed for release. Every case has a fresh process, and every point is
counted at the server, or in the file, before a figure counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mlflow_server import ENVIRONMENT, MLflowServer

Case = tuple[str, Callable[[int], None], Callable[[], None]]


def nethical_case(url: str) -> Case:
    from nethical.integrations.ml_platforms import MLflowIntegration

    mlflow = MLflowIntegration(url, start_timeout=30)
    run_id = mlflow.start_run("bench")

    def finish() -> None:
        assert mlflow.end_run(run_id, wait=600)

    return run_id, lambda step: mlflow.log_metrics(run_id, {"loss": step / 3}, step=step), finish


def client_case(url: str, how: str) -> Case:
    import mlflow
    from mlflow.entities import Metric

    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("bench")
    run_id = mlflow.start_run().info.run_id
    client = mlflow.MlflowClient()
    waiting: list[Metric] = []

    def batch(step: int) -> None:
        waiting.append(Metric("loss", step / 3, int(time.time() * 1000), step))
        if len(waiting) == 1_000:
            client.log_batch(run_id, waiting)
            waiting.clear()

    def finish() -> None:
        if waiting:
            client.log_batch(run_id, waiting)
        mlflow.flush_async_logging()
        mlflow.end_run()

    calls: dict[str, Callable[[int], None]] = {
        "sync": lambda step: mlflow.log_metric("loss", step / 3, step=step),
        "async": lambda step: mlflow.log_metric("loss", step / 3, step=step, synchronous=False),
        "batch": batch,
    }
    return run_id, calls[how], finish


HOW = {"mlflow, log_batch(1000)": "batch", "mlflow, async": "async", "mlflow, sync": "sync"}

CASES = {"nethical": 10, "mlflow, log_batch(1000)": 10, "mlflow, async": 1, "mlflow, sync": 1}
"""Each with how many times the fewest points it gets."""


class Server(MLflowServer):
    def count(self, run_id: str) -> int:
        found = self.ask(f"metrics/get-history?run_id={run_id}&metric_key=loss&max_results=25000")
        return len(found["metrics"])


class File:
    """A file of one case's own kind: MLflow's client brings one of ours up to date when it opens it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "mlflow.db"
        self.url = f"sqlite:///{self.path}"

    def count(self, run_id: str) -> int:
        with closing(sqlite3.connect(self.path)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM metrics WHERE run_uuid = ?", (run_id,)).fetchone()
        return int(count)

    def close(self) -> None:
        self._folder.cleanup()


def child(case: str, url: str, count: int) -> None:
    run_id, call, finish = nethical_case(url) if case == "nethical" else client_case(url, HOW[case])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    calls = []
    started = time.perf_counter()
    for step in range(count):
        begun = time.perf_counter()
        call(step)
        calls.append(time.perf_counter() - begun)
    finish()
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "run_id": run_id,
        "seconds": seconds,
        "median": statistics.median(calls),
        "mean": statistics.fmean(calls),
        "rss": usage.ru_maxrss / 1024,
        "grown": (usage.ru_maxrss - before) / 1024,
        "cpu": usage.ru_utime + usage.ru_stime,
    }
    print(json.dumps(result), flush=True)


def one(case: str, place: Server | File, count: int) -> dict[str, float]:
    python = sys.executable if case == "nethical" else str(ENVIRONMENT / "bin" / "python")
    command = [python, __file__, "--child", case, place.url, str(count)]
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "NETHICAL_HOME": home, "MLFLOW_DISABLE_TELEMETRY": "true"}
        output = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    result = json.loads(output.splitlines()[-1])
    arrived = place.count(result.pop("run_id"))
    assert arrived == count, (case, arrived)
    return {**result, "points": count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tiny run: shows that it works, not how fast it is")
    parser.add_argument("--file", action="store_true", help="into a file, without a server")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        case, url, count = options.child
        child(case, url, int(count))
        return
    least, rounds = (100, 1) if options.quick else (1_000, 3)
    place = File() if options.file else Server()
    results: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
    try:
        for _ in range(rounds):
            for case, times in CASES.items():
                results[case].append(one(case, place, least * times))
    finally:
        place.close()
    report = {}
    for case, runs in results.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        report[case] = {
            "microseconds_per_call": round(middle["median"] * 1e6, 1),
            "mean_microseconds_per_call": round(middle["mean"] * 1e6, 1),
            "points_per_second": round(middle["points"] / middle["seconds"]),
            "peak_mib": round(middle["rss"]),
            "grown_mib": round(middle["grown"], 1),
            "cpu_seconds": round(middle["cpu"], 2),
        }
    where = "file" if options.file else "server"
    print(json.dumps({"python": platform.python_version(), "place": where, "rounds": rounds, "results": report}, indent=2))


if __name__ == "__main__":
    main()
