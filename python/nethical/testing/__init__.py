"""Receivers for tests: each listens on this machine and keeps what it gets.

Delivery happens outside Python, so a patched Python HTTP client sees nothing of it. Point the destination
at a receiver instead, and ask the receiver what came::

    from nethical.integrations.webhook import SlackWebhookDispatcher
    from nethical.testing import SlackReceiver

    with SlackReceiver() as slack:
        SlackWebhookDispatcher(slack.url).send_message("deployed")
        slack.assert_received("deployed")

The receivers of services keep the service's rules, so a message that Slack would refuse or show cut fails
the test: leaving the ``with`` block without an exception asserts that no rule was broken, unless
``strict=False``. pytest finds a fixture for each: ``slack_receiver``, ``discord_receiver``,
``webhook_receiver``, ``syslog_receiver``, ``cloudwatch_receiver``, ``sagemaker_receiver`` and
``wandb_receiver``.
"""

from __future__ import annotations

from ._receivers import (
    CloudWatchReceiver,
    DiscordReceiver,
    Receiver,
    SageMakerReceiver,
    SlackReceiver,
    SyslogReceiver,
    WandBReceiver,
    WebhookReceiver,
)
from ._records import ChatMessage, Component, LogEvent, Request, SyslogMessage, WandBRun

__all__ = [
    "ChatMessage",
    "CloudWatchReceiver",
    "Component",
    "DiscordReceiver",
    "LogEvent",
    "Receiver",
    "Request",
    "SageMakerReceiver",
    "SlackReceiver",
    "SyslogMessage",
    "SyslogReceiver",
    "WandBReceiver",
    "WandBRun",
    "WebhookReceiver",
]
