"""One message to many webhooks."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

from .. import _core, _feed
from ..errors import ConfigError
from ._connectors import CLOSE_TIMEOUT, FLUSH_TIMEOUT
from ._dispatchers import EngineDispatcher, WebhookDispatcher
from ._payload import WebhookDelivery, WebhookPayload, delivery_of
from ._stand import Stand

_Self = TypeVar("_Self", bound="WebhookManager")


class _Member:
    """A dispatcher in a manager, and what feeds it."""

    def __init__(self, dispatcher: WebhookDispatcher, name: str) -> None:
        self.dispatcher = dispatcher
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


class WebhookManager:
    """Hands messages to dispatchers by their names. One that fails or is slow concerns no other.

    Each service gets a message in its own shape: a generic webhook the envelope of :class:`WebhookPayload`,
    Slack and Discord something to read.
    """

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}

    @property
    def webhooks(self) -> Mapping[str, WebhookDispatcher]:
        """The dispatchers by their names, in the order in which they were added. It is a picture."""
        return MappingProxyType({name: member.dispatcher for name, member in self._members.items()})

    def members(self) -> list[tuple[str, str, _core.Connector]]:
        """Names, types and what feeds each."""
        kinds = {name: getattr(member.dispatcher, "kind", name) for name, member in self._members.items()}
        return [(name, str(kinds[name]), member.connector) for name, member in self._members.items()]

    def add_webhook(self, name: str, dispatcher: WebhookDispatcher) -> None:
        """Have ``dispatcher`` get what is for all, and what is for ``name``; in the place of one of that name.

        It may be any object with a ``dispatch`` method; see :class:`WebhookDispatcher`.
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f"add_webhook() takes a name, not {name!r}")
        if isinstance(dispatcher, type) or not callable(getattr(dispatcher, "dispatch", None)):
            shown = dispatcher.__name__ if isinstance(dispatcher, type) else type(dispatcher).__name__
            raise TypeError(f"add_webhook() takes a WebhookDispatcher, not {shown}")
        self._members[name] = _Member(dispatcher, name)

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
        return self._deliver(dict(self._members), payload, wait)

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

    def status(self) -> list[dict[str, Any]]:
        """The accounts of each dispatcher."""
        return [member.connector.status() for member in self._members.values()]

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_all()

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in vars(self).items() if name != "_members"}
        return (_rebuild, (type(self), dict(self.webhooks), state))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self.webhooks)!r})"


def _rebuild(
    kind: type[WebhookManager], webhooks: dict[str, WebhookDispatcher], state: dict[str, Any]
) -> WebhookManager:
    """In another process: the same with dispatchers of its own."""
    made = kind.__new__(kind)
    WebhookManager.__init__(made)
    vars(made).update(state)
    for name, dispatcher in webhooks.items():
        made.add_webhook(name, dispatcher)
    return made
