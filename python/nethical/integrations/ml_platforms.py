"""Experiment runs on one platform or many.

    from nethical.integrations.ml_platforms import MLflowIntegration

    with MLflowIntegration("http://localhost:5000") as mlflow:
        run_id = mlflow.start_run("model_training", "xgboost_v1")
        mlflow.log_parameters(run_id, {"max_depth": 10})
        mlflow.log_metrics(run_id, {"accuracy": 0.95}, step=1)
        mlflow.end_run(run_id, "completed")
"""

from __future__ import annotations

from . import _exported_as
from ._platform_manager import MLPlatformManager
from ._platforms import (
    ExperimentRun,
    InMemoryIntegration,
    MLflowIntegration,
    MLPlatform,
    MLPlatformInterface,
    RunStatus,
)
from ._sagemaker import SageMakerIntegration
from ._wandb import WandBArtifact, WandBIntegration

__all__ = [
    "ExperimentRun",
    "InMemoryIntegration",
    "MLPlatform",
    "MLPlatformInterface",
    "MLPlatformManager",
    "MLflowIntegration",
    "RunStatus",
    "SageMakerIntegration",
    "WandBArtifact",
    "WandBIntegration",
]

_exported_as(__name__, globals(), __all__)
