"""Entries a second to CloudWatch Logs, and requests for 10,000 of them, beside watchtower. Prints JSON.

    cargo build --release -p nethical-receivers --example cloudwatch
    python python/benches/cloudwatch.py            # or --quick

Needs `cargo xtask peers`, which has watchtower, and the package installed for release. Both send to the same receiver on this machine, which keeps every limit of the API, in a process of their own and
in turns. The time is that from the first entry until everything is delivered. With ``--paced`` entries come at
2,000 a second, which shows the requests of a program that is not in a hurry.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mlflow_server import ENVIRONMENT

PACE = 2_000


def nethical_case(url: str, home: str) -> tuple[Callable[[int], None], Callable[[], None]]:
    os.environ["NETHICAL_HOME"] = home
    from nethical.integrations.logging_connectors import CloudWatchConnector, LogAggregator, LogLevel

    connector = CloudWatchConnector("bench", "bench", endpoint_url=url, max_queue=4_000_000)
    aggregator = LogAggregator()
    aggregator.add_connector(connector)

    def call(number: int) -> None:
        aggregator.log(LogLevel.INFO, "request served", "web", number=number, host="web-1", ratio=0.75, cached=True)

    def finish() -> None:
        assert connector.flush(120), connector.status()

    return call, finish


def memory_case(url: str, home: str) -> tuple[Callable[[int], None], Callable[[], None]]:
    os.environ["NETHICAL_SPOOL"] = "off"
    return nethical_case(url, home)


def watchtower_case(url: str, home: str) -> tuple[Callable[[int], None], Callable[[], None]]:
    import logging

    import boto3
    import watchtower

    client = boto3.client("logs", region_name="us-east-1", endpoint_url=url)
    handler = watchtower.CloudWatchLogHandler(
        "bench", "bench", boto3_client=client, create_log_group=False, create_log_stream=False
    )
    handler.formatter.add_log_record_attrs = ("levelname", "name", "created")
    log = logging.getLogger("web")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(handler)

    def call(number: int) -> None:
        log.info({"message": "request served", "number": number, "host": "web-1", "ratio": 0.75, "cached": True})

    return call, handler.flush


CASES = {"nethical": nethical_case, "nethical, spool off": memory_case, "watchtower": watchtower_case}


def child(case: str, url: str, count: int, paced: bool) -> None:
    with tempfile.TemporaryDirectory() as home:
        call, finish = CASES[case](url, home)
        started = time.perf_counter()
        for number in range(count):
            call(number)
            if paced:
                time.sleep(max(0.0, started + number / PACE - time.perf_counter()))
        called = time.perf_counter()
        finish()
        ended = time.perf_counter()
        times = os.times()
        result = {"seconds": ended - started, "calling": called - started, "cpu": times.user + times.system}
        print(json.dumps(result), flush=True)
        # What a library would still do at the end of a program is not part of the result.
        sys.stdout.flush()
        os._exit(0)


def one(program: Path, case: str, count: int, paced: bool) -> dict[str, float]:
    receiver = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert receiver.stdout is not None
    url = receiver.stdout.readline().strip()
    keys = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
    python = ENVIRONMENT / "bin/python" if case == "watchtower" else sys.executable
    command = [python, __file__, "--child", case, url, str(count), str(int(paced))]
    output = subprocess.run(command, env={**os.environ, **keys}, stdout=subprocess.PIPE, text=True, check=True).stdout
    report = json.loads(receiver.communicate()[0])
    assert report["events"] == count and not report["violations"], (case, report["events"], report["violations"][:1])
    return {**json.loads(output), "requests": report["calls"]["PutLogEvents"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tiny run: shows that it works, not how fast it is")
    parser.add_argument("--paced", action="store_true", help=f"{PACE} entries a second")
    usual = Path(__file__).parents[2] / "target/release/examples/cloudwatch"
    parser.add_argument("--receiver", type=Path, default=usual, help="the example `cloudwatch` of nethical-receivers")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        case, url, count, paced = options.child
        child(case, url, int(count), paced == "1")
        return
    count, rounds = (2_000, 1) if options.quick else (20_000 if options.paced else 100_000, 3)
    results: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
    for _ in range(rounds):
        for case in CASES:
            results[case].append(one(options.receiver, case, count, options.paced))
    report = {}
    for case, runs in results.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        report[case] = {
            "entries_per_second": round(count / middle["seconds"]),
            "requests_per_10000": round(middle["requests"] * 10_000 / count, 1),
            "microseconds_per_call": round(middle["calling"] / count * 1e6, 2),
            "cpu_seconds": round(middle["cpu"], 2),
        }
    result = {"python": platform.python_version(), "entries": count, "rounds": rounds, "results": report}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
