"""Alerts and monitors."""

import json
import pickle
from pathlib import Path

import pytest
from webhook_server import Answer

import nethical
from nethical.alerts import AlertManager, AlertStatus, MonitoringSystem, Severity
from nethical.integrations.logging_connectors import JSONFileConnector, LogAggregator
from nethical.integrations.ml_platforms import InMemoryIntegration, MLPlatformManager
from nethical.integrations.webhook import (
    DiscordWebhookDispatcher,
    HTTPWebhookDispatcher,
    SlackWebhookDispatcher,
    WebhookDelivery,
    WebhookDispatcher,
    WebhookManager,
    WebhookStatus,
)
from nethical.testing import DiscordReceiver


@pytest.fixture
def webhooks(hooks):
    with WebhookManager() as manager:
        manager.add_webhook("ops", HTTPWebhookDispatcher(f"{hooks.url}/ops"))
        yield manager


def sent(hooks):
    """Where to, status and title of what came."""
    bodies = [(request.path, request.json) for request in hooks.requests]
    return [(path, body["metadata"]["status"], body["data"]["title"]) for path, body in bodies]


def test_an_alert_is_sent_once_while_it_lasts_and_its_end_too(hooks, webhooks):
    alerts = AlertManager(webhooks)
    first = alerts.critical(
        "Disk full", "97 %", key="disk", fields={"free_gb": 3}, labels={"team": "ops"}, source="cron", data={"n": 1}
    )
    assert first and first.destinations == ("ops",) and first.id is not None
    second = alerts.critical("Disk full", "98 %", key="disk")
    assert (second.outcome, second.suppressed, bool(second)) == ("suppressed", 1, False)
    (state,) = alerts.active()
    assert (state.key, state.severity, state.suppressed, state.to) == ("disk", Severity.CRITICAL, 1, ("ops",))
    assert state.since.utcoffset() is not None and state.resolved is None
    assert alerts.resolve("disk") and alerts.resolve("disk").outcome == "not_active"
    assert alerts.flush()
    assert sent(hooks) == [("/ops", "firing", "Disk full"), ("/ops", "resolved", "Disk full")]
    body = hooks.requests[0].json
    assert body["data"] == {"title": "Disk full", "message": "97 %", "fields": {"free_gb": 3}, "n": 1}
    assert body["metadata"] == {
        "severity": "critical", "status": "firing", "source": "cron", "labels": {"team": "ops"}, "key": "disk",
    }
    assert alerts.active() == [] and alerts.states()[0].status is AlertStatus.RESOLVED


def test_another_manager_knows_what_was_sent(hooks, webhooks):
    assert AlertManager(webhooks).error("a", key="k")
    assert not AlertManager(webhooks).error("a", key="k")
    assert AlertManager(webhooks, spool=False).error("a", key="k"), "this one has a memory of its own"


def test_routes_and_fallbacks_say_where_it_goes(hooks, webhooks, eventually):
    webhooks.add_webhook("mail", HTTPWebhookDispatcher(f"{hooks.url}/mail", retry_delay=0.01))
    routes = [
        {"severity": ["error", "critical"], "labels": {"team": "m*"}, "to": ["mail"], "fallback": ["ops"]},
        {"source": "gpu-*", "to": ["ops"]},
    ]
    alerts = AlertManager(webhooks, routes=routes)
    assert alerts.error("a", labels={"team": "ml"}).destinations == ("mail",)
    assert alerts.info("b", source="gpu-7").destinations == ("ops",)
    assert alerts.info("c", to="mail").destinations == ("mail",)
    assert alerts.info("d").destinations == ("mail", "ops"), "nobody else: all"
    assert alerts.flush()
    hooks.answers.append(Answer(422))
    alerts.error("e", labels={"team": "ml"})
    eventually(lambda: ("/ops", "firing", "e") in sent(hooks))


def test_the_usual_routes_know_the_services(hooks):
    with DiscordReceiver() as discord, WebhookManager() as manager:
        manager.add_webhook("s", SlackWebhookDispatcher(f"{hooks.url}/slack"))
        manager.add_webhook("d", DiscordWebhookDispatcher(discord.url))
        alerts = AlertManager(manager)
        assert alerts.warning("w").destinations == ("s",)
        assert alerts.info("i").destinations == ("d",)
        assert alerts.error("e").destinations == ("d", "s")


