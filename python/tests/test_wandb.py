"""Runs in Weights & Biases."""

from __future__ import annotations

import gc
import json
import math
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb_server import WandBServer

import nethical
from nethical.integrations.ml_platforms import WandBIntegration
from nethical.testing import WandBReceiver

KEY = "0" * 40


@pytest.fixture
def server() -> Iterator[WandBServer]:
    server = WandBServer()
    yield server
    server.close()
    assert server.faults == []


@pytest.fixture
def wandb(server: WandBServer, tmp_path: Path) -> Iterator[WandBIntegration]:
    platform = make(server, tmp_path)
    yield platform
    platform.close(5)


def make(server: WandBServer, folder: Path, **options: Any) -> WandBIntegration:
    return make_for(server.url, folder, **options)


def make_for(url: str, folder: Path, **options: Any) -> WandBIntegration:
    usual: dict[str, Any] = {"api_key": KEY, "base_url": url, "directory": folder, "mode": "online"}
    usual |= {"upload_interval": 0.02, "home": folder / "home"}
    return WandBIntegration("proj", "my-team", **(usual | options))


def test_the_guides_run_arrives(server: WandBServer, wandb: WandBIntegration) -> None:
    told: list[str] = []
    for event in ("run_started", "params_logged", "metrics_logged", "run_ended"):
        wandb.add_event_handler(event, lambda run_id, event=event, **_: told.append(event))
    run_id = wandb.start_run(experiment_name="training", run_name="resnet50_v2", tags={"team": "vision"})
    wandb.log_parameters(run_id, {"lr": 0.001, "net": {"depth": 50}, "api_key": "s3cret", "odd": math.nan, 1: "x"})
    for epoch in range(10):
        wandb.log_metrics(run_id, {"epoch": epoch, "loss": 0.5 - epoch * 0.04}, step=epoch)
    assert list(wandb.active_runs) == [run_id]
    assert wandb.end_run(run_id, "completed", wait=20)
    assert told == ["run_started", "params_logged", *["metrics_logged"] * 10, "run_ended"]
    run = server.runs[run_id]
    assert (run["displayName"], run["groupName"], run["exit"]) == ("resnet50_v2", "training", 0)
    assert run["tags"] == ["team:vision"]
    config = {key: value["value"] for key, value in json.loads(run["config"]).items()}
    assert (config["lr"], config["net"], config["odd"], config["1"]) == (0.001, {"depth": 50}, None, "x")
    assert config["api_key"] == "[REDACTED]"
    assert [row["_step"] for row in server.rows(run_id)] == list(range(10))
    status = wandb.status()
    assert status["accepted"] == status["confirmed"] == 13
    known = wandb.get_run(run_id)
    assert known is not None and known.status.value == "completed" and known.metrics["epoch"] == 9
    assert known.platform.value == "wandb" and known.duration_seconds >= 0 and wandb.active_runs == {}


def test_values_of_every_kind(server: WandBServer, wandb: WandBIntegration) -> None:
    run_id = wandb.start_run("e")
    values: dict[str, Any] = {
        "nan": math.nan, "inf": -math.inf, "whole": 2**62, "large": 2**80, "flag": True, "none": None,
        "text": 'a "b"', "nested": {"x": [1, math.nan]}, "path": Path("/a"), "set": {2, 1},
        "derived": type("Float", (float,), {})(1.5),
    }
    wandb.log_metrics(run_id, values)
    with pytest.raises(TypeError, match="names of metrics are text"):
        wandb.log_metrics(run_id, {1: 2.0})  # type: ignore[dict-item]
    assert wandb.end_run(run_id, wait=20)
    (row,) = server.rows(run_id)
    assert math.isnan(row["nan"]) and row["inf"] == -math.inf and math.isnan(row["nested"]["x"][1])
    assert (row["whole"], row["large"], row["flag"], row["none"]) == (2**62, float(2**80), True, None)
    assert row["derived"] == 1.5
    assert (row["text"], row["path"], row["set"]) == ('a "b"', "/a", [1, 2])


def test_a_step_back_is_an_error_and_an_own_axis_is_not(server: WandBServer, wandb: WandBIntegration) -> None:
    run_id = wandb.start_run("e")
    wandb.define_metric(run_id, "val/*", step_metric="epoch", summary="min")
    wandb.log_metrics(run_id, {"loss": 1.0}, step=5)
    with pytest.raises(nethical.NethicalError, match="takes no step back") as raised:
        wandb.log_metrics(run_id, {"loss": 1.0}, step=4)
    assert "define_metric" in str(raised.value.hint)
    for epoch in (3, 1):
        wandb.log_metrics(run_id, {"epoch": epoch, "val/loss": float(epoch)})
    assert wandb.end_run(run_id, wait=20)
    assert '"val/loss":{"min":1.0}' in server.runs[run_id]["summary"]
    assert [row["_step"] for row in server.rows(run_id)] == [5, 6, 7]


