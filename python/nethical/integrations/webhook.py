"""Messages to webhooks, Slack and Discord.

    from nethical.integrations.webhook import HTTPWebhookDispatcher, SlackWebhookDispatcher, WebhookManager

    with WebhookManager() as webhooks:
        webhooks.add_webhook("slack", SlackWebhookDispatcher("https://hooks.slack.com/services/T0/B0/XXX"))
        webhooks.add_webhook("internal", HTTPWebhookDispatcher("https://alerts.example.com/hook"))
        webhooks.broadcast("high_error_rate", {"error_rate": 0.15, "threshold": 0.05}, severity="critical")
"""

from __future__ import annotations

from . import _exported_as
from ._api import APIIntegration, APIResponse, GenericAPIIntegration
from ._chat import DiscordWebhookDispatcher, SlackWebhookDispatcher
from ._dispatchers import HTTPWebhookDispatcher, WebhookDispatcher
from ._payload import WebhookDelivery, WebhookPayload, WebhookStatus
from ._signatures import WebhookSignatureError, sign_webhook, verify_webhook
from ._webhook_manager import WebhookManager

__all__ = [
    "APIIntegration",
    "APIResponse",
    "DiscordWebhookDispatcher",
    "GenericAPIIntegration",
    "HTTPWebhookDispatcher",
    "SlackWebhookDispatcher",
    "WebhookDelivery",
    "WebhookDispatcher",
    "WebhookManager",
    "WebhookPayload",
    "WebhookSignatureError",
    "WebhookStatus",
    "sign_webhook",
    "verify_webhook",
]

_exported_as(__name__, globals(), __all__)
