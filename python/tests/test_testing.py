"""The receivers that the package brings for the tests of its users."""

import textwrap
from datetime import datetime
from pathlib import Path

import pytest

import nethical.testing
from nethical.integrations.logging_connectors import CloudWatchConnector, LogEntry, LogLevel, SyslogConnector
from nethical.integrations.ml_platforms import RunStatus, SageMakerIntegration, WandBIntegration
from nethical.integrations.webhook import (
    DiscordWebhookDispatcher,
    HTTPWebhookDispatcher,
    SlackWebhookDispatcher,
    WebhookPayload,
    WebhookStatus,
)
from nethical.testing import (
    CloudWatchReceiver,
    DiscordReceiver,
    SageMakerReceiver,
    SlackReceiver,
    SyslogReceiver,
    WandBReceiver,
    WebhookReceiver,
)


def test_a_webhook_shows_what_was_posted(webhook_receiver: WebhookReceiver) -> None:
    webhook_receiver.assert_nothing_received()
    webhook_receiver.respond(503)
    dispatcher = HTTPWebhookDispatcher(webhook_receiver.url, retry_delay=0.01)
    delivery = dispatcher.dispatch(WebhookPayload("model_deployed", {"model": "fraud_v2"}))
    assert (delivery.status, delivery.attempt_count) == (WebhookStatus.SUCCESS, 2)
    first, second = webhook_receiver.wait_for(2)
    assert (first.method, first.path, second.headers["content-type"]) == ("POST", "/", "application/json")
    assert second.json()["data"] == {"model": "fraud_v2"}
    assert webhook_receiver.assert_received("model_deployed") == first
    with pytest.raises(AssertionError, match=r"nothing with 'absent' came within 0 s; what came:\n  \{"):
        webhook_receiver.assert_received("absent", timeout=0)
    with pytest.raises(AssertionError, match="2 of 3 came within 0 s"):
        webhook_receiver.wait_for(3, timeout=0)
    with pytest.raises(AssertionError, match="something came"):
        webhook_receiver.assert_nothing_received()


def test_an_answer_for_all_requests(webhook_receiver: WebhookReceiver) -> None:
    webhook_receiver.respond(410, "gone", {"x-reason": "moved"}, always=True)
    dispatcher = HTTPWebhookDispatcher(webhook_receiver.url)
    deliveries = [dispatcher.dispatch(WebhookPayload("event", {})) for _ in range(2)]
    assert {(delivery.status, delivery.response_code) for delivery in deliveries} == {(WebhookStatus.FAILED, 410)}


def test_chat_services_show_what_people_read(
    slack_receiver: SlackReceiver, discord_receiver: DiscordReceiver
) -> None:
    SlackWebhookDispatcher(slack_receiver.url).send_message("<!here> deployed")
    DiscordWebhookDispatcher(discord_receiver.url).send_message("@everyone deployed")
    assert slack_receiver.assert_received("deployed").body["text"]
    assert discord_receiver.assert_received("@everyone deployed").notified == []


def test_what_a_service_would_refuse_fails_the_test() -> None:
    def broken() -> WebhookReceiver | SlackReceiver:
        with SlackReceiver() as slack:
            HTTPWebhookDispatcher(slack.url, max_retries=1).dispatch(WebhookPayload("event", {}))
        return slack

    with pytest.raises(AssertionError, match="the service would have refused"):
        broken()
    with SlackReceiver(strict=False) as slack:
        HTTPWebhookDispatcher(slack.url, max_retries=1).dispatch(WebhookPayload("event", {}))
        assert slack.violations and slack.received == []


@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_syslog_is_read(protocol: str) -> None:
    with SyslogReceiver(protocol) as syslog:
        with SyslogConnector(host=syslog.host, port=syslog.port, protocol=syslog.protocol) as connector:
            assert connector.send(LogEntry(datetime.now(), LogLevel.ERROR, "disk full", "saver", {"path": "/data"}))
        message = syslog.assert_received("disk full")
    assert (message.facility, message.severity) == (16, 3)
    assert message.raw.startswith(b"<131>") and "saver" in message.raw.decode()


def test_cloudwatch_is_found_by_the_environment(cloudwatch_receiver: CloudWatchReceiver) -> None:
    with CloudWatchConnector("/app", "main") as connector:
        assert connector.send(LogEntry(datetime.now(), LogLevel.INFO, "hello", "app", {"n": 1}))
    event = cloudwatch_receiver.assert_received("hello")
    assert (event.log_group, event.log_stream, event.json()["metadata"]) == ("/app", "main", {"n": 1})


def test_runs_are_shown(
    sagemaker_receiver: SageMakerReceiver, wandb_receiver: WandBReceiver, tmp_path: Path
) -> None:
    sagemaker = SageMakerIntegration()
    run = sagemaker.start_run("tests", "first")
    sagemaker.log_parameters(run, {"lr": 0.1})
    sagemaker.end_run(run, RunStatus.COMPLETED, wait=30)
    sagemaker.close()
    (component,) = sagemaker_receiver.wait_for()
    assert component.parameters["lr"] == {"NumberValue": 0.1}

    wandb = WandBIntegration("tests", upload_interval=0.01, directory=tmp_path)
    run = wandb.start_run("group", "second")
    wandb.log_metrics(run, {"loss": 0.5}, step=0)
    wandb.end_run(run, RunStatus.COMPLETED, wait=30)
    wandb.close()
    found = wandb_receiver.assert_received("second")
    assert (found.rows[0]["loss"], found.exit_code) == (0.5, 0)


def test_a_stopped_receiver_is_a_service_that_is_down() -> None:
    with WebhookReceiver() as hook:
        dispatcher = HTTPWebhookDispatcher(hook.url, max_retries=1)
        hook.stop()
        assert dispatcher.dispatch(WebhookPayload("event", {})).status is WebhookStatus.FAILED
        assert repr(hook) == f"<WebhookReceiver at {hook.url}>"


def test_the_example_of_the_module_runs() -> None:
    text = nethical.testing.__doc__
    assert text
    block = textwrap.dedent(text.split("::\n", 1)[1].split("The receivers of", 1)[0])
    exec(compile(block, "<example>", "exec"), {})
