"""One message to many webhooks."""

import pickle
import threading
import time

import pytest
from webhook_server import Answer

import nethical
from nethical.integrations.logging_connectors import LogAggregator
from nethical.integrations.webhook import (
    HTTPWebhookDispatcher,
    WebhookDelivery,
    WebhookDispatcher,
    WebhookManager,
    WebhookPayload,
    WebhookStatus,
)


class Mine(WebhookDispatcher):
    """Written in Python."""

    def __init__(self, fail=False):
        self.seen, self.threads, self.ends, self.fail = [], set(), [], fail

    def dispatch(self, payload):
        self.seen.append(payload)
        self.threads.add(threading.get_ident())
        if self.fail:
            raise RuntimeError("no")
        return WebhookDelivery(payload.id, "mine://", WebhookStatus.SUCCESS, attempt_count=7)

    def flush(self):
        self.ends.append("flush")
        return True

    def close(self):
        self.ends.append("close")


@pytest.fixture
def manager():
    with WebhookManager() as manager:
        yield manager


def test_a_broadcast_says_what_became_of_each(hooks, manager):
    hooks.usual = Answer(404)
    manager.add_webhook("gone", HTTPWebhookDispatcher(f"{hooks.url}/gone"))
    manager.add_webhook("mine", Mine())
    manager.add_webhook("broken", Mine(fail=True))
    found = manager.broadcast(
        event_type="system_alert", data={"error_rate": 0.15, "threshold": 0.05}, priority="high"
    )
    assert list(found) == ["gone", "mine", "broken"]
    assert [delivery.status.value for delivery in found.values()] == ["failed", "success", "failed"]
    assert found["mine"].attempt_count == 7, "in the dispatcher's own words"
    assert "RuntimeError: no" in found["broken"].error_message
    (request,) = hooks.requests
    assert request.json["metadata"] == {"priority": "high"}
    assert len({delivery.delivery_id for delivery in found.values()}) == 1


def test_all_are_sent_to_at_once(hooks, manager):
    hooks.go.clear()
    for number in range(8):
        manager.add_webhook(f"w{number}", HTTPWebhookDispatcher(f"{hooks.url}/{number}"))
    started = threading.Thread(target=lambda: manager.broadcast("t", {}))
    started.start()
    deadline = time.monotonic() + 10
    while len(hooks.requests) < 8:  # None of them is answered yet.
        assert time.monotonic() < deadline, f"only {len(hooks.requests)} at once"
        time.sleep(0.001)
    hooks.go.set()
    started.join(10)


def test_send_to_reaches_one_and_an_unknown_name_is_an_error(hooks, manager):
    manager.add_webhook("slack", HTTPWebhookDispatcher(f"{hooks.url}/s"))
    manager.add_webhook("other", HTTPWebhookDispatcher(f"{hooks.url}/o"))
    delivery = manager.send_to(webhook_name="slack", event_type="notification", data={"message": "ready"})
    assert delivery.ok and [request.path for request in hooks.requests] == ["/s"]
    with pytest.raises(nethical.ConfigError, match="did you mean 'slack'"):
        manager.send_to("slak", "t", {})
    with pytest.raises(nethical.ConfigError, match="none was added yet"):
        WebhookManager().send_to("slack", "t", {})


def test_webhooks_are_a_picture_and_names_are_replaced(hooks, manager):
    first, second = HTTPWebhookDispatcher(hooks.url), HTTPWebhookDispatcher(hooks.url)
    manager.add_webhook("a", first)
    manager.add_webhook("a", second)
    assert dict(manager.webhooks) == {"a": second} and "a" in manager.webhooks
    with pytest.raises(TypeError):
        manager.webhooks["b"] = first
    assert manager.remove_webhook("a") and not manager.remove_webhook("a")
    assert second.dispatch(WebhookPayload("t", {})).ok, "what was removed stays open"
    for wrong in (Mine, "url", None):
        with pytest.raises(TypeError):
            manager.add_webhook("a", wrong)
    first.close()
    second.close()


def test_one_of_ones_own_has_one_thread_and_is_called_in_order(manager):
    mine = Mine()
    manager.add_webhook("mine", mine)
    queued = [manager.send_to("mine", "t", {"n": n}, wait=False) for n in range(50)]
    assert {delivery.status for delivery in queued} == {WebhookStatus.PENDING}
    assert manager.flush_all()
    assert [payload.data["n"] for payload in mine.seen] == list(range(50))
    assert len(mine.threads) == 1 and threading.get_ident() not in mine.threads
    assert [payload.id for payload in mine.seen] == [delivery.delivery_id for delivery in queued]
    assert len(mine.deliveries) == 50
    (status,) = manager.status()
    assert (status["accepted"], status["confirmed"], status["waiting"]) == (50, 50, 0)
    assert manager.close_all() and mine.ends[-1] == "close"
    assert not manager.send_to("mine", "t", {}).ok


