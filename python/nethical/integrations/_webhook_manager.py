"""One message to many webhooks."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from .. import _core, _feed
from .._background import With, in_background
from ..errors import ConfigError
from ._aggregator import read_config
from ._connectors import CLOSE_TIMEOUT, FLUSH_TIMEOUT
from ._dispatchers import ConfiguredDispatcher, EngineDispatcher, WebhookDispatcher
from ._entries import LogLevel
from ._payload import WebhookDelivery, WebhookPayload, delivery_of
from ._stand import Stand

_Self = TypeVar("_Self", bound="WebhookManager")


class _Member:
    """A dispatcher in a manager, and what feeds it."""

    def __init__(self, dispatcher: WebhookDispatcher, name: str, level: LogLevel | None) -> None:
        self.dispatcher = dispatcher
        self.level = level
        is_engine = isinstance(dispatcher, EngineDispatcher)
        # Of one whose `dispatch` was overridden, the overriding one counts.
        is_plain = is_engine and type(dispatcher).dispatch is EngineDispatcher.dispatch
        self.stand = None if is_plain else Stand(dispatcher, name)
        if self.stand is not None:
            self.connector = _feed.handle(self.stand)
        elif isinstance(dispatcher, EngineDispatcher):
            self.connector = dispatcher._connector

    def ended(self, found: dict[str, Any]) -> WebhookDelivery:
        """What became of a message: in the dispatcher's own words, if it has some."""
        own = self.stand.outcome(found["delivery_id"]) if self.stand is not None else None
        if own is not None:
            return own
        delivery = delivery_of(found)
        return self.dispatcher._ended(delivery) if isinstance(self.dispatcher, EngineDispatcher) else delivery


