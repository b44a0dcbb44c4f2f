"""Runs in Weights & Biases."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import os
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from .. import _core, _ending, _spool
from .._background import in_background
from .._spool import Durability
from .._texts import digits_of, float_of, readable, text_of
from ..errors import DeadlineError, RefusedError
from ._connectors import CLOSE_TIMEOUT, FLUSH_TIMEOUT
from ._platforms import ExperimentRun, MLPlatformInterface, RunStatus, named

if TYPE_CHECKING:
    from .. import _shapes

Summary = Literal["min", "max", "mean", "best", "last", "none", "copy", "first"]
"""What the summary of a run has of a metric."""


class WandBArtifact:
    """An artifact on its way."""

    def __init__(self, core: _core.Wandb, run_id: str, number: int) -> None:
        self._core, self._run_id, self._number = core, run_id, number

    def wait(self, timeout: float = 60.0) -> str:
        """Its id at the server, once that has all of it.

        Raises :class:`nethical.RefusedError` if it was refused, and :class:`nethical.DeadlineError` if it is still on its
        way.
        """
        state, text = self._core.artifact_state(self._run_id, self._number, timeout)
        if state == "failed":
            hint = "`nethical dead` lists and replays what was refused"
            raise RefusedError(text or "the artifact was refused", "wandb.artifact_refused", hint)
        if state != "committed" or text is None:
            hint = "it is uploaded in the background: wait longer, or ask for its state"
            raise DeadlineError(f"the artifact was not uploaded within {timeout:g} s", "wandb.artifact_waiting", hint)
        return text

    def __await__(self) -> Generator[Any, Any, str]:
        """``await artifact`` is :meth:`wait`, for ``asyncio``."""
        return in_background(self.wait).__await__()

    @property
    def state(self) -> str:
        """``waiting``, ``committed`` or ``failed``."""
        return self._core.artifact_state(self._run_id, self._number, 0.0)[0]


class WandBIntegration(MLPlatformInterface):
    """Tracks runs in a project of Weights & Biases.

    Every call is written to the run's log on this machine and returns; nothing waits for the network, and there is
    no second process. One uploader per run sends what stands in the log, also after the end of the process: the next
    one that opens this project, or ``nethical sync``, goes on.

    Without a key (``api_key``, ``WANDB_API_KEY``, ``~/.netrc``) or with ``mode="offline"`` runs are only written;
    ``nethical sync`` uploads them. ``directory``, ``WANDB_DIR`` or the working directory is where ``wandb/`` is made.
    ``upload_interval`` is the least time between two requests of a run that goes on, in seconds; what is left at its end
    is sent at once. ``durability`` is that of
    :class:`JSONFileConnector`. ``home`` is where unfinished runs are remembered (``NETHICAL_HOME``).

    A step that goes back is an error, since W&B would drop the row; see :meth:`define_metric`.
    """

    def __init__(
        self,
        project: str | None = None,
        entity: str | None = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        mode: Literal["online", "offline", "disabled"] | None = None,
        directory: str | os.PathLike[str] | None = None,
        job_type: str | None = None,
        upload_interval: float = 2.0,
        durability: Durability = None,
        home: str | os.PathLike[str] | None = None,
        name: str = "wandb",
    ) -> None:
        options = {
            "project": project,
            "entity": entity,
            "api_key": api_key,
            "base_url": base_url,
            "mode": mode,
            "directory": None if directory is None else os.path.abspath(os.fsdecode(directory)),
            "job_type": job_type,
            "upload_interval": upload_interval,
            "durability": durability,
        }
        absolute = _spool.absolute(home)
        on_disk: _shapes.Spool = {
            "enabled": None,
            "home": absolute if isinstance(absolute, str) else None,
            "durability": durability,
            "identity": None,
        }
        self._core = _core.Wandb(name, options, on_disk)
        self._options = {**options, "home": home, "name": name}
        self.name = name
        self.project = project
        """The project, as it was given."""
        self.entity = entity
        """The user or team, as it was given."""

    @property
    def active_runs(self) -> dict[str, ExperimentRun]:
        """The runs that were started and not ended, by their ids, oldest first. It is a picture."""
        found = {run_id: self.get_run(run_id) for run_id in self._core.active_runs()}
        return {run_id: run for run_id, run in found.items() if run is not None}

    def start_run(
        self,
        experiment_name: str,
        run_name: str | None = None,
        *,
        run_id: str | None = None,
        resume: Literal["must", "allow", "never"] | None = None,
        job_type: str | None = None,
        notes: str | None = None,
        tags: Mapping[str, Any] | Iterable[str] = (),
    ) -> str:
        """Begin a run, and return its id. Never waits for the network.

        ``experiment_name`` is the group of the run, ``run_name`` what people see. With ``run_id`` and ``resume`` it goes
        on with a run: whether there is one is seen when the server is reached, see :meth:`check_upload`.
        """
        _ending.remember(self)
        made = self._core.start(
            {
                "experiment": named(experiment_name),
                "name": named(run_name),
                "id": run_id,
                "resume": resume,
                "job_type": job_type,
                "notes": named(notes),
                "tags": _tags(tags),
            }
        )
        self.emit("run_started", made, experiment_name=experiment_name, run_name=run_name)
        return made

    def resume_run(self, run_id: str) -> str:
        """Go on with a run: its rows go behind those that are there."""
        _ending.remember(self)
        self._core.resume(run_id)
        return run_id

    def log_parameters(self, run_id: str, parameters: Mapping[str, Any]) -> None:
        """Set parameters. Nested ones stay nested; those that look like secrets are hidden."""
        self._core.configure(run_id, _config(dict(parameters)))
        self.emit("params_logged", run_id, parameters=parameters)

    def log_metrics(self, run_id: str, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log a row. Without ``step`` it is the next one; calls with the same step, one after the other, are one row.

        Raises if the step is below that of the last row, or W&B would refuse a name or the size.
        """
        self._core.log(run_id, metrics if type(metrics) is dict else dict(metrics), step)
        if "_event_handlers" in self.__dict__:
            self.emit("metrics_logged", run_id, metrics=metrics, step=step)

    def set_tags(self, run_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags: ``{"team": "vision"}`` is W&B's tag ``team:vision``, in the place of an earlier one of that name."""
        self._core.set_tags(run_id, [(text_of(key), "" if value is None else text_of(value)) for key, value in tags.items()])
        self.emit("tags_set", run_id, tags=tags)

    def set_notes(self, run_id: str, notes: str) -> None:
        """Set the notes of a run."""
        self._core.set_notes(run_id, named(notes))

    def define_metric(
        self,
        run_id: str,
        name: str,
        step_metric: str | None = None,
        summary: Summary | Iterable[Summary] = (),
        hidden: bool = False,
    ) -> None:
        """Say how a metric is drawn and summed up; ``val/*`` stands for all that begin so.

        With ``step_metric`` another metric is its x-axis. Such metrics may be logged in any order: leave ``step`` out.
        """
        words = [summary] if isinstance(summary, str) else list(summary)
        self._core.define_metric(run_id, name, step_metric, words, hidden)

    def log_artifact(
        self,
        run_id: str,
        artifact_path: str | os.PathLike[str],
        name: str | None = None,
        type: str | None = None,
        *,
        folder: str | None = None,
        description: str | None = None,
        aliases: Iterable[str] = (),
        copy: bool = True,
    ) -> WandBArtifact:
        """Add a file, or a folder with all that is in it, as a version of an artifact.

        Waits while it is copied; with ``copy=False`` it is read where it is when it is sent, and refused if it has
        changed by then. What becomes of it is told by what is returned.
        """
        number = self._core.artifact(
            run_id,
            os.fspath(artifact_path),
            {
                "name": name,
                "kind": type,
                "folder": folder,
                "description": description,
                "aliases": list(aliases),
                "copy": copy,
            },
        )
        self.emit("artifact_logged", run_id, path=artifact_path)
        return WandBArtifact(self._core, run_id, number)

    def save_file(self, run_id: str, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Add a copy of a file to the files of a run, under ``name`` or its own."""
        source = os.fspath(path)
        self._core.file(run_id, source, os.path.basename(source) if name is None else name)

    def end_run(self, run_id: str, status: str | RunStatus = "completed", *, wait: float | None = None) -> bool:
        """End a run: ``completed``, ``failed`` or ``killed``, which are the exit codes 0, 1 and 255.

        With ``wait``, whether nothing of it waits any more within so many seconds; what was refused is counted, in
        :meth:`status`. Without it returns at once.
        """
        text = status.value if isinstance(status, RunStatus) else status
        done = self._core.end(run_id, text, wait)
        self.emit("run_ended", run_id, status=text)
        return done

    def get_run(self, run_id: str) -> ExperimentRun | None:
        """What this process knows of a run."""
        found = self._core.get_run(run_id)
        return None if found is None else ExperimentRun._from_engine(found)

    def is_stopped(self, run_id: str) -> bool:
        """Whether somebody pressed W&B's stop button, as far as the server has said so."""
        return self._core.is_stopped(run_id)

    def run_directory(self, run_id: str) -> str | None:
        """The directory of a run, which ``nethical sync`` and ``wandb sync`` can upload."""
        found = self._core.directory(run_id)
        return None if found is None else os.fspath(found)

    def check_upload(self, run_id: str) -> None:
        """Raise what ended the upload of a run, if something did. Its rows are kept."""
        self._core.check_upload(run_id)

    def check(self) -> str:
        """See whether runs would arrive: key, entity and project. Raises what is wrong, with a hint."""
        return self._core.probe()

    async def acheck(self) -> str:
        """:meth:`check`, for ``asyncio``."""
        return await in_background(self.check)

    def status(self) -> dict[str, Any]:
        """The accounts of all runs together, as :func:`nethical.status` describes them."""
        return self._core.status()

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what waits. True if everything came to its end in ``timeout`` seconds."""
        return self._core.flush(timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """End open runs as completed, deliver what waits, and let go. A second call is harmless."""
        return self._core.close(timeout)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_open, (type(self), self._options))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(project={self.project!r}, entity={self.entity!r})"


def _open(kind: type[WandBIntegration], options: dict[str, Any]) -> WandBIntegration:
    return kind(**options)


def _tags(tags: Mapping[str, Any] | Iterable[str]) -> list[str]:
    if isinstance(tags, str):
        return [readable(tags)]
    if isinstance(tags, Mapping):
        return [text_of(f"{key}:{value}" if value not in (None, "") else key) for key, value in tags.items()]
    return [text_of(tag) for tag in tags]


def _json(value: object) -> str:
    """A value of a row. Numbers that JSON does not have stand bare, as W&B has them."""
    try:
        text = json.dumps(_near(value), default=lambda other: _near(_plain(other)), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        # It holds itself, or has keys that are no text.
        text = json.dumps(text_of(value), ensure_ascii=False)
    return readable(text)


def _config(parameters: dict[Any, Any]) -> str:
    """Parameters as JSON, each as what comes nearest."""
    text = json.dumps(_strict(parameters), default=lambda value: _strict(_plain(value)), ensure_ascii=False)
    return readable(text)


def _plain(value: Any) -> Any:
    """What another object is logged as: a scalar of numpy's kind as a number, a dataclass as a dict."""
    if hasattr(value, "dtype"):
        return value.item() if getattr(value, "size", 1) == 1 else value.tolist()
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    isoformat: Any = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else text_of(value)


def _near(value: Any) -> Any:
    """The same with the nearest float for each whole number beyond 63 bits."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float_of(value)
    if isinstance(value, Mapping):
        return {key: _near(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_near(item) for item in value]
    return value


def _strict(value: Any) -> Any:
    """The same without numbers that JSON does not have: W&B wants null for them in a configuration. Whole numbers beyond
    64 bits are text."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return digits_of(value)
    if isinstance(value, Mapping):
        return {text_of(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return value