def test_stop_and_check(server: WandBServer, wandb: WandBIntegration) -> None:
    assert wandb.check().startswith("project proj")
    server.stopped = True
    run_id = wandb.start_run("e")
    wandb.log_metrics(run_id, {"loss": 1.0})
    assert wandb.flush(20) and wandb.is_stopped(run_id)
    with pytest.raises(nethical.NethicalError, match="no end"):
        wandb.end_run(run_id, "running")
    with pytest.raises(ValueError, match="no status"):
        wandb.end_run(run_id, "done")
    assert wandb.end_run(run_id, "killed", wait=20)
    assert server.runs[run_id]["exit"] == 255


def test_offline_without_a_key_is_said_once(tmp_path: Path) -> None:
    script = (
        "import logging; logging.basicConfig(format='%(message)s')\n"
        "from nethical.integrations.ml_platforms import WandBIntegration\n"
        "for _ in range(2):\n"
        "    wandb = WandBIntegration('p', directory='.', home='home')\n"
        "    run_id = wandb.start_run('e')\n"
        "    wandb.log_metrics(run_id, {'loss': 1.0})\n"
        "    assert 'offline-run' in wandb.run_directory(run_id)\n"
        "    assert wandb.end_run(run_id, wait=5)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    environment |= {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("there is no key") == 1, ended.stderr
    assert len(list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))) == 2


def test_a_killed_process_leaves_its_rows_to_the_next(server: WandBServer, tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from nethical.integrations.ml_platforms import WandBIntegration\n"
        "wandb = WandBIntegration('proj', 'my-team', api_key='0' * 40, base_url=sys.argv[1], directory='.', home='home',\n"
        "                         mode='online', upload_interval=0.02, durability='every')\n"
        "run_id = wandb.start_run('e')\n"
        "for i in range(1_000_000):\n"
        "    wandb.log_metrics(run_id, {'loss': i})\n"
        "    if i == 50: print(run_id, flush=True)\n"
    )
    command = [sys.executable, "-c", script, server.url]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        run_id = child.stdout.readline().strip()
        child.send_signal(signal.SIGKILL)
    with make(server, tmp_path) as next_one:
        assert next_one.flush(20)
    losses = [row["loss"] for row in server.rows(run_id)]
    assert losses == list(range(len(losses))) and len(losses) > 50
    assert server.runs[run_id]["exit"] == 255


