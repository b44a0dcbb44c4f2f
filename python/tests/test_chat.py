"""Slack and Discord: what they get, judged by Slack's own SDK and by the schema that Discord publishes."""

import json
import pickle
from pathlib import Path

import jsonschema
import pytest
from slack_sdk.models.attachments import Attachment
from slack_sdk.models.blocks import Block
from webhook_server import Answer

import nethical
from nethical.integrations.webhook import (
    DiscordWebhookDispatcher,
    SlackWebhookDispatcher,
    WebhookManager,
    WebhookPayload,
    WebhookStatus,
)

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "crates/nethical-receivers/src/discord/webhook.schema.json").read_text())
DISCORD = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())

AWKWARD = {
    "": "",
    "name": "<!channel> & <@U1> @everyone",
    "x" * 400: "y" * 5_000,
    "empty": "",
    "none": None,
    "nested": {"list": [1, {"deep": "`code` *bold*"}]},
    "emoji": "🚀" * 2_000,
    **{f"field {number}": "z" * 300 for number in range(60)},
}
MESSAGES = [
    ("model_deployed", {"model": "fraud_detector_v2", "accuracy": 0.95}),
    ("e" * 500, "only a text"),
    ("list", [1, 2, 3]),
    ("awkward", AWKWARD),
    ("alert", {"title": "t" * 300, "message": "m" * 9_000, "fields": AWKWARD}),
    ("newlines", {"message": "\n\n  \n", "title": " "}),
    ("empty", {}),
    ("null", None),
]


@pytest.fixture
def slack(hooks):
    hooks.usual = Answer(200, b"ok")
    with SlackWebhookDispatcher(f"{hooks.url}/services/T/B/hush", rate_limit_per_sec=1_000) as slack:
        yield slack


@pytest.fixture
def discord(hooks):
    hooks.usual = Answer(200, b'{"id": "1"}', {"content-type": "application/json"})
    with DiscordWebhookDispatcher(f"{hooks.url}/api/webhooks/1/hush") as discord:
        yield discord


def takes(parse, items):
    """The SDK checks when it writes a part down again."""
    for part in parse(items):
        assert part.to_dict()


def judge_slack(body):
    assert body["text"] and set(body) <= {"text", "blocks", "attachments", "username", "icon_emoji"}
    assert len(body.get("blocks", [])) <= 50
    takes(Block.parse_all, body.get("blocks", []))
    for attachment in body.get("attachments", []):
        blocks = attachment.get("blocks", [])
        takes(Block.parse_all, blocks)
        rest = {name: value for name, value in attachment.items() if name != "blocks"}
        assert Attachment(text=attachment.get("text", "t"), **{k: v for k, v in rest.items() if k != "text"}).to_dict()
        for block in blocks:
            assert all(len(field["text"]) <= 2_000 for field in block.get("fields", []))
    return body


