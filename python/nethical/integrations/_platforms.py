"""Runs and the platforms that keep them."""

from __future__ import annotations

import enum
import json
import logging
import math
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, overload

from .. import _core, _ending, _spool
from .._background import With, in_background
from .._spool import Durability, Spool
from .._texts import readable, text_of
from ._connectors import CLOSE_TIMEOUT, FLUSH_TIMEOUT, WhenFull, _queue

if TYPE_CHECKING:
    from .. import _shapes

_logger = logging.getLogger("nethical")

_ending.watch_exit()

EVENTS = ("run_started", "params_logged", "metrics_logged", "artifact_logged", "tags_set", "run_ended")
"""What handlers can be told of."""


class MLPlatform(enum.Enum):
    """The platforms."""

    MLFLOW = "mlflow"
    WANDB = "wandb"
    SAGEMAKER = "sagemaker"
    MEMORY = "memory"
    CUSTOM = "custom"


class RunStatus(enum.Enum):
    """How a run stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    KILLED = "killed"


@dataclass
class ExperimentRun:
    """A run as this process knows it."""

    run_id: str
    experiment_name: str
    run_name: str | None = None
    platform: MLPlatform = MLPlatform.CUSTOM
    status: RunStatus = RunStatus.RUNNING
    start_time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    end_time: datetime | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    """The newest value of each."""
    artifacts: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def duration_seconds(self) -> float:
        """From its start to its end, or to now."""
        end = self.end_time or datetime.now(self.start_time.tzinfo)
        return max(0.0, (end - self.start_time).total_seconds())

    def to_dict(self) -> dict[str, Any]:
        """Everything, in values that JSON has. Times are ISO 8601; ``NaN`` and the infinities are text."""
        made = {one.name: getattr(self, one.name) for one in fields(self)}
        made["platform"], made["status"] = self.platform.value, self.status.value
        made["start_time"] = self.start_time.isoformat()
        made["end_time"] = None if self.end_time is None else self.end_time.isoformat()
        made["duration_seconds"] = self.duration_seconds
        return {**made, **{name: _plain(made[name]) for name in ("parameters", "metrics", "artifacts", "tags")}}

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict())

    @classmethod
    def _from_engine(cls, text: str) -> ExperimentRun:
        found = json.loads(text)
        found.pop("duration_seconds", None)
        found["platform"], found["status"] = MLPlatform(found["platform"]), RunStatus(found["status"])
        for name in ("start_time", "end_time"):
            if found[name] is not None:
                found[name] = _time(found[name])
        # Numbers that JSON does not have come as text.
        found["metrics"] = {name: float(value) for name, value in found["metrics"].items()}
        return cls(**found)


def _plain(value: Any) -> Any:
    """The same, of values that JSON has."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {text_of(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (int, float)) else text_of(value)


