"""Alerts: who gets them, and how often; and monitors, which raise them by themselves.

    from nethical.alerts import AlertManager, MonitoringSystem

    alerts = AlertManager(webhooks, routes=[{"severity": "warning", "to": ["slack"]}])
    alerts.critical("Disk full", "97 % of /dev/sda1", key="disk", fields={"free_gb": 3})
    alerts.resolve("disk")

Alerts of one key are about the same thing: one is sent while it lasts, the others are counted. What was sent is
remembered on disk, so that it is so for later processes too.
"""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeVar, TypedDict

from . import _core, _process, _spool
from ._background import With, in_background
from ._spool import Spool
from ._texts import float_of, text_of
from .integrations._aggregator import LogAggregator, read_config
from .integrations._connectors import CLOSE_TIMEOUT, FLUSH_TIMEOUT
from .integrations._entries import LogLevel
from .integrations._payload import WebhookDelivery, delivery_of
from .integrations._webhook_manager import WebhookManager

if TYPE_CHECKING:
    from . import _shapes

__all__ = [
    "AlertManager",
    "AlertOutcome",
    "AlertState",
    "AlertStatus",
    "Condition",
    "Monitor",
    "MonitoringSystem",
    "Route",
    "Severity",
]

_Self = TypeVar("_Self", bound="AlertManager")

Condition = Literal["<", "<=", ">", ">=", "==", "!="]
"""How a value is compared with a threshold."""


