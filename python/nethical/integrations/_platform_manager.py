"""One run on many platforms."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from types import MappingProxyType
from typing import Any, TypeVar

from .. import _ending, _process
from .._background import With, in_background
from ..errors import DeadlineError
from ._aggregator import read_config
from ._connectors import CLOSE_TIMEOUT, FLUSH_TIMEOUT
from ._platforms import ConfiguredPlatform, EnginePlatform, ExperimentRun, MLPlatformInterface, RunStatus
from ._wandb import WandBIntegration

_Self = TypeVar("_Self", bound="MLPlatformManager")

_logger = logging.getLogger("nethical")

START_TIMEOUT = 30.0
"""Seconds that the start of a run waits for a platform that is written in Python."""

RunIds = Mapping[str, str]
"""The ids of one run, by the names of the platforms that have it."""


class _Thread:
    """Calls a platform that is written in Python, in order, on a thread of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begin()
        _threads.append(self)
        _process.wait_for(self)

    def begin(self) -> None:
        """Begin in this process. What its parent had waiting stays with the parent, as does the thread."""
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._asked = self._called = 0
        self._is_running = False

    def _start(self) -> None:
        if not self._is_running:
            threading.Thread(target=self._run, name=f"nethical-{self.name}", daemon=True).start()
            self._is_running = True
            _process.end_with_child()

    def _run(self) -> None:
        while True:
            self._call(*self._calls.get())
            with self._changed:
                self._called += 1
                self._changed.notify_all()

    def _call(self, work: Callable[[], Any], future: Future[Any]) -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    def ask(self, work: Callable[[], Any]) -> Future[Any]:
        """Have this called."""
        future: Future[Any] = Future()
        with self._changed:
            self._start()
            self._asked += 1
            self._calls.put((work, future))
        return future

    def result(self, work: Callable[[], Any], timeout: float) -> Any:
        """What a call returns, if it does within so many seconds."""
        future = self.ask(work)
        if not wait_for([future], timeout).done:
            raise DeadlineError("not done in time, and goes on", "platform.slow")
        return future.result()

    def drain(self, deadline: float) -> int:
        """Wait until this time for the calls that were asked for so far. How many are left."""
        with self._changed:
            asked = self._asked
            self._changed.wait_for(lambda: self._called >= asked, max(0.0, deadline - time.monotonic()))
            return max(0, asked - self._called)


_threads: list[_Thread] = []


def _begin_in_child() -> None:
    for thread in _threads:
        thread.begin()


os.register_at_fork(after_in_child=_begin_in_child)


class _Member:
    """A platform in a manager. One of the engine's is called at once: none of its calls is slow."""

    def __init__(self, name: str, platform: MLPlatformInterface) -> None:
        self.name, self.platform = name, platform
        self.thread = None if isinstance(platform, (EnginePlatform, WandBIntegration)) else _Thread(name)

    def start(self, call: Callable[[MLPlatformInterface], str]) -> str | None:
        try:
            if self.thread is None:
                return call(self.platform)
            started: str = self.thread.result(lambda: call(self.platform), START_TIMEOUT)
            return started
        except Exception as error:
            self._tell("start_run", error)
            return None

    def tell(self, what: str, call: Callable[[MLPlatformInterface], Any]) -> None:
        def ended(future: Future[Any]) -> None:
            if error := future.exception():
                self._tell(what, error)

        try:
            if self.thread is None:
                call(self.platform)
            else:
                self.thread.ask(lambda: call(self.platform)).add_done_callback(ended)
        except Exception as error:
            self._tell(what, error)

    def wait(self, what: str, call: Callable[[MLPlatformInterface], bool], timeout: float) -> bool:
        """Whether a flush or close came to its end in time."""
        try:
            if self.thread is None:
                return bool(call(self.platform))
            return bool(self.thread.result(lambda: call(self.platform), timeout))
        except Exception as error:
            self._tell(what, error)
            return False

    def _tell(self, what: str, error: BaseException) -> None:
        kind = "" if type(error).__module__.startswith("nethical") else f"{type(error).__name__}: "
        _logger.warning("%s: %s: %s%s", self.name, what, kind, error)


