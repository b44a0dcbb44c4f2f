"""A real MLflow server, from the environment that `cargo xtask peers` makes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
ENVIRONMENT = Path(os.environ.get("NETHICAL_MLFLOW", REPOSITORY / "target" / "peers" / "mlflow"))


class MLflowServer:
    def __init__(self, folder: Path | None = None) -> None:
        """On the `mlflow.db` in this folder, or in one of its own."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._own = None if folder else tempfile.mkdtemp()
        self._folder = str(folder or self._own)
        bin = ENVIRONMENT / "bin"
        assert (bin / "mlflow").exists(), "there is no MLflow: run `cargo xtask peers`"
        options = ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db", "--artifacts-destination", self._folder]
        self._child = subprocess.Popen(
            [bin / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *options],
            cwd=self._folder,
            env={
                **os.environ,
                "PATH": f"{bin}:{os.environ['PATH']}",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 150
        while not self._is_well():
            assert time.monotonic() < deadline, "MLflow did not start"
            time.sleep(0.1)

    def _is_well(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def ask(self, call: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/2.0/mlflow/{call}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def run(self, run_id: str) -> dict[str, Any]:
        """A run: its info, and its params, metrics and tags as dicts."""
        found = self.ask(f"runs/get?run_id={run_id}")["run"]
        kinds = ("params", "metrics", "tags")
        data = {kind: {one["key"]: one["value"] for one in found["data"].get(kind, [])} for kind in kinds}
        return {**found["info"], **data}

    def runs(self, experiment: str) -> list[dict[str, Any]]:
        """The runs of an experiment."""
        name = urllib.parse.quote(experiment)
        try:
            found = self.ask(f"experiments/get-by-name?experiment_name={name}")["experiment"]
        except urllib.error.HTTPError:
            return []
        body = {"experiment_ids": [found["experiment_id"]], "max_results": 1000}
        return [self.run(one["info"]["run_id"]) for one in self.ask("runs/search", body).get("runs", [])]

    def history(self, run_id: str, metric: str) -> list[tuple[int, float, int]]:
        points = self.ask(f"metrics/get-history?run_id={run_id}&metric_key={metric}").get("metrics", [])
        return [(point.get("step", 0), point["value"], point["timestamp"]) for point in points]

    def artifact(self, run_id: str, path: str) -> bytes:
        root = self.run(run_id)["artifact_uri"].removeprefix("mlflow-artifacts:")
        url = f"{self.url}/api/2.0/mlflow-artifacts/artifacts{root}/{urllib.parse.quote(path)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            content: bytes = answer.read()
        return content

    def close(self) -> None:
        os.killpg(self._child.pid, 9)
        self._child.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