def judge_discord(body):
    DISCORD.validate(body)
    assert set(body) <= set(SCHEMA["properties"]), "it would ignore others"
    assert body.get("content") or body.get("embeds")
    assert body["allowed_mentions"] == {"parse": []}
    together = 0
    for embed in body.get("embeds", []):
        fields = embed.get("fields", [])
        assert all(field["name"].strip() and field["value"].strip() for field in fields)
        texts = [embed.get("title", ""), embed.get("description", ""), embed.get("footer", {}).get("text", "")]
        texts += [text for field in fields for text in (field["name"], field["value"])]
        together += sum(len(text.encode("utf-16-le")) // 2 for text in texts)
    assert together <= 6_000
    return body


def test_the_guides_slack_calls(hooks, slack):
    assert slack.send_message(
        text="Model training completed successfully!", username="Nethical Bot", icon_emoji=":robot_face:"
    ).ok
    fields = {"Model": "fraud_detector_v2", "Current Accuracy": "0.88", "Threshold": "0.90"}
    assert slack.send_alert(
        title="Performance Degradation Detected",
        message="Model accuracy dropped below threshold",
        severity="warning",
        fields=fields,
    ).ok
    message, alert = [judge_slack(request.json) for request in hooks.requests]
    assert message == {
        "text": "Model training completed successfully!", "username": "Nethical Bot", "icon_emoji": ":robot_face:",
    }  # fmt: skip
    shown = json.dumps(alert)
    for part in ("Performance Degradation Detected", "dropped below threshold", *fields, *fields.values()):
        assert part in shown, part
    assert alert["attachments"][0]["color"]
    assert slack.webhook_url == slack.url == f"{hooks.url}/services/T/B/hush"
    assert "hush" not in repr(slack)


def test_the_guides_discord_call(hooks, discord):
    delivery = discord.send_message(
        content="🚀 New model deployed to production!",
        username="Nethical Bot",
        embeds=[{
            "title": "Deployment Details",
            "color": 0x00FF00,
            "fields": [{"name": "Version", "value": "2.0", "inline": True}],
        }],
    )  # fmt: skip
    assert delivery.status is WebhookStatus.SUCCESS
    assert discord.send_embed("Report", "ready", color=0xFF0000, fields={"n": 5}, footer="daily").ok
    assert discord.send_alert("Down", "no answer", "critical", {"host": "db1"}).ok
    first, second, third = [judge_discord(request.json) for request in hooks.requests]
    assert (first["content"], first["embeds"][0]["color"]) == ("🚀 New model deployed to production!", 0x00FF00)
    embed = {"title": "Report", "description": "ready", "color": 0xFF0000, "footer": {"text": "daily"}}
    assert embed.items() <= second["embeds"][0].items()
    assert second["embeds"][0]["fields"][0].items() >= {"name": "n", "value": "5"}.items()
    assert third["embeds"][0]["title"] == "[CRITICAL] Down" and "db1" in json.dumps(third)
    assert all("wait=true" in request.path for request in hooks.requests)


@pytest.mark.parametrize(("event_type", "data"), MESSAGES, ids=lambda value: str(value)[:12])
def test_every_message_is_one_that_the_service_takes(hooks, slack, discord, event_type, data):
    manager = WebhookManager()
    manager.add_webhook("slack", slack)
    manager.add_webhook("discord", discord)
    # One answer pleases both.
    hooks.usual = Answer(200, b"ok")
    manager.send_to("slack", event_type, data, severity="error", environment="production")
    hooks.usual = Answer(200, b'{"id": "1"}')
    manager.send_to("discord", event_type, data, severity="error", environment="production")
    to_slack, to_discord = [request.json for request in hooks.requests]
    shown = json.dumps(judge_slack(to_slack))
    assert "production" in shown or "more fields]" in shown
    judge_discord(to_discord)
    assert "<!channel>" not in json.dumps(to_slack)


@pytest.mark.parametrize("text", ["", "x" * 50_000, "<!channel> & <b>", "🚀" * 30_000, "a\n" * 5_000])
def test_texts_of_any_size_are_taken_or_refused_with_a_reason(hooks, slack, discord, text):
    for service, judge in ((slack, judge_slack), (discord, judge_discord)):
        hooks.usual = Answer(200, b"ok" if service is slack else b'{"id": "1"}')
        before = len(hooks.requests)
        delivery = service.send_message(text)
        if delivery.ok:
            judge(hooks.requests[before].json)
        else:
            assert not text and delivery.error_message and len(hooks.requests) == before


def test_slack_says_ok_or_it_has_failed(hooks, slack):
    for answer, status in ((Answer(200, b"<html>"), "failed"), (Answer(404, b"no_service"), "failed")):
        hooks.usual = answer
        delivery = slack.send_message("t")
        assert delivery.status.value == status and delivery.hint
    assert "no_service" in delivery.error_message
    before = len(hooks.requests)
    assert not slack.send_message("t").ok
    assert len(hooks.requests) == before, "a webhook that is gone is left alone"


def test_discord_refusals_say_where(hooks, discord):
    errors = {"content": {"_errors": [{"code": "TOO_ODD", "message": "m"}]}}
    body = {"code": 50035, "message": "Invalid Form Body", "errors": errors}
    hooks.usual = Answer(400, json.dumps(body).encode(), {"content-type": "application/json"})
    delivery = discord.send_message("t")
    assert not delivery.ok and "content" in delivery.error_message and "TOO_ODD" in delivery.error_message


def test_send_message_goes_by_way_of_an_overriding_dispatch(hooks):
    class Quiet(SlackWebhookDispatcher):
        seen: list = []

        def dispatch(self, payload):
            self.seen.append(payload)
            return super().dispatch(payload)

    with Quiet(f"{hooks.url}/services/x") as quiet:
        quiet.send_message("hello")
        quiet.send_alert("t", "m")
    assert [payload.event_type for payload in Quiet.seen] == ["message", "alert"]
    assert all(isinstance(payload, WebhookPayload) for payload in Quiet.seen)


def test_messages_can_be_queued(hooks, slack):
    delivery = slack.send_message("later", wait=False)
    assert delivery.status is WebhookStatus.PENDING
    assert slack.flush() and hooks.requests[0].json["text"] == "later"


def test_options_are_checked_and_pickled(slack):
    again = pickle.loads(pickle.dumps(slack))
    assert again.webhook_url == slack.webhook_url
    again.close()
    for kind in (SlackWebhookDispatcher, DiscordWebhookDispatcher):
        with pytest.raises(nethical.ConfigError, match="webhook_url"):
            kind("not an address")
