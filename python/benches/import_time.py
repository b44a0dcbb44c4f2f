"""What an import costs: ours beside those of the clients that people would import instead. Prints JSON.

    python python/benches/import_time.py [--quick] [--peers target/peers]

Run it in an environment that has `nethical` and `boto3`; `wandb` and `mlflow` are in environments of their own below
the folder of the peers, where `cargo xtask peers` and `cargo xtask test --only python` put them. Each measurement is
a fresh process, and they take turns; the first round, which finds nothing in the caches, does not count. `added_ms` is
without the interpreter that runs nothing; `standard library` is what the log connectors cannot do without.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OURS = "from nethical.integrations"
FIRST = """
import os
from nethical.integrations.logging_connectors import *
logs = LogAggregator()
logs.add_connector(JSONFileConnector("app.jsonl"))
assert logs.log(LogLevel.INFO, "first", "bench")
os._exit(0)
"""


def contenders(peers: Path) -> dict[str, tuple[str, str]]:
    """What is run, by its name: an interpreter and a program."""
    here = sys.executable
    return {
        "nethical, log connectors": (here, f"{OURS}.logging_connectors import LogAggregator"),
        "nothing": (here, ""),
        "standard library": (here, "import dataclasses, datetime, enum, json, logging, typing"),
        "import nethical": (here, "import nethical"),
        "nethical, everything": (
            here,
            f"import nethical.alerts; {OURS}.ml_platforms import MLPlatformManager; {OURS}.webhook import WebhookManager",
        ),
        "nethical, first entry": (here, FIRST),
        "import boto3": (here, "import boto3"),
        "import boto3, client": (here, "import boto3; boto3.client('logs', region_name='eu-central-1')"),
        "import wandb": (str(peers / "wandb/bin/python"), "import wandb"),
        "import mlflow": (str(peers / "mlflow/bin/python"), "import mlflow"),
    }


def once(python: str, program: str, folder: str) -> float:
    begun = time.perf_counter()
    ended = subprocess.run([python, "-c", program], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    spent = time.perf_counter() - begun
    if ended.returncode:
        raise SystemExit(f"{program!r} failed in {python}:\n{ended.stderr}")
    return spent * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round: shows that it works, not how long it takes")
    parser.add_argument("--peers", type=Path, default=Path("target/peers"))
    options = parser.parse_args()
    rounds = 1 if options.quick else 15
    all_of_them = contenders(options.peers.absolute())
    found: dict[str, list[float]] = {name: [] for name in all_of_them}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for name, (python, program) in all_of_them.items():
                spent = once(python, program, folder)
                if number > 0:
                    found[name].append(spent)
    medians = {name: statistics.median(spent) for name, spent in found.items()}
    bare, ours = medians["nothing"], medians["nethical, log connectors"]
    rows = {
        name: {
            "median_ms": round(median, 1),
            "min_ms": round(min(found[name]), 1),
            "added_ms": round(median - bare, 1),
            "times_log_connectors": round((median - bare) / (ours - bare), 2),
        }
        for name, median in medians.items()
    }
    print(json.dumps({"rounds": rounds, "python": platform.python_version(), "results": rows}, indent=2))


if __name__ == "__main__":
    main()
