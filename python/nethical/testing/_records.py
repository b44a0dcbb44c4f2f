"""What receivers keep."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    """With its query."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class ChatMessage:
    """A message that Slack or Discord took."""

    body: dict[str, Any]
    """What was posted."""
    text: str
    """What people would read, as plain text."""
    notified: list[str] = field(default_factory=list)
    """Who would be notified (Discord): ``everyone``, ``here``, ``@1234``, ``&1234``."""


@dataclass(frozen=True)
class SyslogMessage:
    """A message of RFC 5424 or RFC 3164."""

    facility: int
    severity: int
    timestamp: str | None
    host: str | None
    app_name: str | None
    proc_id: str | None
    msg_id: str | None
    structured: dict[str, dict[str, str]]
    """Structured data by SD-ID."""
    text: str
    raw: bytes
    """The message as it came, without its framing."""


@dataclass(frozen=True)
class LogEvent:
    """An event in a log stream of CloudWatch Logs."""

    log_group: str
    log_stream: str
    timestamp: int
    """Milliseconds since 1970."""
    message: str

    @property
    def text(self) -> str:
        """The message."""
        return self.message

    def json(self) -> Any:
        """The message as JSON."""
        return json.loads(self.message)


@dataclass(frozen=True)
class Component:
    """A trial component of SageMaker: one run."""

    name: str
    display_name: str | None
    status: dict[str, Any] | None
    parameters: dict[str, Any]
    outputs: dict[str, Any]
    tags: dict[str, str]
    trials: list[str]

    @property
    def text(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True)
class WandBRun:
    """A run of Weights & Biases."""

    id: str
    entity: str
    project: str
    name: str | None
    """The display name."""
    group: str | None
    tags: list[str]
    config: dict[str, Any]
    rows: list[dict[str, Any]]
    """Its history."""
    summary: dict[str, Any] | None
    state: str
    """``running``, ``finished`` or ``failed``."""
    exit_code: int | None

    @property
    def text(self) -> str:
        """The display name."""
        return self.name or self.id
