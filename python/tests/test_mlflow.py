"""Runs on a real MLflow server."""

import os
import pickle
import signal
import time

import numpy as np
import pytest
from mlflow_server import MLflowServer

import nethical
from nethical.integrations.ml_platforms import MLflowIntegration, MLPlatform, RunStatus


@pytest.fixture(scope="session")
def server():
    server = MLflowServer()
    yield server
    server.close()


@pytest.fixture
def mlflow(server):
    with MLflowIntegration(server.url, start_timeout=30) as mlflow:
        yield mlflow


def test_a_run_arrives_as_it_was_logged(server, mlflow, tmp_path):
    run_id = mlflow.start_run("model_training", "xgboost_v1", tags={"team": "x"})
    assert len(run_id) == 32
    mlflow.log_parameters(run_id, {"model": "xgboost", "max_depth": 10, "rate": 2e-5, "deep": {"er": None}, "token": "s"})
    for step in range(3):
        mlflow.log_metrics(run_id, {"loss": np.float32(0.5), "acc": np.int64(step), "nan": float("nan")}, step=step)
    mlflow.set_tags(run_id, {"count": 3})
    (tmp_path / "model.pkl").write_bytes(b"\0model")
    mlflow.log_artifact(run_id, tmp_path / "model.pkl", folder="models")
    assert mlflow.end_run(run_id, status="completed", wait=60)
    found = server.run(run_id)
    assert (found["run_name"], found["status"]) == ("xgboost_v1", "FINISHED")
    assert found["params"] == {
        "model": "xgboost", "max_depth": "10", "rate": "2e-05", "deep.er": "None", "token": "[REDACTED]",
    }  # fmt: skip
    assert (found["tags"]["team"], found["tags"]["count"]) == ("x", "3")
    assert found["tags"]["mlflow.source.name"].endswith(("pytest", "__main__.py", "-m"))
    assert [(step, value) for step, value, _ in server.history(run_id, "acc")] == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert server.history(run_id, "nan")[0][1] == "NaN"
    assert server.artifact(run_id, "models/model.pkl") == b"\0model"
    known = mlflow.get_run(run_id)
    assert (known.platform, known.status) == (MLPlatform.MLFLOW, RunStatus.COMPLETED)
    assert known.artifacts == ["models/model.pkl"] and known.metrics["acc"] == 2.0
    assert int(known.start_time.timestamp() * 1000) == found["start_time"]


def test_no_number_loses_a_digit(server, mlflow):
    run_id = mlflow.start_run("numbers")
    big = 12345678901234567890
    parameters = {"i64": 2**63 - 1, "u64": big, "beyond": big * 1000 + 7, "below": -big, "huge": 10**40, "np": np.int64(-(2**63))}
    mlflow.log_parameters(run_id, {**parameters, "list": [big * 1000], "nan": float("nan"), "inf": float("-inf")})
    values = {"true": True, "big": big, "tiny": 5e-324, "up": float("inf"), "down": float("-inf"), "nan": float("nan")}
    mlflow.log_metrics(run_id, values, step=2**63 - 1)
    mlflow.log_metrics(run_id, {"below": 0.1 + 0.2}, step=-3)
    mlflow.log_metrics(run_id, {"huge": 10**400, "deep": -(10**400)})
    assert mlflow.end_run(run_id, wait=60) and mlflow.status()["dead_lettered"] == 0
    found = server.run(run_id)["params"]
    assert {name: found[name] for name in parameters} == {name: str(int(value)) for name, value in parameters.items()}
    assert found["list"] == f'["{big * 1000}"]'
    assert (found["nan"], found["inf"]) == ("NaN", "-Infinity")
    point = {name: server.history(run_id, name)[0][:2] for name in values}
    assert {step for step, _ in point.values()} == {2**63 - 1}
    assert [point[name][1] for name in ("true", "big", "tiny", "nan")] == [1.0, float(big), 5e-324, "NaN"]
    assert abs(point["up"][1]) == abs(point["down"][1]) == 1.7976931348623157e308
    assert [server.history(run_id, name)[0][1] for name in ("huge", "deep")] == [point["up"][1], point["down"][1]]
    assert server.history(run_id, "below")[0][:2] == (-3, 0.1 + 0.2)