def test_dispatchers_of_ones_own_get_alerts(webhooks):
    class Mine(WebhookDispatcher):
        seen = []

        def dispatch(self, payload):
            self.seen.append((payload.event_type, payload.data["title"], payload.metadata["severity"]))
            return WebhookDelivery(payload.id, "mine://", WebhookStatus.SUCCESS)

    webhooks.remove_webhook("ops")
    webhooks.add_webhook("mine", Mine())
    alerts = AlertManager(webhooks)
    assert alerts.destinations == ["mine"]
    assert alerts.error("a", event_type="odd").destinations == ("mine",)
    assert alerts.flush()
    assert Mine.seen == [("odd", "a", "error")]


def test_no_value_keeps_an_alert_back(hooks, webhooks):
    class Mute:
        def __str__(self):
            raise RuntimeError("no")

        __repr__ = __str__

    loop: dict[str, object] = {}
    loop["self"] = loop
    alerts = AlertManager(webhooks)
    data = {"mute": Mute(), "loop": loop, "bytes": b"abc", "set": {1}, "large": 2**70, "nan": float("nan")}
    sent = alerts.critical("caf\udce9", "\udce9.txt", fields={"file": "caf\udce9.txt"}, data=data, labels={"shard": 3})
    assert sent and alerts.flush()
    body = hooks.requests[0].json
    assert body["data"]["title"] == "caf\N{REPLACEMENT CHARACTER}"
    assert body["data"]["fields"] == {"file": "caf\N{REPLACEMENT CHARACTER}.txt"}
    assert body["data"]["mute"] == "<unprintable Mute>" and body["data"]["bytes"] == "abc" and body["data"]["set"] == [1]
    assert body["data"]["large"] == str(2**70) and body["data"]["nan"] == "NaN"
    assert body["metadata"]["labels"] == {"shard": "3"}


def test_one_that_nobody_took_holds_nothing_back(hooks, webhooks):
    with AlertManager(WebhookManager()) as early:
        nobody = early.critical("disk", key="disk")
        assert (nobody.outcome, bool(nobody), nobody.deliveries) == ("not_taken", False, ())
    alerts = AlertManager(webhooks)
    assert alerts.critical("disk", key="disk", to="opz").destinations == ("ops", "opz")
    assert alerts.flush() and sent(hooks) == [("/ops", "firing", "disk")]
    closed = AlertManager(webhooks)
    assert closed.close()
    assert closed.critical("net", key="net").outcome == "not_taken"


def test_one_that_is_refused_holds_nothing_back(hooks, webhooks):
    hooks.usual = Answer(400)
    alerts = AlertManager(webhooks)
    assert alerts.critical("disk", key="disk") and alerts.flush() and alerts.states() == []
    assert alerts.critical("disk", key="disk") and alerts.flush()
    hooks.usual = Answer()
    assert alerts.critical("disk", key="disk") and alerts.flush()
    assert alerts.critical("disk", key="disk").outcome == "suppressed"


def test_one_that_is_refused_at_the_end_of_a_program_holds_nothing_back(hooks, script):
    text = f"""
from nethical.alerts import AlertManager
from nethical.integrations.webhook import HTTPWebhookDispatcher, WebhookManager
webhooks = WebhookManager()
webhooks.add_webhook("ops", HTTPWebhookDispatcher("{hooks.url}", name="ops"))
alerts = AlertManager(webhooks)
print(alerts.critical("disk", key="disk").outcome)
"""
    hooks.usual = Answer(400)
    assert [script(text).stdout for _ in range(2)] == ["sent\n", "sent\n"]


def test_one_that_is_refused_at_the_end_of_a_program_goes_elsewhere(hooks, script):
    done = script(f"""
from nethical.alerts import AlertManager
from nethical.integrations.webhook import HTTPWebhookDispatcher, WebhookManager
webhooks = WebhookManager()
webhooks.add_webhook("gone", HTTPWebhookDispatcher("http://127.0.0.1:9/", name="gone"))
webhooks.add_webhook("ops", HTTPWebhookDispatcher("{hooks.url}", name="ops"))
alerts = AlertManager(webhooks, routes=[{{"to": ["gone"], "fallback": ["ops"]}}])
print(alerts.critical("disk", key="disk").destinations)
""")
    assert done.stdout.strip() in ("['gone']", "('gone',)"), done
    assert [request.json["data"]["title"] for request in hooks.requests] == ["disk"]


