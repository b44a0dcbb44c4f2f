"""Prints everything that MLflow's own client reads of a run: read_back.py TRACKING_URI RUN_ID"""

import hashlib
import json
import sys
import tempfile

import mlflow

uri, run_id = sys.argv[1:]
mlflow.set_tracking_uri(uri)
client = mlflow.MlflowClient(uri)
run = client.get_run(run_id)


def points(key: str) -> list[list[object]]:
    history = client.get_metric_history(run_id, key)
    return [[point.step, repr(point.value), point.timestamp] for point in sorted(history, key=lambda point: point.step)]


def files(path: str | None = None) -> list[str]:
    found: list[str] = []
    for entry in client.list_artifacts(run_id, path):
        found += files(entry.path) if entry.is_dir else [entry.path]
    return found


def digest(path: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        with open(client.download_artifacts(run_id, path, folder), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()


print(
    json.dumps(
        {
            "experiment": client.get_experiment(run.info.experiment_id).name,
            "name": run.info.run_name,
            "status": run.info.status,
            "start": run.info.start_time,
            "end": run.info.end_time,
            "params": run.data.params,
            "tags": run.data.tags,
            "metrics": {key: points(key) for key in run.data.metrics},
            "artifacts": {path: digest(path) for path in files()},
        }
    )
)
