"""Dispatchers that are written in Python, as the engine feeds them."""

from __future__ import annotations

import threading

from .. import _feed
from ._dispatchers import WebhookDispatcher
from ._payload import WebhookDelivery, WebhookPayload, WebhookStatus


class Stand(_feed.Stand):
    """Stands for a dispatcher of somebody's own, on the thread that is its own."""

    def __init__(self, dispatcher: WebhookDispatcher, name: str) -> None:
        self.name = name
        self.what = f"{type(dispatcher).__name__}.dispatch"
        self._dispatcher = dispatcher
        self._lock = threading.Lock()
        # What the dispatcher said, for those who wait for it.
        self._awaited: dict[str, WebhookDelivery | None] = {}

    def expect(self, id: str) -> None:
        """What becomes of this message will be asked for."""
        with self._lock:
            self._awaited[id] = None

    def outcome(self, id: str) -> WebhookDelivery | None:
        """What the dispatcher itself said about a message that was expected."""
        with self._lock:
            return self._awaited.pop(id, None)

    def take(self, id: str, line: bytes) -> str | None:
        """Have the dispatcher deliver it."""
        delivery = self._dispatcher.dispatch(WebhookPayload.from_json(line, id=id))
        if not isinstance(delivery, WebhookDelivery):
            return None if delivery is None or delivery else f"{self.what}() returned {delivery!r}"
        if isinstance(self._dispatcher, WebhookDispatcher):
            self._dispatcher._kept().append(delivery)
        with self._lock:
            if id in self._awaited:
                self._awaited[id] = delivery
        if delivery.status is not WebhookStatus.FAILED:
            return None
        return delivery.error_message or f"{self.what}() says that it failed"

    def flush(self) -> bool:
        """Have it flush, if it has anything to."""
        flush = getattr(self._dispatcher, "flush", None)
        return True if flush is None else flush()

    def close(self) -> None:
        """Have it close, if it has anything to."""
        close = getattr(self._dispatcher, "close", None)
        if close is not None:
            close()
