"""Amazon CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from .. import _core, _spool
from .._spool import Durability, Spool
from ._connectors import EngineConnector, WhenFull, _queue

if TYPE_CHECKING:
    from .. import _shapes


class CloudWatchConnector(EngineConnector):
    """Sends to a log stream of Amazon CloudWatch Logs.

    ``log_stream`` may have ``{date}``, ``{host}`` and ``{pid}`` in it. ``batch_size`` entries are sent at
    once; fewer are sent after a second, at a flush or at the end. A missing log group or stream is created
    unless ``create`` is false, a group with ``retention_days``, ``tags`` and ``log_group_class``.

    Credentials are searched for as other AWS tools do; ``profile`` names a profile to use before all
    others. Without any, and without permission, entries wait and are sent once that is put right:
    ``nethical check`` says what to do. ``endpoint_url``, ``AWS_ENDPOINT_URL_LOGS`` and
    ``AWS_ENDPOINT_URL`` lead to another address.

    Entries wait on disk (``NETHICAL_HOME``, or the directory that ``spool`` names), outlive the process, and
    the next one that opens this log stream delivers what is left. With ``spool=False`` they wait in memory,
    which is what ``max_queue``, ``when_full`` and ``block_timeout`` are for. ``durability`` is that of
    :class:`JSONFileConnector`.
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
        spool: Spool = None,
        durability: Durability = None,
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
        queue = _queue(max_queue, when_full, block_timeout)
        spool = _spool.absolute(spool)
        if durability is not None and spool is False:
            raise ValueError(f"durability={durability!r} is for entries that wait on disk: leave out spool=False")
        # What waits on disk is known by the name that was given, else by where it is to go.
        place = (log_group, log_stream, region, profile, endpoint_url)
        on_disk: _shapes.Spool = {
            "enabled": True if isinstance(spool, str) else spool,
            "home": spool if isinstance(spool, str) else None,
            "durability": durability,
            "identity": "\n".join(part or "" for part in place) if name is None else None,
        }
        shown = "cloudwatch" if name is None else name
        connector = _core.connect("cloudwatch", shown, options, queue, on_disk)
        self.spool: Spool = spool
        self.durability: Durability = durability
        self.log_group = log_group
        """The log group."""
        self.log_stream = log_stream
        """The log stream, as it was given."""
        self.region = region
        """The region; none: that of the environment or the profile."""
        self.batch_size = batch_size
        """Entries that are sent at once."""
        super().__init__(connector, {**options, "name": name, **queue, "spool": spool, "durability": durability})
