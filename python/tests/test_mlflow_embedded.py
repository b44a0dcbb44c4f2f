"""Runs in a file that MLflow opens, without a server."""

import os
import pickle
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from mlflow_server import MLflowServer

import nethical
from nethical.integrations.ml_platforms import MLflowIntegration, MLPlatformManager

WRITER = """
import sys
from nethical.integrations.ml_platforms import MLflowIntegration
name, points = sys.argv[1], int(sys.argv[2])
with MLflowIntegration("sqlite:///mlflow.db", start_timeout=60) as mlflow:
    run_id = mlflow.start_run("many", name)
    mlflow.log_parameters(run_id, {"name": name})
    for step in range(points):
        mlflow.log_metrics(run_id, {"loss": 1.0 / (step + 1)}, step=step)
    assert mlflow.end_run(run_id, wait=240)
    assert mlflow.status()["dead_lettered"] == 0
    print(run_id, flush=True)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def rows(path, query):
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        return connection.execute(query).fetchall()


def test_without_an_argument_runs_go_to_a_file_that_mlflow_finds(folder):
    with MLflowIntegration() as mlflow:
        assert mlflow.tracking_uri == f"sqlite:///{folder}/mlflow.db"
        run_id = mlflow.start_run("guide", "first")
        assert len(run_id) == 32 and int(run_id, 16)
        mlflow.log_parameters(run_id, {"rate": 2e-5})
        mlflow.log_metrics(run_id, {"loss": 0.5, "nan": float("nan")})
        (folder / "model.pkl").write_bytes(b"model")
        mlflow.log_artifact(run_id, "model.pkl")
        assert "mlflow ui --backend-store-uri" in mlflow.check()
        assert mlflow.end_run(run_id, "failed", wait=60)
        other = pickle.loads(pickle.dumps(mlflow))
        os.chdir("/")
        assert other.tracking_uri == mlflow.tracking_uri
        other.close()
    assert sorted(os.listdir(folder)) == ["mlartifacts", "mlflow.db", "model.pkl"]
    assert rows(folder / "mlflow.db", "SELECT name, status FROM runs") == [("first", "FAILED")]
    latest = rows(folder / "mlflow.db", "SELECT key, value, is_nan FROM latest_metrics ORDER BY key")
    assert latest == [("loss", 0.5, 0), ("nan", 0.0, 1)]
    assert [path.read_bytes() for path in folder.glob("mlartifacts/*/*/artifacts/*")] == [b"model"]


def test_an_argument_beats_the_environment_beats_the_default(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///of_environment.db")
    with MLflowIntegration() as mlflow:
        assert mlflow.tracking_uri == f"sqlite:///{folder}/of_environment.db"
    with MLflowIntegration("sqlite:///named.db") as mlflow:
        assert mlflow.tracking_uri == f"sqlite:///{folder}/named.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with MLflowIntegration() as mlflow:
        assert mlflow.tracking_uri == "http://127.0.0.1:9"
    for wrong in ("sqlite://", "sqlite:///:memory:", "sqlite:///a.db?mode=ro"):
        with pytest.raises(nethical.ConfigError, match="names no file"):
            MLflowIntegration(wrong)
    assert sorted(os.listdir(folder)) == ["named.db", "of_environment.db"]


def test_a_manager_keeps_runs_there(folder):
    with MLPlatformManager() as manager:
        manager.add_platform("mlflow", MLflowIntegration())
        with manager.run_all_context("ensemble", "run_001") as run_ids:
            manager.log_metrics_all(run_ids, {"accuracy": 0.96}, step=1)
    assert rows(folder / "mlflow.db", "SELECT status FROM runs") == [("FINISHED",)]


def test_many_processes_write_one_file_while_a_server_reads_it(folder):
    """Nothing is lost, also from the moment on at which the server brings the tables up to date."""
    points = 1_000
    with MLflowIntegration() as mlflow:
        mlflow.end_run(mlflow.start_run("many", "before"), wait=60)
    server = MLflowServer(folder)
    try:
        start = [sys.executable, "-c", WRITER]
        writers = [
            subprocess.Popen([*start, f"w{number}", str(points)], stdout=subprocess.PIPE, text=True) for number in range(8)
        ]
        reads = 0
        while any(writer.poll() is None for writer in writers):
            reads += len(server.runs("many"))
            time.sleep(0.2)
        run_ids = [writer.communicate()[0].strip() for writer in writers]
        assert [writer.returncode for writer in writers] == [0] * 8
        assert reads > 0
        for run_id in run_ids:
            found = server.run(run_id)
            assert found["status"] == "FINISHED"
            history = sorted((step, value) for step, value, _ in server.history(run_id, "loss"))
            assert history == [(step, 1.0 / (step + 1)) for step in range(points)]
        assert rows(folder / "mlflow.db", "PRAGMA integrity_check") == [("ok",)]
    finally:
        server.close()


VICTIM = """
import sys
from nethical.integrations.ml_platforms import MLflowIntegration
mlflow = MLflowIntegration("sqlite:///mlflow.db", start_timeout=60)
run_id = mlflow.start_run("killed")
print(run_id, flush=True)
for step in range(1_000_000):
    mlflow.log_metrics(run_id, {"loss": float(step)}, step=step)
    if step % 500 == 499:
        assert mlflow.flush(60)
        print(step, flush=True)
"""


def test_what_was_flushed_survives_a_kill_and_the_run_is_ended_by_the_next(folder):
    """Kills a writer at random moments; NETHICAL_SOAK_KILLS says how often."""
    kills = int(os.environ.get("NETHICAL_SOAK_KILLS", "5"))
    dice = random.Random(7)
    promised = {}
    for _ in range(kills):
        with subprocess.Popen([sys.executable, "-c", VICTIM], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            run_id = writer.stdout.readline().strip()
            assert len(run_id) == 32
            for _ in range(dice.randrange(3)):
                writer.stdout.readline()
            time.sleep(dice.random() * 0.2)
            writer.send_signal(signal.SIGKILL)
            said = [int(line) for line in writer.stdout.read().split() if line.strip()]
        promised[run_id] = said[-1] if said else -1
    with MLflowIntegration() as mlflow:
        assert mlflow.flush(60)
    assert rows("mlflow.db", "PRAGMA integrity_check") == [("ok",)]
    found = dict(rows("mlflow.db", "SELECT run_uuid, status FROM runs"))
    assert found == dict.fromkeys(promised, "KILLED")
    for run_id, last in promised.items():
        points = rows("mlflow.db", f"SELECT step, value FROM metrics WHERE run_uuid = '{run_id}' ORDER BY step")
        # Everything up to the last flush, and after it a part without a gap.
        assert points == [(step, float(step)) for step in range(len(points))]
        assert len(points) > last
    ends = rows("mlflow.db", "SELECT count(*) FROM runs WHERE end_time >= start_time")
    assert ends == [(len(promised),)]
