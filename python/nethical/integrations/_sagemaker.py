"""Runs in Amazon SageMaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .. import _core, _spool
from .._spool import Durability, Spool
from ._connectors import WhenFull, _queue
from ._platforms import EnginePlatform

if TYPE_CHECKING:
    from .. import _shapes


class SageMakerIntegration(EnginePlatform):
    """Keeps runs in Amazon SageMaker: each is a trial with one component, both called as ``start_run`` returns.

    No call waits for a network: updates wait on disk (``NETHICAL_HOME``, or the directory that ``spool`` names) and
    outlive the process. Metrics go to the component and to CloudWatch (``namespace``, ``dimensions``,
    ``extra_dimensions``). An ``s3://`` address is recorded as an artifact; files and folders of this machine are
    uploaded to ``bucket`` below ``prefix``.

    With ``training``, a dict of ``image`` or ``algorithm``, ``output_path`` and what else a job is to be, and ``role``,
    each run starts a real training job and shows how it stands; a run that ends as ``killed`` stops it. The job starts
    with the run, so its ``hyperparameters`` are those of ``training``. Without, runs are tracked as experiments, which
    is said once.

    Credentials are searched for as other AWS tools do, ``profile`` first. ``endpoint_url`` leads to an emulator.
    """

    def __init__(
        self,
        region: str | None = "us-east-1",
        role: str | None = None,
        *,
        bucket: str | None = None,
        prefix: str = "nethical",
        training: Mapping[str, Any] | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        experiment_metrics: bool = True,
        cloudwatch_metrics: bool = True,
        namespace: str = "Nethical",
        dimensions: Sequence[Literal["ExperimentName", "TrialName", "TrialComponentName"]] = ("ExperimentName",),
        extra_dimensions: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        name: str | None = None,
        max_queue: int = 65_536,
        when_full: WhenFull = "drop_newest",
        block_timeout: float = 10.0,
        spool: Spool = None,
        durability: Durability = None,
    ) -> None:
        options: dict[str, Any] = {
            "region": region,
            "role": role,
            "bucket": bucket,
            "prefix": prefix,
            "training": None if training is None else dict(training),
            "profile": profile,
            "endpoint_url": endpoint_url,
            "experiment_metrics": experiment_metrics,
            "cloudwatch_metrics": cloudwatch_metrics,
            "namespace": namespace,
            "dimensions": list(dimensions),
            "extra_dimensions": dict(extra_dimensions or {}),
            "tags": dict(tags or {}),
        }
        queue = _queue(max_queue, when_full, block_timeout)
        spool = _spool.absolute(spool)
        if durability is not None and spool is False:
            raise ValueError(f"durability={durability!r} is for what waits on disk: leave out spool=False")
        # What waits on disk is known by the name that was given, else by where it is to go.
        place = (region, profile, endpoint_url, bucket, prefix, namespace)
        on_disk: _shapes.Spool = {
            "enabled": True if isinstance(spool, str) else spool,
            "home": spool if isinstance(spool, str) else None,
            "durability": durability,
            "identity": "\n".join(part or "" for part in place) if name is None else None,
        }
        shown = "sagemaker" if name is None else name
        core = _core.Tracker.sagemaker(shown, options, queue, on_disk)
        self.region: str | None = region
        self.role: str | None = role
        self.bucket: str | None = bucket
        self.prefix: str = prefix
        self.spool: Spool = spool
        self.durability: Durability = durability
        super().__init__(core, {**options, "name": shown, **queue, "spool": spool, "durability": durability})
        self._options["name"] = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}(region={self.region!r})"