def test_flush_and_close_know_destinations_that_came_later(hooks):
    hooks.go.clear()
    webhooks = WebhookManager()
    alerts = AlertManager(webhooks)
    webhooks.add_webhook("ops", HTTPWebhookDispatcher(hooks.url, name="ops"))
    webhooks.broadcast("event", {}, wait=False)
    assert not alerts.flush(0.05)
    hooks.go.set()
    assert alerts.close() and len(hooks.requests) == 1


def test_what_is_wrong_is_said(webhooks):
    alerts = AlertManager(webhooks)
    with pytest.raises(ValueError, match="use info, warning, error or critical"):
        alerts.send("loud", "a")
    with pytest.raises(nethical.ConfigError, match="unknown condition"):
        AlertManager(webhooks, monitors=[{"metric": "m", "condition": "=<", "threshold": 1}])
    with pytest.raises(nethical.ConfigError, match="severty"):
        AlertManager(webhooks, routes=[{"severty": "info", "to": ["ops"]}])
    with pytest.raises(ValueError, match="use <, <=, >, >=, == or !="):
        MonitoringSystem(alert_manager=alerts).check_threshold("m", 1, 2, "=<")


def test_the_monitoring_system_of_the_guide(hooks, webhooks, tmp_path, lines):
    file = tmp_path / "monitoring.jsonl"
    logs = LogAggregator()
    logs.add_connector(JSONFileConnector(file))
    monitor = MonitoringSystem(logs, webhooks)
    monitor.log_metric("model_accuracy", 0.95, model="v2.0")
    assert monitor.check_threshold("model_accuracy", 0.85, 0.90, condition="<")
    assert monitor.check_threshold("model_accuracy", 0.84, 0.90)
    assert not monitor.check_threshold("model_accuracy", 0.93, 0.90)
    assert monitor.check_threshold("model_accuracy", float("nan"), 0.90)
    assert monitor.cleanup()
    assert [line["message"] for line in lines(file)] == [
        "Metric: model_accuracy = 0.95", "Threshold breach: model_accuracy", "Threshold breach: model_accuracy",
    ]
    assert lines(file)[0]["metadata"] == {"model": "v2.0", "metric": "model_accuracy", "value": 0.95}
    assert [request.json["metadata"]["status"] for request in hooks.requests] == ["firing", "resolved", "firing"]
    assert hooks.requests[0].json["data"] == {
        "title": "Threshold breach: model_accuracy",
        "message": "model_accuracy is 0.85, and should not be < 0.9",
        "metric": "model_accuracy", "value": 0.85, "threshold": 0.9, "condition": "<",
    }


def test_odd_names_and_numbers_beyond_all_floats_are_no_fault(hooks, webhooks):
    monitor = MonitoringSystem(LogAggregator(), webhooks)
    for power in (400, 5_000):
        monitor.log_metric("loss \ud800", 10**power)
    assert monitor.check_threshold("loss", 10**400, 5, condition=">")
    assert not monitor.check_threshold("loss", -(10**400), 5, condition=">")
    assert not monitor.check_threshold("odd \ud800", 1, 5, condition=">")
    assert monitor.cleanup()
    assert [request.json["metadata"]["status"] for request in hooks.requests] == ["firing", "resolved"]


def test_a_configuration_has_monitors_and_runs_feed_them(hooks, tmp_path, lines):
    file = tmp_path / "app.jsonl"
    config = {
        "logging": {"jsonl": {"filepath": str(file)}},
        "alerts": {"repeat_interval": 60, "ops": {"type": "http", "url": f"{hooks.url}/ops"}},
        "routes": [{"to": ["ops"]}],
        "monitors": [{"name": "loss", "metric": "loss", "condition": ">", "threshold": 1.0, "severity": "error"}],
    }
    with MonitoringSystem.from_config(config) as monitor, MLPlatformManager() as runs:
        assert monitor.alert_manager.destinations == ["ops"]
        runs.add_platform("memory", InMemoryIntegration())
        runs.watch_metrics(monitor.observe)
        ids = runs.start_run_all("e")
        runs.log_metrics_all(ids, {"loss": 0.5})
        assert monitor.statuses() == {"loss": "ok"}
        runs.log_metrics_all(ids, {"loss": 1.5})
        assert monitor.statuses() == {"loss": "firing"}
        assert monitor.alert_manager.active()[0].key == "monitor:loss"
    assert sent(hooks) == [("/ops", "firing", "Threshold breach: loss")]
    assert [line["message"] for line in lines(file)] == ["Threshold breach: loss"]


