"""A run of W&B, ours beside the official client, offline and online, to the same server. Prints JSON.

    python python/benches/wandb_runs.py URL [--rows 20000] [--rounds 3]

Needs both `nethical` and `wandb` in one environment, and a server at URL that takes any key: `cargo xtask bench --only
wandb-runs` has both. Each measurement is a process of its own; the two clients take turns. Memory is the peak of the
process and its helpers together; what is added is without what the same script needs before either client is loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

METRICS = {"loss": 0.25, "acc": 0.5, "val/f1": 0.75, "lr": 0.001, "grad": 12.5}


def tree() -> list[int]:
    """This process and all below it."""
    found, todo = [], [os.getpid()]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                todo += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                pass
    return found


def resident() -> int:
    total = 0
    for pid in tree():
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
        except (OSError, IndexError):
            pass
    return total


class Peak:
    def __init__(self) -> None:
        self.bare = self.most = resident()
        self.over = False
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self) -> None:
        while not self.over:
            self.most = max(self.most, resident())
            time.sleep(0.05)

    def stop(self) -> None:
        self.over = True
        self.thread.join()
        self.most = max(self.most, resident())


def disk(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).rglob("*.wandb"))


def ours(rows: int, mode: str, folder: str) -> dict[str, float]:
    peak = Peak()
    from nethical.integrations.ml_platforms import WandBIntegration

    begun = time.perf_counter()
    wandb = WandBIntegration("bench", mode=mode, directory=folder, home=os.path.join(folder, "home"))
    run_id = wandb.start_run("bench")
    started = time.perf_counter()
    for _ in range(rows):
        wandb.log_metrics(run_id, METRICS)
    logged = time.perf_counter()
    wandb.end_run(run_id)
    ended = time.perf_counter()
    assert wandb.flush(120), wandb.status()
    finished = time.perf_counter()
    status = wandb.status()
    assert mode == "offline" or status["confirmed"] == rows + 2, status
    return figures(rows, begun, started, logged, ended, finished, peak, folder)


def official(rows: int, mode: str, folder: str) -> dict[str, float]:
    peak = Peak()
    import wandb

    begun = time.perf_counter()
    settings = wandb.Settings(console="off", x_disable_stats=True, disable_git=True, disable_code=True, silent=True)
    run = wandb.init(project="bench", mode=mode, dir=folder, settings=settings)
    started = time.perf_counter()
    for _ in range(rows):
        run.log(METRICS)
    logged = time.perf_counter()
    run.finish()
    ended = finished = time.perf_counter()
    return figures(rows, begun, started, logged, ended, finished, peak, folder)


def figures(
    rows: int, begun: float, started: float, logged: float, ended: float, finished: float, peak: Peak, folder: str
) -> dict[str, float]:
    peak.stop()
    return {
        "calls_per_s": rows / (logged - started),
        "rows_per_s_through_finish": rows / (finished - started),
        "start_and_end_s": (started - begun) + (ended - logged),
        "peak_mib": peak.most / 2**20,
        "added_mib": (peak.most - peak.bare) / 2**20,
        "bytes_per_row": disk(folder) / rows,
    }


def child(client: str, mode: str, rows: int, url: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "WANDB_BASE_URL": url, "WANDB_API_KEY": "0" * 40, "HOME": folder}
        environment["WANDB_ERROR_REPORTING"] = "false"
        command = [sys.executable, __file__, url, "--mode", mode, "--rows", str(rows)]
        command += ["--child", client, folder]
        output = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        if output.returncode:
            raise SystemExit(f"{client}, {mode}: {output.stderr[-2000:]}")
        return json.loads(output.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--mode", choices=("offline", "online"), default="offline")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=2)
    options = parser.parse_args()
    if options.child:
        client, folder = options.child
        run = ours if client == "nethical" else official
        print(json.dumps(run(options.rows, options.mode, folder)), flush=True)
        return
    found: dict[str, list[dict[str, float]]] = {"nethical": [], "wandb": []}
    for _ in range(options.rounds):
        for client, rounds in found.items():
            rounds.append(child(client, options.mode, options.rows, options.url))
    results = {
        client: {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        for client, rounds in found.items()
    }
    result: dict[str, Any] = {"python": platform.python_version(), "rows": options.rows, "rounds": options.rounds}
    print(json.dumps({**result, "results": results}, indent=2))


if __name__ == "__main__":
    main()