def test_a_coroutine_is_refused_since_nobody_would_run_it(manager):
    class Mine(WebhookDispatcher):
        async def dispatch(self, payload):
            raise AssertionError

    with pytest.raises(TypeError, match="no coroutine"):
        manager.add_webhook("mine", Mine())


def test_an_overriding_dispatch_counts_in_a_manager_too(hooks, manager):
    class Stamped(HTTPWebhookDispatcher):
        def dispatch(self, payload):
            payload.metadata["stamp"] = "mine"
            return super().dispatch(payload)

    manager.add_webhook("stamped", Stamped(hooks.url))
    delivery = manager.broadcast("t", {})["stamped"]
    assert (delivery.response_code, hooks.requests[0].json["metadata"]) == (200, {"stamp": "mine"})


def test_a_slow_one_does_not_keep_what_is_queued_from_others(hooks, manager, eventually):
    hold = threading.Event()

    class Slow(WebhookDispatcher):
        def dispatch(self, payload):
            hold.wait(20)
            return WebhookDelivery(payload.id, "slow", WebhookStatus.SUCCESS)

    manager.add_webhook("slow", Slow())
    manager.add_webhook("fast", HTTPWebhookDispatcher(hooks.url))
    started = time.monotonic()
    manager.broadcast("t", {}, wait=False)
    assert time.monotonic() - started < 5
    eventually(lambda: hooks.requests)
    hold.set()
    assert manager.flush_all()


def test_a_manager_can_be_pickled(hooks, manager):
    manager.add_webhook("a", HTTPWebhookDispatcher(hooks.url))
    again = pickle.loads(pickle.dumps(manager))
    assert again.broadcast("t", {})["a"].ok
    assert again.close_all()


CONFIG = {
    "alerts": {
        "all": {"type": "http"},
        "urgent": {"type": "http", "level": "error"},
    },
}


def configured(hooks):
    tables = {name: {**table, "url": f"{hooks.url}/{name}"} for name, table in CONFIG["alerts"].items()}
    return {"alerts": tables}


def test_a_configuration_opens_its_webhooks(hooks, tmp_path):
    with WebhookManager.from_config(configured(hooks)) as manager:
        assert {name: one.kind for name, one in manager.webhooks.items()} == {"all": "http", "urgent": "http"}
        assert all(isinstance(one, WebhookDispatcher) for one in manager.webhooks.values())
        assert list(manager.broadcast("t", {})) == ["all"]
        assert list(manager.broadcast("t", {}, severity="critical")) == ["all", "urgent"]
        assert manager.send_to("urgent", "t", {}).ok, "what is sent to one reaches it, whatever its level"
        assert hooks.url not in repr(manager) and "urgent" in repr(manager)
        again = pickle.loads(pickle.dumps(manager))
    assert list(again.broadcast("t", {})) == ["all"] and again.close_all()
    path = tmp_path / "nethical.toml"
    path.write_text(f'[alerts.http]\nurl = "{hooks.url}/file"\n')
    with WebhookManager.from_config(path) as manager:
        assert manager.broadcast("t", {})["http"].ok


def test_a_configuration_that_is_wrong_opens_nothing(hooks):
    with pytest.raises(nethical.ConfigError, match="urll"):
        WebhookManager.from_config({"alerts": {"http": {"urll": hooks.url}}})
    with pytest.raises(TypeError, match="a path or a dict"):
        WebhookManager.from_config(7)
    assert not hooks.requests


def test_each_manager_opens_its_own_table_and_no_other(hooks, tmp_path):
    config = {"logging": {"jsonl": {"filepath": str(tmp_path)}}, **configured(hooks)}
    with WebhookManager.from_config(config) as manager:
        assert len(manager.webhooks) == 2
    opened = len(nethical.status())
    config = {"logging": {"jsonl": {"filepath": str(tmp_path / "a.jsonl")}}, **configured(hooks)}
    with LogAggregator.from_config(config) as logs:
        assert [one.name for one in logs.connectors] == ["jsonl"]
        assert len(nethical.status()) == opened + 1


def test_a_level_is_for_what_is_for_all(hooks, manager):
    manager.add_webhook("loud", Mine(), level="warning")
    assert manager.broadcast("t", {}, severity="info") == {}
    assert manager.broadcast("t", {"level": "error"})["loud"].ok
    with pytest.raises(ValueError, match="loudly"):
        manager.add_webhook("odd", Mine(), level="loudly")