def test_what_cannot_be_right_raises_at_the_call(mlflow, tmp_path):
    run_id = mlflow.start_run("wrong")
    with pytest.raises(nethical.NethicalError, match="MLflow takes letters"):
        mlflow.log_metrics(run_id, {"a@b": 1.0})
    with pytest.raises(TypeError, match="metrics are numbers"):
        mlflow.log_metrics(run_id, {"a": "1"})
    with pytest.raises(OverflowError):
        mlflow.log_metrics(run_id, {"a": 1.0}, step=2**63)
    with pytest.raises(nethical.NethicalError, match="no run"):
        mlflow.log_metrics("0" * 32, {"a": 1.0})
    with pytest.raises(nethical.NethicalError, match="cannot read"):
        mlflow.log_artifact(run_id, tmp_path / "missing")
    with pytest.raises(ValueError, match="no status"):
        mlflow.end_run(run_id, "done")
    assert list(mlflow.active_runs) == [run_id]


def test_what_is_neither_a_server_nor_a_file_is_refused():
    with pytest.raises(nethical.ConfigError, match="sqlite:///mlflow.db"):
        MLflowIntegration("mlruns")


def test_a_server_that_is_down_fails_nothing():
    mlflow = MLflowIntegration("http://127.0.0.1:9", start_timeout=0.2, spool=False)
    run_id = mlflow.start_run("later")
    assert run_id.startswith("local-")
    for step in range(100):
        mlflow.log_metrics(run_id, {"loss": 1.0}, step=step)
    assert mlflow.end_run(run_id, "failed", wait=0.1) is False
    assert mlflow.status()["waiting"] == 102
    with pytest.raises(nethical.UnavailableError, match="cannot reach"):
        mlflow.check()
    assert mlflow.close(timeout=0.1) is False


def test_it_pickles(server, mlflow):
    other = pickle.loads(pickle.dumps(mlflow))
    assert other.tracking_uri == server.url
    other.close()


@pytest.mark.parametrize(
    ("end", "status"),
    [("", "FINISHED"), ("raise ValueError('no luck')", "FAILED"), ("raise KeyboardInterrupt", "KILLED")],
)
def test_an_open_run_ends_as_the_program_does(server, script, end, status):
    done = script(
        f"""
        from nethical.integrations.ml_platforms import MLflowIntegration
        mlflow = MLflowIntegration({server.url!r}, start_timeout=30)
        run_id = mlflow.start_run("ends")
        mlflow.log_metrics(run_id, {{"loss": 1.0}})
        print(run_id, flush=True)
        {end}
        """
    )
    run_id = done.stdout.strip()
    assert server.run(run_id)["status"] == status, done.stderr
    assert server.history(run_id, "loss")[0][1] == 1.0


def test_the_next_program_ends_what_was_killed(server, script, eventually):
    code = f"""
        import time
        from nethical.integrations.ml_platforms import MLflowIntegration
        mlflow = MLflowIntegration({server.url!r}, start_timeout=30, durability="every")
        run_id = mlflow.start_run("killed")
        for step in range(50):
            mlflow.log_metrics(run_id, {{"loss": 1.0}}, step=step)
        print(run_id, flush=True)
        time.sleep(600)
        """
    child = script.start(code)
    run_id = child.stdout.readline().strip()
    before = time.time()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert server.run(run_id)["status"] == "RUNNING"
    with MLflowIntegration(server.url) as mlflow:
        assert mlflow.flush(60)
        eventually(lambda: len(server.history(run_id, "loss")) == 50)
        found = eventually(lambda: server.run(run_id) if server.run(run_id)["status"] == "KILLED" else None)
    assert found["start_time"] <= found["end_time"] <= (before + 1) * 1000
