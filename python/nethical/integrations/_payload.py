"""What is sent to a webhook, and what became of it."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .. import _core


class WebhookStatus(enum.Enum):
    """How far a delivery has come."""

    PENDING = "pending"
    """Accepted, waiting for its turn."""
    SUCCESS = "success"
    """The receiver has it and said so."""
    FAILED = "failed"
    """Given up; it is among the dead letters."""
    RETRYING = "retrying"
    """At least one attempt failed, and there will be another."""


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class WebhookPayload:
    """One message. Nothing in it is redacted or cut; what JSON does not know is written as what comes nearest.

    ``data`` is usually a dict. A ``severity``, ``level`` or ``priority`` in ``metadata`` or ``data`` says how
    severe it is. ``native`` holds bodies that are ready for one kind of service, by its name: what
    ``native={"slack": {...}}`` holds goes to Slack as it is.
    """

    event_type: str
    data: Any
    metadata: dict[str, Any] = field(default_factory=dict)
    timestamp: datetime = field(default_factory=_now)
    id: str = field(default_factory=_core.new_id, compare=False, repr=False, kw_only=True)
    """Stays the same through every repeat: the receiver's idempotency key, ``webhook-id``."""
    native: dict[str, Any] | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.timestamp, datetime):
            raise TypeError(f"timestamp must be a datetime, not {type(self.timestamp).__name__}")
        if self.metadata is None:
            self.metadata = {}
        self.id = _core.parse_id(self.id)

    def to_json(self) -> str:
        """What a generic webhook gets: ``event_type``, ``data``, ``timestamp`` and ``metadata``."""
        return _core.payload_to_json(self)

    def to_dict(self) -> dict[str, Any]:
        """What :meth:`to_json` holds, as a dict."""
        found: dict[str, Any] = json.loads(self.to_json())
        return found

    @classmethod
    def from_json(cls, line: str | bytes, *, id: str | None = None) -> WebhookPayload:
        """The payload that a line shows, as far as JSON can tell."""
        found = json.loads(line)
        at = datetime.fromisoformat(found["timestamp"].replace("Z", "+00:00"))
        parts = (found["event_type"], found["data"], found["metadata"], at)
        return cls(*parts, id=id or _core.new_id(), native=found.get("native"))


@dataclass
class WebhookDelivery:
    """What became of one message to one webhook. It holds no secret: the address is masked."""

    delivery_id: str
    """The payload's id."""
    url: str
    """The address, with what is secret in it masked."""
    status: WebhookStatus
    attempt_count: int = 0
    last_attempt: datetime | None = None
    response_code: int | None = None
    """The HTTP status of the last answer."""
    duration_ms: float | None = None
    """Milliseconds that the last attempt took."""
    error_message: str | None = None
    response_headers: dict[str, str] = field(default_factory=dict, repr=False)
    """Of the last answer, names in lower case."""
    response_body_excerpt: str | None = field(default=None, repr=False)
    """The first 4 KiB of the last answer."""
    error_code: str | None = None
    """A stable name of what failed."""
    hint: str | None = None
    """What to do about it."""
    destination: str = ""
    """The name of the dispatcher."""
    queued: bool = field(default=False, repr=False)
    """Whether it went through the queue; otherwise its caller waited for it."""

    @property
    def ok(self) -> bool:
        """Whether the receiver has it and said so."""
        return self.status is WebhookStatus.SUCCESS

    def to_dict(self) -> dict[str, Any]:
        """The same as a dict that JSON knows."""
        last = self.last_attempt.isoformat() if self.last_attempt else None
        return {**vars(self), "status": self.status.value, "last_attempt": last}


def delivery_of(found: dict[str, Any]) -> WebhookDelivery:
    """The delivery that the engine describes."""
    made: dict[str, Any] = {**found, "status": WebhookStatus(found["status"])}
    return WebhookDelivery(**made)
