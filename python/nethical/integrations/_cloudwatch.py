"""Amazon CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .. import _core
from ._connectors import EngineConnector, WhenFull, _queue


class CloudWatchConnector(EngineConnector):
    """Sends to a log stream of Amazon CloudWatch Logs.

    ``log_stream`` may have ``{date}``, ``{host}`` and ``{pid}`` in it. ``batch_size`` entries are sent at
    once; fewer are sent after a second, at a flush or at the end. A missing log group or stream is created
    unless ``create`` is false, a group with ``retention_days``, ``tags`` and ``log_group_class``.

    Credentials are searched for as other AWS tools do; ``profile`` names a profile to use before all
    others. Without any, and without permission, entries wait and are sent once that is put right:
    ``nethical check`` says what to do. ``endpoint_url``, ``AWS_ENDPOINT_URL_LOGS`` and
    ``AWS_ENDPOINT_URL`` lead to another address.
    """

    def __init__(
        self,
        log_group: str,
        log_stream: str,
        region: str | None = "us-east-1",
        batch_size: int = 100,
        *,
        profile: str | None = None,
        endpoint_url: str | None = None,
        create: bool = True,
        retention_days: int | None = None,
        tags: Mapping[str, str] | None = None,
        log_group_class: Literal["standard", "infrequent_access"] = "standard",
        name: str | None = None,
        max_queue: int = 65_536,
        when_full: WhenFull = "drop_newest",
        block_timeout: float = 10.0,
    ) -> None:
        options: dict[str, Any] = {
            "log_group": log_group,
            "log_stream": log_stream,
            "region": region,
            "batch_size": batch_size,
            "profile": profile,
            "endpoint_url": endpoint_url,
            "create": create,
            "retention_days": retention_days,
            "tags": dict(tags or {}),
            "log_group_class": log_group_class,
        }
        # What waits on disk is known by the name that was given, else by where it is to go.
        place = (log_group, log_stream, region, profile, endpoint_url)
        identity = None if name else "\n".join(part or "" for part in place)
        queue = _queue(max_queue, when_full, block_timeout)
        connector = _core.connect("cloudwatch", name or "cloudwatch", options, identity, queue)
        self.log_group = log_group
        """The log group."""
        self.log_stream = log_stream
        """The log stream, as it was given."""
        self.region = region
        """The region; none: that of the environment or the profile."""
        self.batch_size = batch_size
        """Entries that are sent at once."""
        super().__init__(connector, {**options, "name": name, **queue})