def _time(text: str) -> datetime:
    """RFC 3339 in UTC, with at most nine digits of the second."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6].ljust(6, '0')}+00:00")


class MLPlatformInterface(With, ABC):
    """What keeps runs. Derive from it to keep them in a place of your own.

    A subclass writes the six methods, and calls :meth:`emit` where it wants handlers to be told. In an
    :class:`MLPlatformManager` a subclass of yours is called on one thread of its own, in order, and may be slow.
    """

    name: str = "custom"
    """What warnings and accounts call it."""

    @abstractmethod
    def start_run(self, experiment_name: str, run_name: str | None = None) -> str:
        """Begin a run, and return its id."""

    @abstractmethod
    def log_parameters(self, run_id: str, parameters: Mapping[str, Any]) -> None:
        """Set parameters."""

    @abstractmethod
    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a point to each of some metrics."""

    @abstractmethod
    def log_artifact(self, run_id: str, artifact_path: str | os.PathLike[str]) -> Any:
        """Add a file or a folder."""

    @abstractmethod
    def end_run(self, run_id: str, status: str | RunStatus = "completed") -> Any:
        """End a run: ``completed``, ``failed`` or ``killed``."""

    def set_tags(self, run_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags. Without a method of its own a platform has none."""

    def get_run(self, run_id: str) -> ExperimentRun | None:
        """What is known of a run, if anything is."""
        return None

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what waits. True if everything came to its end."""
        return True

    def close(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """Let go. True if nothing was left undone."""
        return True

    async def astart_run(self, experiment_name: str, run_name: str | None = None, **more: Any) -> str:
        """:meth:`start_run`, for ``asyncio``; ``more`` is what that of this platform takes beside."""
        return await in_background(lambda: self.start_run(experiment_name, run_name, **more))

    async def alog_artifact(self, run_id: str, artifact_path: str | os.PathLike[str], **more: Any) -> Any:
        """:meth:`log_artifact`, for ``asyncio``; ``more`` is what that of this platform takes beside."""
        return await in_background(lambda: self.log_artifact(run_id, artifact_path, **more))

    async def aend_run(self, run_id: str, status: str | RunStatus = "completed", **more: Any) -> Any:
        """:meth:`end_run`, for ``asyncio``; ``more`` is what that of this platform takes beside, such as ``wait``."""
        return await in_background(lambda: self.end_run(run_id, status, **more))

    async def aflush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """:meth:`flush`, for ``asyncio``."""
        return await in_background(self.flush, timeout)

    async def aclose(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """:meth:`close`, for ``asyncio``."""
        return await in_background(self.close, timeout)

    def add_event_handler(self, event: str, handler: Callable[..., Any]) -> None:
        """Have ``handler(run_id, **what)`` called after each call of this kind.

        ``run_started`` (``experiment_name, run_name``), ``params_logged`` (``parameters``), ``metrics_logged``
        (``metrics, step``), ``artifact_logged`` (``path``), ``tags_set`` (``tags``), ``run_ended`` (``status``). One that
        raises is a warning, and keeps nobody from anything.
        """
        if event not in EVENTS:
            raise ValueError(f"there is no event {event!r}: use one of {', '.join(EVENTS)}")
        self._handlers().setdefault(event, []).append(handler)

    def remove_event_handler(self, event: str, handler: Callable[..., Any]) -> bool:
        """Call this handler no more. Whether it was there."""
        known = self._handlers().get(event, [])
        found = handler in known
        if found:
            known.remove(handler)
        return found

    def emit(self, event: str, run_id: str, **what: Any) -> None:
        """Tell the handlers of an event."""
        for handler in tuple(self._handlers().get(event, ())):
            try:
                handler(run_id, **what)
            except Exception:
                _logger.warning("%s: a handler of %s failed", self.name, event, exc_info=True)

    def _handlers(self) -> dict[str, list[Callable[..., Any]]]:
        # Subclasses need not call __init__.
        handlers: dict[str, list[Callable[..., Any]]] = vars(self).setdefault("_event_handlers", {})
        return handlers

    def _leave(self, error: BaseException | None) -> None:
        if error is not None:
            for run_id in tuple(getattr(self, "active_runs", ())):
                self.end_run(run_id, _ending.status_after(error))
        self.close()


class EnginePlatform(MLPlatformInterface):
    """A platform whose updates the engine delivers: no call waits for a network, except where it says so.

    Those of a run arrive in the order of the calls; artifacts do so in theirs, beside them.
    """

    def __init__(self, core: _core.Tracker, options: dict[str, Any]) -> None:
        self._core = core
        self._options = options
        self.name: str = options["name"]

    @property
    def active_runs(self) -> dict[str, ExperimentRun]:
        """The runs that were started and not ended, by their ids, oldest first. It is a picture."""
        found = {run_id: self.get_run(run_id) for run_id in self._core.active_runs()}
        return {run_id: run for run_id, run in found.items() if run is not None}

    def start_run(
        self, experiment_name: str, run_name: str | None = None, *, tags: Mapping[str, Any] | None = None
    ) -> str:
        """Begin a run, and return its id."""
        _ending.remember(self)
        run_id = self._core.start_run(named(experiment_name), named(run_name), _texts(tags or {}))
        self.emit("run_started", run_id, experiment_name=experiment_name, run_name=run_name)
        return run_id

    def resume_run(self, run_id: str) -> str:
        """Go on with a run that has ended, or was started by another process."""
        _ending.remember(self)
        self._core.resume_run(run_id)
        return run_id

    def log_parameters(self, run_id: str, parameters: Mapping[str, Any]) -> None:
        """Set parameters. Nested ones get dotted names, and those that look like secrets are hidden."""
        self._core.log_parameters(run_id, parameters if type(parameters) is dict else dict(parameters))
        self.emit("params_logged", run_id, parameters=parameters)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a point to each of some metrics, with the time of now. Numbers of numpy's kind will do."""
        self._core.log_metrics(run_id, metrics if type(metrics) is dict else dict(metrics), step)
        if "_event_handlers" in self.__dict__:
            self.emit("metrics_logged", run_id, metrics=metrics, step=step)

    def set_tags(self, run_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags, in the place of those of the same names."""
        self._core.set_tags(run_id, _texts(tags))
        self.emit("tags_set", run_id, tags=tags)

    def log_artifact(
        self,
        run_id: str,
        artifact_path: str | os.PathLike[str],
        *,
        folder: str | None = None,
        copy: bool = True,
    ) -> None:
        """Add a file, or a folder with all that is in it, below ``folder`` of the run.

        Waits while it is copied. With ``copy=False`` it is read where it is when it is sent, and ends as a dead
        letter (``artifact_changed``) if it has changed by then.
        """
        self._core.log_artifact(run_id, os.fspath(artifact_path), folder, copy)
        self.emit("artifact_logged", run_id, path=artifact_path)

    def end_run(self, run_id: str, status: str | RunStatus = "completed", *, wait: float | None = None) -> bool:
        """End a run: ``completed``, ``failed`` or ``killed``.

        With ``wait``, whether nothing waits any more within so many seconds; what was refused is counted, in :meth:`status`.
        Without it returns at once.
        """
        text = status.value if isinstance(status, RunStatus) else status
        done = self._core.end_run(run_id, text, wait)
        self.emit("run_ended", run_id, status=text)
        return done

    def get_run(self, run_id: str) -> ExperimentRun | None:
        """What this process knows of a run."""
        found = self._core.get_run(run_id)
        return None if found is None else ExperimentRun._from_engine(found)

    def check(self) -> str:
        """See whether runs would arrive. Raises what is wrong, with a hint."""
        return self._core.probe()

    async def acheck(self) -> str:
        """:meth:`check`, for ``asyncio``."""
        return await in_background(self.check)

    def status(self) -> dict[str, Any]:
        """Its accounts, as :func:`nethical.status` describes them.

        Artifacts of MLflow and SageMaker have a queue of their own, so that none holds a metric; its accounts are under
        ``artifacts``.
        """
        return self._core.status()

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what waits. True if everything came to its end in ``timeout`` seconds."""
        return self._core.flush(timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """End open runs as completed, deliver what waits, and let go. A second call is harmless."""
        return self._core.close(timeout)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_open, (type(self), self._options))


def _open(kind: type[EnginePlatform], options: dict[str, Any]) -> EnginePlatform:
    return kind(**options)


def _texts(tags: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(text_of(name), "" if value is None else text_of(value)) for name, value in tags.items()]


@overload
def named(name: str) -> str: ...
@overload
def named(name: None) -> None: ...
def named(name: str | None) -> str | None:
    """A name as every service can read it. One that is no text is the engine's to refuse."""
    return readable(name) if isinstance(name, str) else name


class MLflowIntegration(EnginePlatform):
    """Keeps runs in MLflow: at ``tracking_uri``, else at ``MLFLOW_TRACKING_URI``, else in the file ``mlflow.db`` here.

    A file (``sqlite:///mlflow.db``) needs no server: ``mlflow ui --backend-store-uri sqlite:///mlflow.db`` shows what
    is in it, also while it is written. Artifacts go to the folder ``mlartifacts`` beside it, and points are in it 50 ms
    after their calls. Open it from other processes than this one: two copies of SQLite in one process would give up
    each other's locks.

    With the address of a server ``start_run`` asks the server for the run's id, for at most ``start_timeout`` seconds (0: never). If the server does
    not answer, the run gets an id of its own (``local-...``), which every other call takes, and is created later.
    Everything else returns at once: updates wait on disk (``NETHICAL_HOME``, or the directory that ``spool`` names),
    outlive the process, and arrive once, with the times of the calls.

    ``username`` and ``password``, or ``token``, count before what the environment and ``~/.mlflow/credentials`` say.
    ``ca_file`` and ``client_cert`` name files in PEM; ``insecure_tls`` believes whoever answers. ``profile`` is the AWS
    profile for a server that SageMaker manages, whose ``tracking_uri`` is its ARN, and for artifacts in S3.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        start_timeout: float = 2.0,
        ca_file: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        insecure_tls: bool | None = None,
        profile: str | None = None,
        name: str | None = None,
        max_queue: int = 65_536,
        when_full: WhenFull = "drop_newest",
        block_timeout: float = 10.0,
        spool: Spool = None,
        durability: Durability = None,
    ) -> None:
        address = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
        if address.startswith("sqlite:///") and address != "sqlite:///:memory:":
            # The same file also in a program that changes its folder, or unpickles this.
            tracking_uri = address = f"sqlite:///{os.path.abspath(address.removeprefix('sqlite:///'))}"
        options: dict[str, Any] = {
            "tracking_uri": tracking_uri,
            "username": username,
            "password": password,
            "token": token,
            "start_timeout": float(start_timeout),
            "ca_file": None if ca_file is None else os.path.abspath(os.fsdecode(ca_file)),
            "client_cert": None if client_cert is None else os.path.abspath(os.fsdecode(client_cert)),
            "insecure_tls": insecure_tls,
            "profile": profile,
        }
        queue = _queue(max_queue, when_full, block_timeout)
        spool = _spool.absolute(spool)
        if durability is not None and spool is False:
            raise ValueError(f"durability={durability!r} is for what waits on disk: leave out spool=False")
        on_disk: _shapes.Spool = {
            "enabled": True if isinstance(spool, str) else spool,
            "home": spool if isinstance(spool, str) else None,
            "durability": durability,
            "identity": address if name is None else None,
        }
        shown = "mlflow" if name is None else name
        source = sys.argv[0] if sys.argv and sys.argv[0] else None
        core = _core.Tracker.mlflow(shown, options, source, queue, on_disk)
        self.tracking_uri = address
        """The address of the server, or of the file with its whole path."""
        self.spool: Spool = spool
        self.durability: Durability = durability
        super().__init__(core, {**options, "name": shown, **queue, "spool": spool, "durability": durability})
        self._options["name"] = name

    def __repr__(self) -> str:
        shown = self.tracking_uri.rpartition("@")[2]
        return f"{type(self).__name__}({shown!r})"


class ConfiguredPlatform(EnginePlatform):
    """A platform that a configuration describes, of whatever type."""

    def __init__(self, config: _core.Config, name: str, kind: str, core: _core.Tracker | None = None) -> None:
        self.kind = kind
        """The type of the platform."""
        opened = config.platform(name) if core is None else core
        super().__init__(opened, {"config": config, "name": name, "kind": kind})

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, kind={self.kind!r})"


class InMemoryIntegration(EnginePlatform):
    """Keeps runs in the memory of the process, for tests: the newest ``max_events`` updates of all runs."""

    def __init__(self, max_events: int = 100_000, *, name: str = "memory") -> None:
        self.max_events = max_events
        """Updates to keep; older ones are forgotten."""
        super().__init__(_core.Tracker.memory(name, max_events), {"max_events": max_events, "name": name})

    def history(self, run_id: str, metric: str) -> list[tuple[int | None, float, datetime]]:
        """Every point of a metric: step, value, time. Delivers what waits first."""
        self.flush()
        points = self._core.history(run_id, metric)
        return [(step, value, datetime.fromtimestamp(time / 1000, timezone.utc)) for step, value, time in points]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.active_runs)} open)"
