"""A program that uses the package with types, as strict checkers want it. It is checked, and not run."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import nethical
import pytest
from nethical.alerts import AlertManager, AlertOutcome, MonitoringSystem
from nethical.integrations.logging_connectors import (
    AggregatorHandler,
    CloudWatchConnector,
    JSONFileConnector,
    LogAggregator,
    LogConnector,
    LogEntry,
    LogLevel,
    MemoryConnector,
    SyslogConnector,
)
from nethical.integrations.ml_platforms import (
    ExperimentRun,
    InMemoryIntegration,
    MLflowIntegration,
    MLPlatformInterface,
    MLPlatformManager,
    RunStatus,
    SageMakerIntegration,
    WandBIntegration,
)
from nethical.integrations.webhook import (
    APIIntegration,
    DiscordWebhookDispatcher,
    GenericAPIIntegration,
    HTTPWebhookDispatcher,
    SlackWebhookDispatcher,
    WebhookDelivery,
    WebhookDispatcher,
    WebhookManager,
    WebhookPayload,
    WebhookStatus,
)
from nethical.testing import SlackReceiver, WebhookReceiver
from typing_extensions import assert_type


class Pager(LogConnector):
    name = "pager"
    spool = True

    def send(self, entry: LogEntry) -> bool:
        assert_type(entry.level, LogLevel)
        assert_type(entry.metadata, dict[str, Any])
        return entry.level is LogLevel.CRITICAL


class Printer(WebhookDispatcher):
    def dispatch(self, payload: WebhookPayload) -> WebhookDelivery:
        return WebhookDelivery(payload.id, "printer", WebhookStatus.SUCCESS)


class Shelf(MLPlatformInterface):
    def start_run(self, experiment_name: str, run_name: str | None = None) -> str:
        return experiment_name

    def log_parameters(self, run_id: str, parameters: Mapping[str, Any]) -> None:
        print(run_id, dict(parameters))

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int | None = None) -> None:
        print(run_id, dict(metrics), step)

    def log_artifact(self, run_id: str, artifact_path: str | os.PathLike[str]) -> None:
        print(run_id, artifact_path)

    def end_run(self, run_id: str, status: str | RunStatus = "completed") -> None:
        self.emit("run_ended", run_id, status=status)


class Echo(APIIntegration):
    def authenticate(self) -> bool:
        return True

    def send_data(self, data: Any) -> bool:
        return bool(data)

    def receive_data(self, **parameters: Any) -> dict[str, Any]:
        return parameters


def logs() -> None:
    with LogAggregator() as aggregator:
        assert_type(aggregator, LogAggregator)
        aggregator.add_connector(JSONFileConnector(Path("app.jsonl"), compress="zstd", keep_files=3))
        aggregator.add_connector(SyslogConnector("localhost", 514, protocol="TCP"), LogLevel.WARNING)
        aggregator.add_connector(CloudWatchConnector("group", "stream", region="eu-central-1"), "error")
        aggregator.add_connector(Pager())
        assert_type(aggregator.log(LogLevel.INFO, "saved", "store", level=3, path=Path("x")), bool)
        assert_type(aggregator.log(level="warning", message="m", source="s"), bool)
        assert_type(aggregator.connectors, list[LogConnector])
        assert_type(aggregator.flush_all(5), bool)
        logging.getLogger().addHandler(AggregatorHandler(aggregator, level="INFO"))
    memory = MemoryConnector()
    assert_type([entry.timestamp for entry in memory.entries], list[datetime])
    handler = AggregatorHandler(config={"logging": {"jsonl": {"filepath": "app.jsonl"}}})
    assert_type(handler.aggregator, LogAggregator)


def runs() -> None:
    with MLPlatformManager() as manager:
        manager.add_platform("mlflow", MLflowIntegration("http://localhost:5000", start_timeout=0))
        manager.add_platform("wandb", WandBIntegration("project", mode="offline"))
        manager.add_platform("sagemaker", SageMakerIntegration("eu-central-1"))
        manager.add_platform("shelf", Shelf())
        with manager.run_all_context("sentiment") as run_ids:
            assert_type(run_ids, dict[str, str])
            manager.log_metrics_all(run_ids, {"loss": 0.5}, step=1)
        assert_type(manager.get_summaries(run_ids), dict[str, ExperimentRun])
    memory = InMemoryIntegration()
    run_id = memory.start_run("e", "r", tags={"team": "vision"})
    assert_type(memory.end_run(run_id, RunStatus.FAILED, wait=1), bool)
    assert_type(memory.history(run_id, "loss"), list[tuple[int | None, float, datetime]])


def messages() -> None:
    hook = HTTPWebhookDispatcher("https://example.com", headers={"X": "y"}, body={"template": "{{ data }}"})
    delivery = hook.dispatch(WebhookPayload("deployed", {"version": 1}), wait=False)
    assert_type(delivery.status, WebhookStatus)
    assert_type(delivery.response_code, int | None)
    manager = WebhookManager()
    manager.add_webhook("slack", SlackWebhookDispatcher("https://example.com"), level="error")
    manager.add_webhook("printer", Printer())
    assert_type(manager.broadcast("e", {}, severity="critical"), dict[str, WebhookDelivery])
    DiscordWebhookDispatcher("https://example.com").send_embed("title", fields={"a": 1})
    api = GenericAPIIntegration("https://example.com", "key")
    assert_type(api.receive_data(limit=3), dict[str, Any])
    for one in (api, Echo()):
        assert_type(one.send_data([1]), bool)


def alerts() -> None:
    with AlertManager(WebhookManager(), routes=[{"severity": "warning", "to": ["slack"]}]) as manager:
        assert_type(manager.critical("Disk full", key="disk", fields={"free_gb": 3}), AlertOutcome)
        with MonitoringSystem(LogAggregator(), manager) as monitoring:
            assert_type(monitoring.check_threshold("accuracy", 0.8, 0.9, "<"), bool)


async def waits() -> None:
    async with LogAggregator() as aggregator:
        assert_type(await aggregator.aflush_all(1), bool)
    synced = await nethical.in_background(nethical.sync, 1.0)
    assert_type(synced, nethical.Synced)
    async with MLPlatformManager() as manager, manager.arun_all_context("e") as run_ids:
        assert_type(run_ids, dict[str, str])
    async with WebhookManager() as webhooks:
        assert_type(await webhooks.asend_to("slack", "e", {}), WebhookDelivery)
    artifact = WandBIntegration("project").log_artifact("run", "model.pt")
    assert_type(await asyncio.wait_for(artifact, 1), str)


@nethical.on_event
def told(event: nethical.Event) -> None:
    assert_type(event.hint, str | None)


def letters() -> None:
    for letter in nethical.dead_letters("pager", since=datetime.now(), limit=3):
        assert_type(letter.replay(Pager()), bool)
    try:
        JSONFileConnector("/")
    except nethical.NethicalError as error:
        assert_type(error.code, str)
        assert_type(error.hint, str | None)


def test_receivers(webhook_receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    webhook_receiver.respond(503)
    with SlackReceiver() as slack:
        assert_type(slack.assert_received("deployed").text, str)
