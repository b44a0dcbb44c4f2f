"""Generic webhooks: what arrives, what the caller is told, and what becomes of what fails."""

import multiprocessing
import pickle
import threading
import time
from datetime import datetime, timezone

import pytest
from webhook_server import Answer

import nethical
from nethical.integrations.webhook import (
    DiscordWebhookDispatcher,
    HTTPWebhookDispatcher,
    SlackWebhookDispatcher,
    WebhookDelivery,
    WebhookDispatcher,
    WebhookPayload,
    WebhookStatus,
)


@pytest.fixture
def dispatcher(hooks):
    with HTTPWebhookDispatcher(f"{hooks.url}/hook/secret", retry_delay=0.01) as dispatcher:
        yield dispatcher


def test_the_guides_call_arrives_with_headers_added_to_the_usual_ones(hooks):
    dispatcher = HTTPWebhookDispatcher(
        url=f"{hooks.url}/webhook", headers={"X-API-Key": "your-api-key"}, timeout=30, max_retries=3, retry_delay=5
    )
    payload = WebhookPayload(
        event_type="model_deployed",
        data={"model_id": "model_123", "accuracy": 0.95},
        metadata={"environment": "production"},
    )
    delivery = dispatcher.dispatch(payload)
    assert (delivery.status, delivery.response_code, delivery.attempt_count) == (WebhookStatus.SUCCESS, 200, 1)
    assert delivery.ok and delivery.duration_ms > 0 and delivery.response_body_excerpt == "ok"
    (request,) = hooks.requests
    assert request.json == payload.to_dict()
    assert list(request.json) == ["event_type", "data", "timestamp", "metadata"]
    assert request.headers["x-api-key"] == "your-api-key"
    assert request.headers["content-type"].startswith("application/json")
    assert request.headers["webhook-id"] == payload.id == delivery.delivery_id
    assert (dispatcher.url, dispatcher.headers) == (f"{hooks.url}/webhook", {"X-API-Key": "your-api-key"})
    dispatcher.close()


def test_any_value_arrives_as_what_comes_nearest(hooks, dispatcher):
    at = datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc)
    dispatcher.dispatch(WebhookPayload("t", {"nan": float("nan"), "at": at, "set": {1}, "password": "kept"}))
    data = hooks.requests[0].json["data"]
    assert data == {"nan": "NaN", "at": "2026-03-01T12:30:00.000000Z", "set": [1], "password": "kept"}


def test_what_may_be_well_in_a_moment_is_tried_again_with_the_same_id(hooks, dispatcher):
    hooks.answers = [Answer(503), Answer(429, headers={"retry-after": "0"})]
    delivery = dispatcher.dispatch(WebhookPayload("t", {}))
    assert (delivery.status, delivery.attempt_count) == (WebhookStatus.SUCCESS, 3)
    assert len({request.headers["webhook-id"] for request in hooks.requests}) == 1


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (404, 1), (410, 1), (302, 1), (500, 3)])
def test_a_failure_is_told_and_kept_and_not_raised(hooks, status, attempts):
    hooks.usual = Answer(status, b"because", {"location": "/elsewhere"})
    told = []
    dispatcher = HTTPWebhookDispatcher(hooks.url, retry_delay=0.01, on_failure=told.append)
    delivery = dispatcher.dispatch(WebhookPayload("t", {"n": 1}))
    assert (delivery.status, delivery.response_code) == (WebhookStatus.FAILED, status)
    assert (delivery.attempt_count, len(hooks.requests)) == (attempts, attempts)
    assert str(status) in delivery.error_message and delivery.hint
    assert told == dispatcher.deliveries == [delivery]
    assert len(dispatcher.dead_letters()) == 1
    status = dispatcher.status()
    assert (status["accepted"], status["dead_lettered"], status["waiting"]) == (1, 1, 0)
    dispatcher.close()


def test_nothing_shows_what_is_secret(hooks):
    secrets = ("hush", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "key-in-a-header")
    hooks.usual = Answer(500)
    dispatcher = HTTPWebhookDispatcher(
        f"{hooks.url}/hush?token=hush", {"X-API-Key": secrets[2]}, max_retries=1, secret=secrets[1]
    )
    delivery = dispatcher.dispatch(WebhookPayload("t", {}))
    for shown in (repr(dispatcher), repr(delivery), str(delivery.to_dict()), str(dispatcher.status())):
        assert not any(secret in shown for secret in secrets), shown
    assert delivery.url.startswith(hooks.url.rsplit("/", 1)[0])
    dispatcher.close()