class Severity(Enum):
    """How severe an alert is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class AlertStatus(Enum):
    """Whether what an alert is about lasts."""

    FIRING = "firing"
    RESOLVED = "resolved"


_SeverityName = Literal["info", "warning", "error", "critical"]

Route = TypedDict(
    "Route",
    {
        "severity": _SeverityName | list[_SeverityName],
        "source": str,
        "event_type": str,
        "labels": dict[str, str],
        "to": list[str],
        "fallback": list[str],
        "continue": bool,
    },
    total=False,
)
"""A rule of who gets which alerts, as in ``[[routes]]`` of a configuration; ``to`` must be there."""


class Monitor(TypedDict, total=False):
    """What is watched, as in ``[[monitors]]`` of a configuration; ``metric`` must be there. Times are in seconds."""

    name: str
    metric: str
    condition: Condition
    threshold: float
    clear: float
    hold: float
    cooldown: float
    missing: float
    nan: Literal["breach", "ok", "ignore"]
    severity: _SeverityName
    title: str
    message: str
    source: str
    labels: dict[str, str]


@dataclass(frozen=True)
class AlertOutcome:
    """What became of an alert."""

    outcome: Literal["sent", "not_taken", "suppressed", "not_active"]
    """``sent`` to its destinations, ``not_taken`` by any of them (there is none, or all are closed or full; the next of its
    key is sent), ``suppressed`` because one of its key was sent not long ago, or, of a resolution, ``not_active``: there was
    nothing to resolve."""
    id: str | None = None
    """Its id, if it was to be sent."""
    key: str | None = None
    """Its key, if it has one."""
    suppressed: int = 0
    """How many of its key were held back since one was sent."""
    deliveries: tuple[WebhookDelivery, ...] = ()
    """What is known of its delivery to each destination; it goes on in the background."""

    @property
    def destinations(self) -> tuple[str, ...]:
        """The names of the destinations to which it was sent."""
        return tuple(str(delivery.destination) for delivery in self.deliveries)

    def __bool__(self) -> bool:
        """Whether it was sent."""
        return self.outcome == "sent"


@dataclass(frozen=True)
class AlertState:
    """What is known of the alerts of one key."""

    key: str
    status: AlertStatus
    severity: Severity
    title: str
    message: str
    event_type: str
    source: str
    since: datetime
    last_raised: datetime
    last_sent: datetime | None
    resolved: datetime | None
    sent: int
    """How often it was sent while it lasts, or lasted."""
    suppressed: int
    """How many were held back since it was sent last."""
    raised_in_all: int
    """How many alerts of this key there were in all."""
    suppressed_in_all: int
    """How many of those were held back."""
    labels: dict[str, str] = field(default_factory=dict)
    to: tuple[str, ...] = ()
    """Where it went; its end goes there too."""


def _state(found: Mapping[str, Any]) -> AlertState:
    def time(name: str) -> datetime | None:
        text = found[name]
        if text is None or text.startswith("-"):
            return None
        whole, _, fraction = text.removesuffix("Z").partition(".")
        return datetime.fromisoformat(f"{whole}.{fraction[:6].ljust(6, '0')}+00:00")

    times: dict[str, Any] = {name: time(name) for name in ("since", "last_raised", "last_sent", "resolved")}
    changed: dict[str, Any] = {
        "status": AlertStatus(found["status"]),
        "severity": Severity(found["severity"]),
        "to": tuple(found["to"]),
    }
    return AlertState(**{**found, **times, **changed})


class AlertManager(With):
    """Routes alerts to the dispatchers of a :class:`~nethical.integrations.webhook.WebhookManager`, and holds back what
    was sent already.

    Without a route that takes it, what is critical or an error goes to all, warnings to every Slack, the rest to every
    Discord, and to all where there is none. ``routes`` are asked in order; the first that takes an alert says where
    it goes. What is down, closed or refuses an alert has a ``fallback``.

    An alert that lasts is sent again after ``repeat_interval`` seconds; one of which nothing was heard for
    ``dedup_window`` seconds is over. ``spool`` says whether or where that is remembered on disk.
    """

    def __init__(
        self,
        webhooks: WebhookManager | None = None,
        *,
        routes: Iterable[Route] = (),
        monitors: Iterable[Monitor] = (),
        dedup_window: float = 3_600,
        repeat_interval: float = 14_400,
        spool: Spool = None,
    ) -> None:
        self.webhooks: WebhookManager = WebhookManager() if webhooks is None else webhooks
        """The dispatchers; those too that are added later."""
        settings = {
            "alerts": {"dedup_window": dedup_window, "repeat_interval": repeat_interval},
            "routes": [dict(route) for route in routes],
            "monitors": [dict(monitor) for monitor in monitors],
        }
        self._begin(json.dumps(settings), _spool.options(_spool.absolute(spool), None, None))

    def _begin(self, *opened_with: Any) -> None:
        """Open with a configuration, or with settings and where what was sent is remembered."""
        self._opened_with = opened_with
        self._core = _core.Alerts.from_config(*opened_with) if len(opened_with) == 1 else _core.Alerts(*opened_with)
        self._members: list[tuple[str, str, str, _core.Connector]] = []
        _managers.add(self)

    @classmethod
    def from_config(cls: type[_Self], config: str | os.PathLike[str] | Mapping[str, Any]) -> _Self:
        """With the destinations of ``[alerts]``, the ``[[routes]]`` and the ``[[monitors]]`` of a configuration: the
        path of a file, or a dict of the same shape."""
        made = cls.__new__(cls)
        made.webhooks = WebhookManager.from_config(config)
        made._begin(read_config(config))
        return made

    @property
    def destinations(self) -> list[str]:
        """The names of the destinations."""
        self._look()
        return self._core.destinations()

    def _look(self) -> None:
        """Have those that are in the manager now."""
        members = self.webhooks.members()
        if members != self._members:
            self._core.have(members)
            self._members = members

    def send(
        self,
        severity: Severity | str,
        title: str,
        message: str = "",
        *,
        fields: Mapping[str, Any] | None = None,
        key: str | None = None,
        source: str = "",
        labels: Mapping[str, str] | None = None,
        event_type: str = "alert",
        data: Mapping[str, Any] | None = None,
        to: Sequence[str] | str = (),
    ) -> AlertOutcome:
        """Raise an alert. Returns at once; it is delivered in the background.

        ``fields`` are for people, ``data`` for programs, ``labels`` for routes. ``to`` names destinations, whatever
        the routes say.
        """
        self._look()
        key = None if key is None else text_of(key)
        parts: _shapes.Alert = {
            "severity": severity.value if isinstance(severity, Severity) else severity,
            "title": text_of(title),
            "message": text_of(message),
            "source": text_of(source),
            "event_type": text_of(event_type),
            "key": key,
            "fields": dict(fields or {}),
            "data": dict(data or {}),
            "labels": {text_of(name): text_of(value) for name, value in (labels or {}).items()},
            "to": [to] if isinstance(to, str) else list(to),
        }
        return _outcome(self._core.send(parts), key)

    def critical(self, title: str, message: str = "", **more: Any) -> AlertOutcome:
        """Raise a critical alert; see :meth:`send`."""
        return self.send(Severity.CRITICAL, title, message, **more)

    def error(self, title: str, message: str = "", **more: Any) -> AlertOutcome:
        """Raise an alert about an error; see :meth:`send`."""
        return self.send(Severity.ERROR, title, message, **more)

    def warning(self, title: str, message: str = "", **more: Any) -> AlertOutcome:
        """Raise a warning; see :meth:`send`."""
        return self.send(Severity.WARNING, title, message, **more)

    def info(self, title: str, message: str = "", **more: Any) -> AlertOutcome:
        """Raise an alert that is good to know; see :meth:`send`."""
        return self.send(Severity.INFO, title, message, **more)

    def resolve(self, key: str, message: str = "") -> AlertOutcome:
        """What this key is about is over. That goes where its alerts went."""
        self._look()
        key = text_of(key)
        return _outcome(self._core.resolve(key, text_of(message)), key)

    def states(self) -> list[AlertState]:
        """What is known of every key, the latest first: what lasts, and what is over since less than a week."""
        return [_state(found) for found in json.loads(self._core.states())]

    def active(self) -> list[AlertState]:
        """What lasts, the latest first."""
        return [state for state in self.states() if state.status is AlertStatus.FIRING]

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what waits. True if all of it came to its end in ``timeout`` seconds."""
        self._look()
        return self._core.flush(timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """Deliver what waits and close every destination, within ``timeout`` seconds. True if nothing was left."""
        self._look()
        return self._core.close(timeout)

    async def aflush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """:meth:`flush`, for ``asyncio``."""
        return await in_background(self.flush, timeout)

    async def aclose(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """:meth:`close`, for ``asyncio``."""
        return await in_background(self.close, timeout)

    def _leave(self, error: BaseException | None) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_core", "_members")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In another process: the same with destinations of its own."""
        vars(self).update(state)
        self._begin(*self._opened_with)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.destinations!r})"