def test_an_alert_outlives_a_killed_program(hooks, script):
    code = f"""
        import os, signal
        from nethical.alerts import AlertManager
        from nethical.integrations.webhook import HTTPWebhookDispatcher, WebhookManager

        webhooks = WebhookManager()
        webhooks.add_webhook("ops", HTTPWebhookDispatcher({hooks.url!r}, name="ops", spool=True))
        print(AlertManager(webhooks).error("a", key="k").outcome, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    hooks.go.clear()
    killed = script(code)
    assert (killed.stdout, killed.returncode) == ("sent\n", -9)
    hooks.go.set()
    hooks.requests.clear()
    with WebhookManager() as webhooks:
        webhooks.add_webhook("ops", HTTPWebhookDispatcher(hooks.url, name="ops", spool=True))
        alerts = AlertManager(webhooks)
        assert alerts.error("a", key="k").outcome == "suppressed"
        assert alerts.flush()
    ids = {request.headers.get("webhook-id") or json.dumps(request.headers) for request in hooks.requests}
    assert len(ids) == 1, "it arrived, once by its id"


def test_the_guide_to_alerts_works(hooks, tmp_path, monkeypatch):
    guide = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Path("nethical.toml").write_text(f"[alerts.ops]\ntype = 'http'\nurl = '{hooks.url}/ops'\n", encoding="utf-8")
    blocks = [rest.split("```")[0] for rest in guide.split("```python\n")[1:]]
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "docs/alerts.md", "exec"), {})
    assert [title for _, _, title in sent(hooks)] == ["Disk full", "Disk full", "Threshold breach: queue"]


@pytest.mark.parametrize(("key", "shown"), [(7, "7"), ("\ud800", "\ufffd"), ("disk \ud83d\ude00", "disk 😀")])
def test_keys_of_every_kind_end_as_they_begin(hooks, webhooks, key, shown):
    alerts = AlertManager(webhooks)
    assert alerts.critical("Disk full", key=key).key == shown
    over = alerts.resolve(key, "caf\udce9")
    assert over and over.key == shown
    assert alerts.flush()
    assert [request.json["metadata"]["key"] for request in hooks.requests] == [shown, shown]
    assert [state.key for state in alerts.states()] == [shown]


def test_what_is_public():
    import nethical.alerts as module

    own = {name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    public = {name for name in own if not name.startswith("_")} | {"Condition", "Route", "Monitor"}
    assert sorted(public) == module.__all__


@pytest.mark.parametrize("configured", [False, True])
def test_managers_go_to_other_processes(hooks, webhooks, tmp_path, configured):
    """Pickled, they have destinations, routes and monitors of their own."""
    monitors = [{"metric": "loss", "condition": ">", "threshold": 1.0}]
    if configured:
        config = {"alerts": {"http": {"url": f"{hooks.url}/ops"}}, "monitors": monitors}
        alerts = AlertManager.from_config(config)
    else:
        alerts = AlertManager(webhooks, monitors=monitors, routes=[{"severity": "critical", "to": ["ops"]}])
    logs = LogAggregator()
    logs.add_connector(JSONFileConnector(tmp_path / "a.jsonl"))
    again = pickle.loads(pickle.dumps(MonitoringSystem(logs, alerts)))
    assert again.alert_manager is not alerts
    again.log_metric("loss", 2.0)
    assert list(again.statuses().values()) == ["firing"]
    assert again.alert_manager.critical("Disk full", key="disk").destinations == (("http",) if configured else ("ops",))
    assert again.cleanup()
    assert "Disk full" in [title for _, _, title in sent(hooks)]
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8").count("Metric: loss = 2.0") == 1
