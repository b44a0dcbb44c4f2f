"""Slack and Discord."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._background import in_background
from .._spool import Durability, Spool
from ._connectors import WhenFull
from ._dispatchers import Callback, EngineDispatcher
from ._payload import WebhookDelivery, WebhookPayload


class ChatDispatcher(EngineDispatcher):
    """What the chat services have in common."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        own = ("webhook_url", "timeout", "max_retries", "retry_delay", "backoff_factor", "total_timeout")
        options = {name: given[name] for name in own}
        options["user_agent"] = given["user_agent"]
        options["dry_run"] = given["dry_run"] or None
        options["ssrf_guard"] = given["ssrf_guard"] or None
        options["ssrf_allow"] = list(given["ssrf_allow"]) or None
        self.url: str
        self.webhook_url: str
        self.url = self.webhook_url = given["webhook_url"]
        """The address, which is itself a secret."""
        super().__init__(given, options)

    def send_alert(
        self,
        title: str,
        message: str,
        severity: str = "info",
        fields: Mapping[str, Any] | None = None,
        *,
        wait: bool = True,
    ) -> WebhookDelivery:
        """Send an alert: a title, a text, the colour of its severity, and fields with their names.

        ``severity`` is ``info``, ``warning``, ``error``, ``critical``, or another usual word for one of these.
        """
        data = {"title": title, "message": message, "fields": dict(fields or {})}
        return self._send(WebhookPayload("alert", data, {"severity": severity}), wait)

    async def asend_alert(
        self, title: str, message: str, severity: str = "info", fields: Mapping[str, Any] | None = None
    ) -> WebhookDelivery:
        """:meth:`send_alert`, for ``asyncio``. Cancelled it waits no longer; the message is on its way."""
        return await in_background(self.send_alert, title, message, severity, fields)

    @property
    def _address(self) -> str:
        return str(self.webhook_url)


def _given(names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in names.items() if name not in ("self", "__class__")}