_managers: weakref.WeakSet[AlertManager] = weakref.WeakSet()


_MOMENT = 1.0
"""Seconds in which it shows at the end of a program whether a receiver is well."""


def _deliver() -> None:
    """What does not arrive goes to its fallback, as long as that is open."""
    for manager in tuple(_managers):
        manager._core.flush(_MOMENT)


def _look_after() -> None:
    """What was refused at the end is not remembered as sent."""
    for manager in tuple(_managers):
        manager._core.look_after()


_process.beforehand(_deliver)
_process.afterwards(_look_after)


def _outcome(found: dict[str, Any], key: str | None) -> AlertOutcome:
    deliveries = tuple(delivery_of(one) for one in found.pop("deliveries", ()))
    made: dict[str, Any] = {"key": key, **found, "deliveries": deliveries}
    return AlertOutcome(**made)


class MonitoringSystem(With):
    """Logs the values of metrics, compares them with thresholds, raises alerts and says when they are over.

    ``log_aggregator`` gets every value and every breach. ``alert_manager`` gets the alerts: an :class:`AlertManager`, or
    a :class:`~nethical.integrations.webhook.WebhookManager`, to which the usual routes apply. ``monitors`` see every
    value of their metrics; :meth:`check_threshold` is for single ones.
    """

    def __init__(
        self,
        log_aggregator: LogAggregator | None = None,
        alert_manager: AlertManager | WebhookManager | None = None,
        monitors: Iterable[Monitor] = (),
    ) -> None:
        self.log_aggregator: LogAggregator = LogAggregator() if log_aggregator is None else log_aggregator
        if isinstance(alert_manager, AlertManager):
            if tuple(monitors):
                raise TypeError("give the monitors to the AlertManager: AlertManager(..., monitors=...)")
            manager = alert_manager
        else:
            manager = AlertManager(alert_manager, monitors=monitors)
        self.alert_manager: AlertManager = manager
        self._core = _core.Monitoring(self.alert_manager._core, self.log_aggregator)

    @classmethod
    def from_config(
        cls: type[MonitoringSystem], config: str | os.PathLike[str] | Mapping[str, Any]
    ) -> MonitoringSystem:
        """With the destinations of ``[logging]`` and ``[alerts]``, the ``[[routes]]`` and the ``[[monitors]]`` of a
        configuration."""
        return cls(LogAggregator.from_config(config), AlertManager.from_config(config))

    def log_metric(self, metric_name: str, value: float, **metadata: Any) -> None:
        """Log the value of a metric, and have its monitors see it."""
        metric_name = text_of(metric_name)
        more = {**metadata, "metric": metric_name, "value": value}
        self.log_aggregator.log(LogLevel.INFO, f"Metric: {metric_name} = {text_of(value)}", "metrics", **more)
        self.observe(metric_name, value)

    def observe(self, metric_name: str, value: float) -> None:
        """Have the monitors of a metric see its value, without a log entry."""
        self.alert_manager._look()
        self._core.observe(text_of(metric_name), float_of(value))

    def check_threshold(
        self, metric_name: str, value: float, threshold: float, condition: Condition = "<"
    ) -> bool:
        """Whether a value is a breach of a threshold. If so there is an alert, once while it lasts; and when a later
        value is none, that is told too. NaN is a breach."""
        self.alert_manager._look()
        return self._core.check(text_of(metric_name), float_of(value), float_of(threshold), condition)

    def statuses(self) -> dict[str, str]:
        """How each monitor stands, by its name: ``ok``, ``pending``, ``firing`` or ``missing``."""
        return {name: status for name, _, status in self._core.standings()}

    def cleanup(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """Deliver what waits and close everything. True if nothing was left undone in ``timeout`` seconds each."""
        self._core.save()
        alerts = self.alert_manager.close(timeout)
        return self.log_aggregator.close_all(timeout) and alerts

    async def acleanup(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """:meth:`cleanup`, for ``asyncio``."""
        return await in_background(self.cleanup, timeout)

    def _leave(self, error: BaseException | None) -> None:
        self.cleanup()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_core"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In another process: the same with an aggregator and destinations of its own."""
        vars(self).update(state)
        self._core = _core.Monitoring(self.alert_manager._core, self.log_aggregator)
