"""Platforms that keep track of experiment runs."""

from __future__ import annotations

from ._wandb import WandBArtifact, WandBIntegration

__all__ = ["WandBArtifact", "WandBIntegration"]