class MLPlatformManager(With):
    """Tells all of its platforms of a run. One that fails or is slow concerns no other, and not the caller: what fails
    is a warning on the logger ``nethical``.

        with MLPlatformManager() as manager:
            manager.add_platform("mlflow", MLflowIntegration("http://localhost:5000"))
            with manager.run_all_context("sentiment", "bert") as run_ids:
                manager.log_metrics_all(run_ids, {"loss": 0.4}, step=1)
    """

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}
        self._watchers: list[Callable[[str, float], object]] = []

    @classmethod
    def from_config(cls: type[_Self], config: str | os.PathLike[str] | Mapping[str, Any]) -> _Self:
        """A manager with every platform of a configuration's ``[runs]``, open.

        ``config`` is the path of a file (TOML or JSON) or a dict of the same shape:
        ``{"runs": {"mlflow": {"tracking_uri": "http://localhost:5000"}}}``. Everything that is wrong with it is told in
        one :class:`nethical.ConfigError`, before anything is opened.
        """
        read = read_config(config)
        made = cls()
        for name, kind, core in read.open_runs():
            made.add_platform(name, ConfiguredPlatform(read, name, kind, core))
        return made

    @property
    def platforms(self) -> Mapping[str, Any]:
        """The platforms by their names, in the order in which they were added. It is a picture."""
        return MappingProxyType({name: member.platform for name, member in self._members.items()})

    @property
    def active_runs(self) -> dict[str, list[str]]:
        """The ids of open runs, by platform, where a platform knows them."""
        found = {name: getattr(member.platform, "active_runs", None) for name, member in self._members.items()}
        return {name: list(runs) for name, runs in found.items() if runs is not None}

    def add_platform(self, name: str, platform: Any) -> None:
        """Have ``platform`` told of runs from now on; in the place of one of that name."""
        if not isinstance(name, str) or not name:
            raise TypeError(f"add_platform() takes a name, not {name!r}")
        wanted = ("start_run", "log_parameters", "log_metrics", "log_artifact", "end_run")
        if isinstance(platform, type) or not all(callable(getattr(platform, one, None)) for one in wanted):
            shown = platform.__name__ if isinstance(platform, type) else type(platform).__name__
            raise TypeError(f"add_platform() takes an MLPlatformInterface, not {shown}")
        self._members[name] = _Member(name, platform)

    def remove_platform(self, name: str) -> bool:
        """Have this platform told no more. It stays open. Whether it was there."""
        return self._members.pop(name, None) is not None

    def start_run_all(self, experiment_name: str, run_name: str | None = None) -> dict[str, str]:
        """Start a run everywhere, at the same time. The ids of the platforms that took it."""
        found: dict[str, str | None] = {}

        def start(member: _Member) -> None:
            found[member.name] = member.start(lambda platform: platform.start_run(experiment_name, run_name))

        members = list(self._members.values())
        threads = [threading.Thread(target=start, args=(member,), daemon=True) for member in members[1:]]
        for thread in threads:
            thread.start()
        for member in members[:1]:
            start(member)
        for thread in threads:
            thread.join()
        started = {member.name: found.get(member.name) for member in members}
        return {name: run_id for name, run_id in started.items() if run_id is not None}

    async def astart_run_all(self, experiment_name: str, run_name: str | None = None) -> dict[str, str]:
        """:meth:`start_run_all`, for ``asyncio``."""
        return await in_background(self.start_run_all, experiment_name, run_name)

    def log_parameters_all(self, run_ids: RunIds, parameters: Mapping[str, Any]) -> None:
        """Set parameters of a run everywhere."""
        kept = dict(parameters)
        self._each(run_ids, "log_parameters", lambda platform, run_id: platform.log_parameters(run_id, kept))

    def log_metrics_all(self, run_ids: RunIds, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a point to each of some metrics of a run everywhere."""
        kept = dict(metrics)
        self._each(run_ids, "log_metrics", lambda platform, run_id: platform.log_metrics(run_id, kept, step))
        for watcher in self._watchers:
            for name, value in kept.items():
                watcher(name, value)

    def watch_metrics(self, watcher: Callable[[str, float], object]) -> None:
        """Have ``watcher`` see the name and the value of every metric that is logged for all, such as
        ``MonitoringSystem.observe``."""
        self._watchers.append(watcher)

    def set_tags_all(self, run_ids: RunIds, tags: Mapping[str, Any]) -> None:
        """Set tags of a run everywhere."""
        kept = dict(tags)
        self._each(run_ids, "set_tags", lambda platform, run_id: platform.set_tags(run_id, kept))

    def log_artifact_all(self, run_ids: RunIds, artifact_path: str | os.PathLike[str]) -> None:
        """Add a file or folder to a run everywhere."""
        self._each(run_ids, "log_artifact", lambda platform, run_id: platform.log_artifact(run_id, artifact_path))

    def end_run_all(self, run_ids: RunIds, status: str | RunStatus = "completed") -> None:
        """End a run everywhere: ``completed``, ``failed`` or ``killed``."""
        text = status.value if isinstance(status, RunStatus) else status
        if text not in ("completed", "failed", "killed", "finished"):
            raise ValueError(f"status is {text!r}: use 'completed', 'failed' or 'killed'")
        self._each(run_ids, "end_run", lambda platform, run_id: platform.end_run(run_id, text))

    def get_summaries(self, run_ids: RunIds) -> dict[str, ExperimentRun]:
        """What is known of a run here, by platform."""
        found: dict[str, ExperimentRun] = {}
        for name, run_id in run_ids.items():
            member = self._members.get(name)
            get_run = getattr(member.platform, "get_run", None) if member else None
            run: Any = get_run(run_id) if callable(get_run) else None
            if run is not None:
                found[name] = run
        return found

    @contextlib.contextmanager
    def run_all_context(self, experiment_name: str, run_name: str | None = None) -> Generator[dict[str, str], None, None]:
        """A run everywhere that ends with the block: as completed, as failed after an exception, as killed after Ctrl-C. ``sys.exit``
        is an exception where its code is not 0."""
        run_ids = self.start_run_all(experiment_name, run_name)
        try:
            yield run_ids
        except BaseException as error:
            self.end_run_all(run_ids, _ending.status_after(error))
            raise
        self.end_run_all(run_ids, "completed")

    @contextlib.asynccontextmanager
    async def arun_all_context(
        self, experiment_name: str, run_name: str | None = None
    ) -> AsyncGenerator[dict[str, str], None]:
        """:meth:`run_all_context`, for ``asyncio``. A block that is cancelled is a run that was killed, also while it
        starts."""
        run_ids = await self._astart_or_end(experiment_name, run_name)
        try:
            yield run_ids
        except BaseException as error:
            self.end_run_all(run_ids, _ending.status_after(error))
            raise
        self.end_run_all(run_ids, "completed")

    async def _astart_or_end(self, experiment_name: str, run_name: str | None) -> dict[str, str]:
        """Start a run everywhere. Whoever cancels it would not know its ids: it is ended as soon as it has started."""
        started: Future[dict[str, str]] = Future()

        def start() -> dict[str, str]:
            run_ids = self.start_run_all(experiment_name, run_name)
            started.set_result(run_ids)
            return run_ids

        try:
            return await in_background(start)
        except BaseException:
            started.add_done_callback(lambda ended: self.end_run_all(ended.result(), "killed"))
            raise

    def flush_all(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what waits, everywhere. True if all of it came to its end in ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        return all([self._wait(member, "flush", deadline) for member in self._members.values()])

    def close_all(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """End open runs as completed and close every platform, within ``timeout`` seconds. True if nothing was left."""
        deadline = time.monotonic() + timeout
        return all([self._wait(member, "close", deadline) for member in self._members.values()])

    async def aflush_all(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """:meth:`flush_all`, for ``asyncio``."""
        return await in_background(self.flush_all, timeout)

    async def aclose_all(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """:meth:`close_all`, for ``asyncio``."""
        return await in_background(self.close_all, timeout)

    def _wait(self, member: _Member, method: str, deadline: float) -> bool:
        call: Any = getattr(member.platform, method, None)
        if not callable(call):
            return True
        left = max(0.0, deadline - time.monotonic())
        return member.wait(method, lambda _: bool(call(left)), left)

    def _each(self, run_ids: RunIds, what: str, call: Callable[[Any, str], Any]) -> None:
        for name, run_id in run_ids.items():
            member = self._members.get(name)
            if member is None:
                _logger.warning("there is no platform %r: %s goes nowhere there", name, what)
            else:
                member.tell(what, lambda platform, run_id=run_id: call(platform, run_id))  # type: ignore[misc]

    def _leave(self, error: BaseException | None) -> None:
        if error is not None:
            for name, runs in self.active_runs.items():
                for run_id in runs:
                    self.end_run_all({name: run_id}, _ending.status_after(error))
        self.close_all()

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in vars(self).items() if name != "_members"}
        return (_rebuild, (type(self), dict(self.platforms), state))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self.platforms)!r})"


def _rebuild(
    kind: type[MLPlatformManager], platforms: dict[str, MLPlatformInterface], state: dict[str, Any]
) -> MLPlatformManager:
    """In another process: the same with platforms of its own."""
    made = kind.__new__(kind)
    MLPlatformManager.__init__(made)
    vars(made).update(state)
    for name, platform in platforms.items():
        made.add_platform(name, platform)
    return made
