"""What the extension module takes as dicts. Only type checkers import this."""

from collections.abc import Callable
from typing import Any, TypedDict


class Queue(TypedDict):
    """How much may wait in memory."""

    max_queue: int
    when_full: str
    block_timeout: float


class Spool(TypedDict):
    """Whether and where events wait on disk."""

    enabled: bool | None
    home: str | None
    durability: str | None
    identity: str | None


class Webhook(TypedDict):
    """What only webhooks have."""

    on_delivery: Callable[[dict[str, Any]], object] | None
    rate_limit_per_sec: float | None


class Alert(TypedDict):
    """What an alert is made of."""

    severity: str
    title: str
    message: str
    source: str
    event_type: str
    key: str | None
    fields: dict[str, Any]
    data: dict[str, Any]
    labels: dict[str, str]
    to: list[str]


class Wanted(TypedDict):
    """Which dead letters; times are microseconds since 1970."""

    destination: str | None
    id: str | None
    reason: str | None
    since: int | None
    until: int | None


class Begin(TypedDict):
    """How a run of W&B is to begin."""

    experiment: str
    name: str | None
    id: str | None
    resume: str | None
    job_type: str | None
    notes: str | None
    tags: list[str]


class Keep(TypedDict):
    """What is to be kept of an artifact."""

    name: str | None
    kind: str | None
    folder: str | None
    description: str | None
    aliases: list[str]
    copy: bool