def test_what_is_queued_returns_at_once_and_is_told_of_later(hooks, eventually):
    hooks.go.clear()
    told = []
    dispatcher = HTTPWebhookDispatcher(hooks.url, on_success=told.append)
    delivery = dispatcher.dispatch(WebhookPayload("t", {}), wait=False)
    assert (delivery.status, delivery.attempt_count, delivery.queued) == (WebhookStatus.PENDING, 0, True)
    assert dispatcher.flush(timeout=0.05) is False
    hooks.go.set()
    assert dispatcher.flush()
    eventually(lambda: told)
    assert (told[0].delivery_id, told[0].status) == (delivery.delivery_id, WebhookStatus.SUCCESS)
    dispatcher.close()


def test_what_is_queued_waits_until_the_receiver_is_well(hooks, eventually):
    hooks.answers = [Answer(503)] * 5
    dispatcher = HTTPWebhookDispatcher(hooks.url, retry_delay=0.01)
    dispatcher.dispatch(WebhookPayload("t", {}), wait=False)
    assert dispatcher.flush(20)
    status = dispatcher.status()
    assert (status["confirmed"], status["dead_lettered"], len(hooks.requests)) == (1, 0, 6)
    dispatcher.close()


def test_other_threads_run_while_one_waits(hooks, dispatcher):
    hooks.go.clear()
    ended = []
    waiting = threading.Thread(target=lambda: ended.append(dispatcher.dispatch(WebhookPayload("t", {}))))
    waiting.start()
    while not hooks.requests:  # This would never be true if the waiting thread kept the interpreter.
        time.sleep(0.001)
    assert not ended
    hooks.go.set()
    waiting.join(10)
    assert ended[0].ok


def test_the_whole_time_has_an_end(hooks):
    hooks.go.clear()
    dispatcher = HTTPWebhookDispatcher(hooks.url, timeout=30, total_timeout=0.2)
    delivery = dispatcher.dispatch(WebhookPayload("t", {}))
    assert delivery.status is WebhookStatus.FAILED and "time" in delivery.error_message
    hooks.go.set()
    dispatcher.close()


def test_templates_make_bodies(hooks):
    body = {"template": '{"what": {{ event_type }}, "n": {{ data.n }}}'}
    with HTTPWebhookDispatcher(hooks.url, body=body) as dispatcher:
        dispatcher.dispatch(WebhookPayload('a "quoted" type', {"n": 5}))
    assert hooks.requests[0].json == {"what": 'a "quoted" type', "n": 5}
    with HTTPWebhookDispatcher(hooks.url, body="standard") as dispatcher:
        dispatcher.dispatch(WebhookPayload("a.b", {"n": 5}))
    assert {"type": "a.b", "data": {"n": 5}}.items() <= hooks.requests[1].json.items()


def test_a_guard_refuses_addresses_of_this_machine(hooks):
    with pytest.raises(nethical.ConfigError, match="guard"):
        HTTPWebhookDispatcher(hooks.url, ssrf_guard=True)
    named = hooks.url.replace("127.0.0.1", "localhost")
    with HTTPWebhookDispatcher(named, ssrf_guard=True, max_retries=1) as dispatcher:
        delivery = dispatcher.dispatch(WebhookPayload("t", {}))
    assert not delivery.ok and not hooks.requests
    with HTTPWebhookDispatcher(hooks.url, ssrf_guard=True, ssrf_allow=["127.0.0.0/8"]) as dispatcher:
        assert dispatcher.dispatch(WebhookPayload("t", {})).ok


def test_a_dry_run_sends_nothing(hooks):
    with HTTPWebhookDispatcher(hooks.url, dry_run=True) as dispatcher:
        delivery = dispatcher.dispatch(WebhookPayload("t", {"n": 1}))
        assert delivery.ok and '"n":1' in delivery.response_body_excerpt
        assert (dispatcher.status()["confirmed"], dispatcher.status()["sent"]) == (0, 1)
    assert not hooks.requests


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://user:word@example.com/", "ssrf_guard": True}, "url"),
        ({"max_retries": -1}, "max_retries"),
        ({"secret": "whsec_short"}, "whsec_"),
        ({"headers": {"a b": "c"}}, "headers"),
        ({"body": {"template": "{{ unclosed"}}, "body"),
        ({"ssrf_allow": ["10.0.0.0/99"]}, "ssrf_allow|10.0.0.0"),
        ({"on_failure": "print"}, "on_failure"),
    ],
)
def test_wrong_options_are_told_at_once(options, text):
    with pytest.raises((nethical.ConfigError, TypeError), match=text) as raised:
        HTTPWebhookDispatcher(**{"url": "https://example.com/hook", **options})
    assert "word" not in str(raised.value)


