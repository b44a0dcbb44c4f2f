"""Mistakes that a type checker finds before the program runs: one in each line that says so, and no other."""

from __future__ import annotations

import nethical
from nethical.alerts import AlertManager
from nethical.integrations.logging_connectors import JSONFileConnector, LogAggregator, LogConnector, LogEntry
from nethical.integrations.ml_platforms import MLflowIntegration
from nethical.integrations.webhook import HTTPWebhookDispatcher, WebhookManager, WebhookPayload

logs = LogAggregator()
logs.add_connector(JSONFileConnector)  # wrong
logs.add_connector("app.jsonl")  # wrong
logs.log("info", "no source")  # wrong
logs.flush_all("10")  # wrong
JSONFileConnector("app.jsonl", compress="brotli")  # wrong
JSONFileConnector("app.jsonl", keep_file=3)  # wrong
JSONFileConnector("app.jsonl", spool=True, durability="always")  # wrong
LogAggregator.from_config(3)  # wrong


class Silent(LogConnector):
    def send(self, entry: LogEntry) -> str:  # wrong
        return entry.message


class Empty(LogConnector):
    pass


Empty()  # wrong
MLflowIntegration().start_run(3)  # wrong
MLflowIntegration().log_metrics("run", {"loss": "low"})  # wrong
HTTPWebhookDispatcher("https://example.com", body="json")  # wrong
HTTPWebhookDispatcher("https://example.com").dispatch({"event_type": "e"})  # wrong
WebhookManager().send_to("slack", "e")  # wrong
WebhookPayload("e", {}).event  # wrong
AlertManager(routes=[{"severity": "warn"}])  # wrong
nethical.syn()  # wrong
nethical.dead_letters(limit="3")  # wrong
