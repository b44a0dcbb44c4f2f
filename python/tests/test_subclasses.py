"""Classes that users derive from the abstract ones, in every manager: they work, may be slow, and fail for themselves.

None of them calls ``__init__`` of its base, and each has only the methods that it must have.
"""

import threading

import pytest

from nethical.alerts import AlertManager, MonitoringSystem
from nethical.integrations.logging_connectors import LogAggregator, LogConnector, LogLevel, MemoryConnector
from nethical.integrations.ml_platforms import InMemoryIntegration, MLPlatformInterface, MLPlatformManager
from nethical.integrations.webhook import (
    HTTPWebhookDispatcher,
    WebhookDelivery,
    WebhookDispatcher,
    WebhookManager,
    WebhookStatus,
)


class Notes:
    """What the three kinds have in common: noting, failing, and waiting to be let go on."""

    def __init__(self, fails=False, go=None):
        self.noted, self.threads, self.fails, self.go = [], set(), fails, go

    def note(self, what):
        if self.go is not None:
            assert self.go.wait(60)
        self.threads.add(threading.get_ident())
        self.noted.append(what)
        if self.fails:
            raise RuntimeError("mine failed")


class Connector(Notes, LogConnector):
    def send(self, entry):
        self.note(entry.message)
        return True


class Dispatcher(Notes, WebhookDispatcher):
    def dispatch(self, payload):
        self.note(payload.data.get("title", payload.event_type))
        return WebhookDelivery(payload.id, "mine", WebhookStatus.SUCCESS)


class Platform(Notes, MLPlatformInterface):
    def start_run(self, experiment_name, run_name=None):
        return experiment_name

    def log_parameters(self, run_id, parameters):
        self.note("parameters")

    def log_metrics(self, run_id, metrics, step=None):
        self.note(step)

    def log_artifact(self, run_id, artifact_path):
        self.note("artifact")

    def end_run(self, run_id, status="completed"):
        self.note(status)


class Logs:
    """An aggregator with a connector of ours beside one of the engine's."""

    kind = Connector

    def __init__(self, mine, hooks):
        self.manager, self.memory = LogAggregator(), MemoryConnector()
        self.manager.add_connector(mine)
        self.manager.add_connector(self.memory)

    def tell(self, what):
        self.manager.log(LogLevel.INFO, what, "s")

    def flush(self):
        return self.manager.flush_all(60)

    def told(self):
        return [entry.message for entry in self.memory.entries]

    def close(self):
        self.manager.close_all(60)


class Webhooks:
    """A manager with a dispatcher of ours beside one of the engine's."""

    kind = Dispatcher

    def __init__(self, mine, hooks):
        self.manager, self.hooks = WebhookManager(), hooks
        self.manager.add_webhook("mine", mine)
        self.manager.add_webhook("hook", HTTPWebhookDispatcher(hooks.url))

    def tell(self, what):
        self.manager.broadcast(what, {}, wait=False)

    def flush(self):
        return self.manager.flush_all(60)

    def told(self):
        return [request.json["event_type"] for request in self.hooks.requests]

    def close(self):
        self.manager.close_all(60)


class Alerts(Webhooks):
    """An alert manager over such a one."""

    def __init__(self, mine, hooks):
        super().__init__(mine, hooks)
        self.alerts = AlertManager(self.manager)

    def tell(self, what):
        self.alerts.error(what)

    def flush(self):
        return self.alerts.flush(60)

    def told(self):
        return [request.json["data"]["title"] for request in self.hooks.requests]


class Monitoring(Alerts):
    """A monitoring system over such a one, with a connector of ours in its aggregator, too."""

    def __init__(self, mine, hooks):
        super().__init__(mine, hooks)
        self.system = MonitoringSystem(LogAggregator(), self.alerts)
        self.connector = Connector()
        self.system.log_aggregator.add_connector(self.connector)

    def tell(self, what):
        assert self.system.check_threshold(what, 1.0, 2.0)

    def flush(self):
        return self.alerts.flush(60) and self.system.log_aggregator.flush_all(60)

    def told(self):
        assert len(self.connector.noted) == 3
        return [title.removeprefix("Threshold breach: ") for title in super().told()]

    def close(self):
        self.system.cleanup(60)


class Runs:
    """A manager with a platform of ours beside one of the engine's."""

    kind = Platform

    def __init__(self, mine, hooks):
        self.manager, self.memory, self.steps = MLPlatformManager(), InMemoryIntegration(), 0
        self.manager.add_platform("mine", mine)
        self.manager.add_platform("memory", self.memory)
        self.ids = self.manager.start_run_all("e")

    def tell(self, what):
        self.manager.log_metrics_all(self.ids, {"loss": 1.0}, what)

    def flush(self):
        return self.manager.flush_all(60)

    def told(self):
        return [step for step, _, _ in self.memory.history(self.ids["memory"], "loss")]

    def close(self):
        self.manager.close_all(60)


MANAGERS = [(Logs, ["a", "b", "c"]), (Webhooks, ["a", "b", "c"]), (Alerts, ["a", "b", "c"]), (Monitoring, ["a", "b", "c"]), (Runs, [1, 2, 3])]  # fmt: skip
EACH = pytest.mark.parametrize("manager, words", MANAGERS, ids=lambda value: getattr(value, "__name__", ""))


def heard(mine, words):
    """What ours noted, as far as it is one of the words."""
    return [word for noted in mine.noted for word in words if noted in (word, f"Threshold breach: {word}")]


@EACH
def test_it_is_told_in_order_on_a_thread_of_its_own(manager, words, hooks):
    mine = manager.kind()
    managed = manager(mine, hooks)
    for word in words:
        managed.tell(word)
    assert managed.flush()
    assert heard(mine, words) == words
    assert sorted(managed.told()) == words
    assert len(mine.threads) == 1 and threading.get_ident() not in mine.threads
    managed.close()


@EACH
def test_one_that_fails_concerns_nobody(manager, words, hooks):
    mine = manager.kind(fails=True)
    managed = manager(mine, hooks)
    for word in words:
        managed.tell(word)
    managed.flush()
    assert heard(mine, words) == words
    assert sorted(managed.told()) == words
    managed.close()


@EACH
def test_one_that_is_slow_keeps_nobody_waiting(manager, words, hooks, eventually):
    go = threading.Event()
    mine = manager.kind(go=go)
    managed = manager(mine, hooks)
    for word in words:
        managed.tell(word)
    # Every call came back, and the other has it all, while ours stands still.
    if manager is Monitoring:
        eventually(lambda: len(managed.connector.noted) == 3)
    eventually(lambda: len(managed.told()) == len(words))
    assert mine.noted == []
    go.set()
    assert managed.flush()
    assert heard(mine, words) == words
    managed.close()