def _present(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


class SlackWebhookDispatcher(ChatDispatcher):
    """Sends to an incoming webhook of Slack: about one message a second, as Slack has it.

    A message that is a :class:`WebhookPayload`, from a :class:`WebhookManager` for example, is made readable: its
    event type, data and metadata. Text is escaped, and kept within Slack's limits: what is cut shows it.
    The options are those of :class:`HTTPWebhookDispatcher`.
    """

    kind = "slack"

    def __init__(
        self,
        webhook_url: str,
        timeout: float = 30,
        max_retries: int = 3,
        retry_delay: float = 1,
        backoff_factor: float = 2,
        *,
        total_timeout: float = 60,
        rate_limit_per_sec: float | None = None,
        user_agent: str | None = None,
        dry_run: bool = False,
        ssrf_guard: bool = False,
        ssrf_allow: Sequence[str] = (),
        on_success: Callback | None = None,
        on_failure: Callback | None = None,
        name: str | None = None,
        max_queue: int = 65_536,
        when_full: WhenFull = "drop_newest",
        block_timeout: float = 10.0,
        spool: Spool = None,
        durability: Durability = None,
    ) -> None:
        super().__init__(_given(locals()))

    def send_message(
        self,
        text: str,
        username: str | None = None,
        icon_emoji: str | None = None,
        attachments: Sequence[Mapping[str, Any]] | None = None,
        blocks: Sequence[Mapping[str, Any]] | None = None,
        *,
        wait: bool = True,
    ) -> WebhookDelivery:
        """Send a text. ``blocks`` and ``attachments`` are Slack's own.

        ``username`` and ``icon_emoji`` are sent as they are; webhooks that belong to a Slack app ignore them.
        """
        body = _present(
            {
                "text": text,
                "username": username,
                "icon_emoji": icon_emoji,
                "attachments": None if attachments is None else list(attachments),
                "blocks": None if blocks is None else list(blocks),
            }
        )
        return self._send(WebhookPayload("message", {"text": text}, native={"slack": body}), wait)

    async def asend_message(
        self,
        text: str,
        username: str | None = None,
        icon_emoji: str | None = None,
        attachments: Sequence[Mapping[str, Any]] | None = None,
        blocks: Sequence[Mapping[str, Any]] | None = None,
    ) -> WebhookDelivery:
        """:meth:`send_message`, for ``asyncio``. Cancelled it waits no longer; the message is on its way."""
        return await in_background(self.send_message, text, username, icon_emoji, attachments, blocks)


class DiscordWebhookDispatcher(ChatDispatcher):
    """Sends to a webhook of Discord, as fast as Discord says that it may.

    A message that is a :class:`WebhookPayload` becomes an embed with its event type, data and metadata. Nobody is
    notified by what stands in a message, and it is kept within Discord's limits: what is cut shows it.
    The options are those of :class:`HTTPWebhookDispatcher`.
    """

    kind = "discord"

    def __init__(
        self,
        webhook_url: str,
        timeout: float = 30,
        max_retries: int = 3,
        retry_delay: float = 1,
        backoff_factor: float = 2,
        *,
        total_timeout: float = 60,
        rate_limit_per_sec: float | None = None,
        user_agent: str | None = None,
        dry_run: bool = False,
        ssrf_guard: bool = False,
        ssrf_allow: Sequence[str] = (),
        on_success: Callback | None = None,
        on_failure: Callback | None = None,
        name: str | None = None,
        max_queue: int = 65_536,
        when_full: WhenFull = "drop_newest",
        block_timeout: float = 10.0,
        spool: Spool = None,
        durability: Durability = None,
    ) -> None:
        super().__init__(_given(locals()))

    def send_message(
        self,
        content: str | None = None,
        username: str | None = None,
        embeds: Sequence[Mapping[str, Any]] | None = None,
        avatar_url: str | None = None,
        *,
        wait: bool = True,
    ) -> WebhookDelivery:
        """Send a text, embeds, or both. ``embeds`` are Discord's own."""
        body = _present(
            {
                "content": content,
                "username": username,
                "embeds": None if embeds is None else list(embeds),
                "avatar_url": avatar_url,
            }
        )
        return self._send(WebhookPayload("message", {"text": content}, native={"discord": body}), wait)

    async def asend_message(
        self,
        content: str | None = None,
        username: str | None = None,
        embeds: Sequence[Mapping[str, Any]] | None = None,
        avatar_url: str | None = None,
    ) -> WebhookDelivery:
        """:meth:`send_message`, for ``asyncio``. Cancelled it waits no longer; the message is on its way."""
        return await in_background(self.send_message, content, username, embeds, avatar_url)

    def send_embed(
        self,
        title: str,
        description: str | None = None,
        color: int | None = None,
        fields: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        footer: str | None = None,
        url: str | None = None,
        username: str | None = None,
        wait: bool = True,
    ) -> WebhookDelivery:
        """Send one embed. ``fields`` are names with values, or Discord's own."""
        embed = _present({"title": title, "description": description, "color": color, "url": url})
        if isinstance(fields, Mapping):
            embed["fields"] = [{"name": str(name), "value": str(value), "inline": True} for name, value in fields.items()]
        elif fields is not None:
            embed["fields"] = list(fields)
        if footer is not None:
            embed["footer"] = {"text": footer}
        return self.send_message(None, username, [embed], wait=wait)

    async def asend_embed(
        self,
        title: str,
        description: str | None = None,
        color: int | None = None,
        fields: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        footer: str | None = None,
        url: str | None = None,
        username: str | None = None,
    ) -> WebhookDelivery:
        """:meth:`send_embed`, for ``asyncio``. Cancelled it waits no longer; the message is on its way."""
        more: dict[str, Any] = {"footer": footer, "url": url, "username": username}
        return await in_background(lambda: self.send_embed(title, description, color, fields, **more))