@pytest.mark.parametrize("kind", [HTTPWebhookDispatcher, SlackWebhookDispatcher, DiscordWebhookDispatcher])
@pytest.mark.parametrize(("max_retries", "attempts"), [(0, 1), (1, 1), (3, 3)])
def test_no_wait_is_a_wait_too_and_no_attempt_is_one(hooks, kind, max_retries, attempts):
    hooks.usual = Answer(503)
    with kind(f"{hooks.url}/{kind.__name__}{max_retries}", retry_delay=0, max_retries=max_retries) as dispatcher:
        delivery = dispatcher.dispatch(WebhookPayload("t", {"text": "t"}))
    assert (delivery.ok, delivery.attempt_count, len(hooks.requests)) == (False, attempts, attempts)
    kind(hooks.url, max_retries=1_000).close()


def test_a_closed_one_says_so(dispatcher):
    dispatcher.close()
    dispatcher.close()
    with pytest.raises(nethical.ClosedError):
        dispatcher.dispatch(WebhookPayload("t", {}))
    with pytest.raises(TypeError, match="WebhookPayload"):
        dispatcher.dispatch({"event_type": "t"})


def test_subclasses_may_look_at_what_is_sent(hooks):
    class Stamped(HTTPWebhookDispatcher):
        def dispatch(self, payload):
            payload.metadata["stamp"] = "mine"
            return super().dispatch(payload)

    with Stamped(hooks.url) as dispatcher:
        assert dispatcher.dispatch(WebhookPayload("t", {})).ok
    assert hooks.requests[0].json["metadata"] == {"stamp": "mine"}


def test_records_and_dispatchers_can_be_pickled(hooks, dispatcher):
    payload = WebhookPayload("t", {"n": 1}, {"severity": "info"})
    delivery = dispatcher.dispatch(payload)
    again = pickle.loads(pickle.dumps((payload, delivery, dispatcher)))
    assert again[:2] == (payload, delivery) and again[0].id == payload.id
    assert repr(again[2]) == repr(dispatcher)
    assert again[2].dispatch(payload).ok
    again[2].close()
    assert WebhookPayload.from_json(payload.to_json()) == payload


def _in_child(dispatcher, results):
    results.put(dispatcher.dispatch(WebhookPayload("child", {})).status)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_sends_by_itself(hooks, dispatcher, method):
    assert dispatcher.dispatch(WebhookPayload("parent", {})).ok
    context = multiprocessing.get_context(method)
    results = context.Queue()
    child = context.Process(target=_in_child, args=(dispatcher, results))
    child.start()
    assert results.get(timeout=30) is WebhookStatus.SUCCESS
    child.join(30)
    assert dispatcher.dispatch(WebhookPayload("parent", {})).ok
    assert [request.json["event_type"] for request in hooks.requests] == ["parent", "child", "parent"]


def test_what_is_queued_outlives_its_process(hooks, script):
    """The receiver is down while the first process runs; the second one only opens it."""
    hooks.usual = Answer(503)
    start = f"""
        from nethical.integrations.webhook import HTTPWebhookDispatcher, WebhookPayload
        hook = HTTPWebhookDispatcher({hooks.url!r}, name="ops", retry_delay=0.01)
    """
    queue = start + '    [hook.dispatch(WebhookPayload("t", {"n": n}), wait=False) for n in range(20)]\n'
    ended = script(queue, NETHICAL_EXIT_TIMEOUT="0.2")
    assert "20 entries for ops not delivered" in ended.stderr
    hooks.usual = Answer(200)
    before = len(hooks.requests)
    assert script(start + "    assert hook.flush(20)\n").returncode == 0
    assert sorted(request.json["data"]["n"] for request in hooks.requests[before:]) == list(range(20))


def test_a_dispatcher_of_ones_own_needs_only_dispatch():
    class Mine(WebhookDispatcher):
        def dispatch(self, payload):
            return WebhookDelivery(payload.id, "mine", WebhookStatus.SUCCESS)

    with Mine() as mine:
        assert mine.dispatch(WebhookPayload("t", {})).ok
        assert mine.flush() and mine.deliveries == []
    with pytest.raises(TypeError):
        WebhookDispatcher()