class WebhookManager(With):
    """Hands messages to dispatchers by their names. One that fails or is slow concerns no other.

    Each service gets a message in its own shape: a generic webhook the envelope of :class:`WebhookPayload`,
    Slack and Discord something to read.
    """

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}

    @classmethod
    def from_config(cls: type[_Self], config: str | os.PathLike[str] | Mapping[str, Any]) -> _Self:
        """A manager with every webhook of a configuration's ``[alerts]``, open.

        ``config`` is the path of a file (TOML or JSON) or a dict of the same shape:
        ``{"alerts": {"slack": {"webhook_url": "${SLACK_WEBHOOK_URL}"}}}``. Everything that is wrong with it is told in
        one :class:`nethical.ConfigError`, before anything is opened.
        """
        read = read_config(config)
        made = cls()
        for name, kind, level, connector in read.open_webhooks():
            made.add_webhook(name, ConfiguredDispatcher(read, name, kind, connector), level)
        return made

    @property
    def webhooks(self) -> Mapping[str, WebhookDispatcher]:
        """The dispatchers by their names, in the order in which they were added. It is a picture."""
        return MappingProxyType({name: member.dispatcher for name, member in self._members.items()})

    def members(self) -> list[tuple[str, str, str, _core.Connector]]:
        """Name, type, lowest level and connector of each."""
        return [
            (
                name,
                str(getattr(member.dispatcher, "kind", name)),
                "DEBUG" if member.level is None else member.level.name,
                member.connector,
            )
            for name, member in self._members.items()
        ]

    def add_webhook(
        self, name: str, dispatcher: WebhookDispatcher, level: LogLevel | str | None = None
    ) -> None:
        """Have ``dispatcher`` get what is for all, and what is for ``name``; in the place of one of that name.

        With a ``level`` it gets of what is for all only messages of that severity and above.
        It may be any object with a ``dispatch`` method; see :class:`WebhookDispatcher`.
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f"add_webhook() takes a name, not {name!r}")
        if isinstance(dispatcher, type) or not callable(getattr(dispatcher, "dispatch", None)):
            shown = dispatcher.__name__ if isinstance(dispatcher, type) else type(dispatcher).__name__
            raise TypeError(f"add_webhook() takes a WebhookDispatcher, not {shown}")
        if inspect.iscoroutinefunction(dispatcher.dispatch):
            shown = type(dispatcher).__name__
            raise TypeError(f"add_webhook() takes no coroutine: {shown}.dispatch() runs on a thread of its own, and may wait")
        known = None if level is None else LogLevel[_core.level_name(level)]
        self._members[name] = _Member(dispatcher, name, known)

    def remove_webhook(self, name: str) -> bool:
        """Have this dispatcher get no more. It stays open. Whether it was there."""
        return self._members.pop(name, None) is not None

    def broadcast(
        self, event_type: str, data: Any, *, wait: bool = True, **metadata: Any
    ) -> dict[str, WebhookDelivery]:
        """Deliver a message to all at once, and come back with what became of each.

        It takes as long as the slowest, at most its ``total_timeout``. With ``wait=False`` it is queued for all.
        """
        payload = WebhookPayload(event_type, data, metadata)
        return self.dispatch(payload, wait=wait)

    def send_to(
        self, webhook_name: str, event_type: str, data: Any, *, wait: bool = True, **metadata: Any
    ) -> WebhookDelivery:
        """Deliver a message to one. An unknown name raises :class:`nethical.ConfigError`."""
        if webhook_name not in self._members:
            raise self._unknown(webhook_name)
        payload = WebhookPayload(event_type, data, metadata)
        return self._deliver({webhook_name: self._members[webhook_name]}, payload, wait)[webhook_name]

    def dispatch(self, payload: WebhookPayload, *, wait: bool = True) -> dict[str, WebhookDelivery]:
        """As :meth:`broadcast`, for a payload that is made."""
        if not isinstance(payload, WebhookPayload):
            raise TypeError(f"dispatch() takes a WebhookPayload, not {type(payload).__name__}")
        wanted = {
            name: member
            for name, member in self._members.items()
            if member.level is None or _core.payload_reaches(payload, member.level)
        }
        return self._deliver(wanted, payload, wait)

    async def abroadcast(self, event_type: str, data: Any, **metadata: Any) -> dict[str, WebhookDelivery]:
        """:meth:`broadcast`, for ``asyncio``. Cancelled it waits no longer; the message is on its way."""
        return await self.adispatch(WebhookPayload(event_type, data, metadata))

    async def asend_to(self, webhook_name: str, event_type: str, data: Any, **metadata: Any) -> WebhookDelivery:
        """:meth:`send_to`, for ``asyncio``. Cancelled it waits no longer; the message is on its way."""
        return await in_background(lambda: self.send_to(webhook_name, event_type, data, **metadata))

    async def adispatch(self, payload: WebhookPayload) -> dict[str, WebhookDelivery]:
        """:meth:`dispatch`, for ``asyncio``. Cancelled it waits no longer; the message is on its way."""
        return await in_background(self.dispatch, payload)

    def _deliver(
        self, members: dict[str, _Member], payload: WebhookPayload, wait: bool
    ) -> dict[str, WebhookDelivery]:
        for member in members.values():
            if member.stand is not None and wait:
                member.stand.expect(payload.id)
        connectors = [member.connector for member in members.values()]
        found = _core.deliver(connectors, payload, wait)
        return {name: member.ended(one) for (name, member), one in zip(members.items(), found)}

    def _unknown(self, name: str) -> ConfigError:
        near = difflib.get_close_matches(name, self._members, 1)
        known = ", ".join(self._members) or "none was added yet"
        hint = f"did you mean {near[0]!r}?" if near else f"the names are: {known}"
        return ConfigError(f"there is no webhook {name!r}", "webhook.unknown", hint)

    def flush_all(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what is queued, everywhere at once. True if all of it came to its end in ``timeout`` seconds."""
        return _core.flush([member.connector for member in self._members.values()], timeout)

    def close_all(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """Deliver what is queued and close every dispatcher, within ``timeout`` seconds. True if nothing was left."""
        return _core.close([member.connector for member in self._members.values()], timeout)

    async def aflush_all(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """:meth:`flush_all`, for ``asyncio``."""
        return await in_background(self.flush_all, timeout)

    async def aclose_all(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """:meth:`close_all`, for ``asyncio``."""
        return await in_background(self.close_all, timeout)

    def status(self) -> list[dict[str, Any]]:
        """The accounts of each dispatcher."""
        return [member.connector.status() for member in self._members.values()]

    def _leave(self, error: BaseException | None) -> None:
        self.close_all()

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in vars(self).items() if name != "_members"}
        members = {name: (member.dispatcher, member.level) for name, member in self._members.items()}
        return (_rebuild, (type(self), members, state))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self.webhooks)!r})"


def _rebuild(
    kind: type[WebhookManager],
    members: dict[str, tuple[WebhookDispatcher, LogLevel | None]],
    state: dict[str, Any],
) -> WebhookManager:
    """In another process: the same with dispatchers of its own."""
    made = kind.__new__(kind)
    WebhookManager.__init__(made)
    vars(made).update(state)
    for name, (dispatcher, level) in members.items():
        made.add_webhook(name, dispatcher, level)
    return made