def test_it_pickles_and_shows_no_key(server: WandBServer, tmp_path: Path) -> None:
    platform = make(server, tmp_path)
    copy = pickle.loads(pickle.dumps(platform))
    assert (copy.project, copy.entity) == ("proj", "my-team")
    assert KEY not in repr(platform)
    with pytest.raises(nethical.ConfigError, match="no key"):
        make(server, tmp_path, api_key="short")
    with pytest.raises(nethical.ConfigError, match="project"):
        WandBIntegration("a/b", api_key=KEY)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "bogus"}, "online"),
        ({"upload_interval": "x"}, "`upload_interval`: expected a number"),
        ({"upload_interval": math.nan}, "0 to 600"),
        ({"durability": "x"}, "interval"),
        ({"base_url": "https://ann:s3cret@wandb.example"}, "leave it out of the address"),
        ({"name": ""}, "cannot be the name"),
    ],
)
def test_wrong_options_have_a_code_and_say_what_to_write(
    server: WandBServer, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(nethical.ConfigError, match=words) as caught:
        make(server, tmp_path, **options)
    assert caught.value.code in ("options.wrong", "options.name", "wandb.option")
    assert "s3cret" not in str(caught.value) and "column" not in str(caught.value)


def test_an_exception_fails_the_open_runs(server: WandBServer, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), make(server, tmp_path) as platform:
        run_id = platform.start_run("e")
        platform.log_metrics(run_id, {"loss": 1 / 0})
    assert server.runs[run_id]["exit"] == 1


def test_a_platform_that_nobody_has_any_more_completes_its_runs(server: WandBServer, tmp_path: Path) -> None:
    platform = make(server, tmp_path)
    run_id = platform.start_run("e")
    platform.log_metrics(run_id, {"loss": 1.0})
    if (pid := os.fork()) == 0:
        del platform
        gc.collect()
        time.sleep(0.3)  # It is dropped beside the program.
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert list(platform.active_runs) == [run_id], "a child leaves its parent's runs alone"
    platform.log_metrics(run_id, {"loss": 0.5})
    del platform
    gc.collect()
    until = time.monotonic() + 20
    while server.runs.get(run_id, {}).get("exit") is None and time.monotonic() < until:
        time.sleep(0.02)
    assert (server.runs[run_id]["exit"], len(server.rows(run_id))) == (0, 2)


def test_the_receiver_reads_what_json_does_not_have_at_any_depth(tmp_path: Path) -> None:
    with WandBReceiver() as receiver, make_for(receiver.url, tmp_path) as wandb:
        run_id = wandb.start_run("e")
        wandb.log_metrics(run_id, {"v": [1, math.inf], "x": {"y": -math.inf}, "z": math.nan})
        assert wandb.end_run(run_id, wait=20)
        (run,) = receiver.received
        assert (run.rows[0]["v"], run.rows[0]["z"]) == ([1, "Infinity"], "NaN")
        assert "-Infinity" in json.dumps(run.rows[0])
        assert run.summary["z"] == "NaN"


def test_a_forked_child_has_connections_of_its_own(server: WandBServer, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, server.url, str(tmp_path), KEY],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    ended = [run["exit"] for run in server.runs.values()]
    assert ended == [0, 0, 0]


FORKED = """
import os, sys
from nethical.integrations.ml_platforms import WandBIntegration
url, folder, key = sys.argv[1:]
wandb = WandBIntegration("proj", "my-team", api_key=key, base_url=url, directory=folder, mode="online",
                         upload_interval=0.02, home=folder + "/home")
parent = wandb.start_run("e", "parent")
assert wandb.end_run(parent, wait=60)
assert wandb.check()
for wait in (60, None):
    if (pid := os.fork()) == 0:
        run = wandb.start_run("e", "child")
        wandb.log_metrics(run, {"a": 1})
        if wait:
            assert wandb.end_run(run, wait=wait)
        sys.exit(0)  # A run that is open ends with its process.
    assert os.waitpid(pid, 0)[1] == 0
"""


CLOSED = """
import sys
from nethical.integrations.ml_platforms import WandBIntegration
url, folder, key, mode = sys.argv[1:]
wandb = WandBIntegration("p", api_key=key, base_url=url, directory=folder, mode=mode, home=folder + "/home")
run_id = wandb.start_run("e")
wandb.log_metrics(run_id, {"loss": 1.0})
wandb.end_run(run_id)
wandb.close(0.2)
assert wandb.status()["waiting"] == 3
"""


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_what_a_close_left_is_told_as_it_is(mode: str, tmp_path: Path) -> None:
    """Offline runs are where they are to be; others were left at the close, long before the end's time was over."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-c", CLOSED, url, str(tmp_path), KEY, mode]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = [f"nethical: 3 entries for wandb not delivered when it was closed; kept in {tmp_path}/wandb, "
            "the next run or `nethical sync` sends them"]  # fmt: skip
    assert done.stderr.splitlines() == (said if mode == "online" else [])


def test_no_parameter_loses_the_others(server: WandBServer, wandb: WandBIntegration) -> None:
    run_id = wandb.start_run("e", notes="caf\udce9")
    odd = {
        "file": os.fsdecode(b"caf\xe9.csv"), "path": Path(os.fsdecode(b"caf\xe9")), "caf\udce9": 1, "huge": 10**400,
        "deep": [{"long": -(10**5000)}], "bytes": 2**64 - 1, "text": "é😀", "broken": Broken(), "plain": 0.5,
    }  # fmt: skip
    wandb.log_parameters(run_id, odd)
    wandb.log_metrics(run_id, {"file": "caf\udce9", "loss": 1.0})
    assert wandb.end_run(run_id, wait=20)
    config = {key: value["value"] for key, value in json.loads(server.runs[run_id]["config"]).items()}
    config.pop("_wandb", None)
    assert config == {
        "file": "caf\ufffd.csv", "path": "caf\ufffd", "caf\ufffd": 1, "huge": str(10**400),
        "deep": [{"long": hex(-(10**5000))}], "bytes": 2**64 - 1, "text": "é😀", "broken": "<unprintable Broken>",
        "plain": 0.5,
    }  # fmt: skip
    (row,) = server.rows(run_id)
    assert (row["file"], row["loss"]) == ("caf\ufffd", 1.0)


def test_no_number_is_too_large_for_a_row(server: WandBServer, wandb: WandBIntegration) -> None:
    """W&B has numbers as floats: what none holds is an infinity."""
    run_id = wandb.start_run("e")
    ring: list[object] = []
    ring.append(ring)
    wandb.log_metrics(run_id, {"up": 10**400, "down": -(10**5000), "big": 2**63, "edge": 2**63 - 1})
    wandb.log_metrics(run_id, {"deep": {"up": [10**400], "down": -(10**5000)}, "keys": {(1, 2): 3}, "ring": ring})
    assert wandb.end_run(run_id, wait=20)
    plain, odd = server.rows(run_id)
    assert (plain["up"], plain["down"], plain["big"], plain["edge"]) == (math.inf, -math.inf, 2.0**63, 2**63 - 1)
    assert odd["deep"] == {"up": [math.inf], "down": -math.inf}
    assert (odd["keys"], odd["ring"]) == ("{(1, 2): 3}", "[[...]]")


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no")
