"""Fixtures for pytest, which finds them by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import (
    CloudWatchReceiver,
    DiscordReceiver,
    SageMakerReceiver,
    SlackReceiver,
    SyslogReceiver,
    WandBReceiver,
    WebhookReceiver,
)


@pytest.fixture
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """A web address that keeps what is posted to it."""
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def slack_receiver() -> Iterator[SlackReceiver]:
    """A Slack that fails the test if it would have refused something."""
    with SlackReceiver() as receiver:
        yield receiver


@pytest.fixture
def discord_receiver() -> Iterator[DiscordReceiver]:
    """A Discord that fails the test if it would have refused something."""
    with DiscordReceiver() as receiver:
        yield receiver


@pytest.fixture
def syslog_receiver() -> Iterator[SyslogReceiver]:
    """A syslog receiver on UDP."""
    with SyslogReceiver() as receiver:
        yield receiver


@pytest.fixture
def cloudwatch_receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudWatchReceiver]:
    """CloudWatch Logs, to which the environment leads during the test."""
    with CloudWatchReceiver() as receiver:
        for name, value in receiver.environment.items():
            monkeypatch.setenv(name, value)
        yield receiver


@pytest.fixture
def sagemaker_receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[SageMakerReceiver]:
    """SageMaker, to which the environment leads during the test."""
    with SageMakerReceiver() as receiver:
        for name, value in receiver.environment.items():
            monkeypatch.setenv(name, value)
        yield receiver


@pytest.fixture
def wandb_receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandBReceiver]:
    """Weights & Biases, to which the environment leads during the test."""
    with WandBReceiver() as receiver:
        for name, value in receiver.environment.items():
            monkeypatch.setenv(name, value)
        yield receiver
