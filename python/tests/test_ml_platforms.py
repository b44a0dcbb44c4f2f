"""Runs, platforms of one's own, and the manager of many."""

import asyncio
import json
import logging
import multiprocessing
import os
import pickle
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

import nethical
from nethical.integrations.ml_platforms import (
    ExperimentRun,
    InMemoryIntegration,
    MLflowIntegration,
    MLPlatform,
    MLPlatformInterface,
    MLPlatformManager,
    RunStatus,
    SageMakerIntegration,
    WandBIntegration,
)


@pytest.fixture
def memory():
    with InMemoryIntegration() as memory:
        yield memory


class Recording(MLPlatformInterface):
    """Keeps the calls, after it was let go on."""

    def __init__(self, go=None, fails=()):
        self.calls, self.go, self.fails, self.threads = [], go, fails, set()

    def _call(self, *call):
        if self.go is not None:
            assert self.go.wait(20)
        self.threads.add(threading.current_thread().name)
        self.calls.append(call)
        if call[0] in self.fails:
            raise RuntimeError(f"no {call[0]}")

    def start_run(self, experiment_name, run_name=None):
        self._call("start", experiment_name, run_name)
        return "r1"

    def log_parameters(self, run_id, parameters):
        self._call("params", run_id, parameters)

    def log_metrics(self, run_id, metrics, step=None):
        self._call("metrics", run_id, metrics, step)

    def log_artifact(self, run_id, artifact_path):
        self._call("artifact", run_id, artifact_path)

    def end_run(self, run_id, status="completed"):
        self._call("end", run_id, status)


def test_a_run_says_how_it_stands():
    start = datetime(2026, 3, 1, tzinfo=timezone.utc)
    run = ExperimentRun("r", "e", start_time=start, end_time=start + timedelta(seconds=2.5), status=RunStatus.FAILED)
    assert run.duration_seconds == 2.5
    found = json.loads(run.to_json())
    assert found == run.to_dict()
    assert (found["status"], found["platform"], found["end_time"]) == ("failed", "custom", "2026-03-01T00:00:02.500000+00:00")
    assert pickle.loads(pickle.dumps(run)) == run
    assert ExperimentRun("r", "e", start_time=datetime.now()).duration_seconds < 60


def test_memory_keeps_every_point(memory):
    run_id = memory.start_run("e", "n", tags={"a": 1})
    memory.log_metrics(run_id, {"loss": 0.5, "nan": float("nan")}, step=7)
    memory.log_metrics(run_id, {"loss": 0.25})
    assert [(step, value) for step, value, _ in memory.history(run_id, "loss")] == [(7, 0.5), (None, 0.25)]
    assert str(memory.history(run_id, "nan")[0][1]) == "nan"
    run = memory.active_runs[run_id]
    assert (run.platform, run.metrics["loss"], run.tags) == (MLPlatform.MEMORY, 0.25, {"a": "1"})
    memory.end_run(run_id, RunStatus.KILLED)
    assert memory.get_run(run_id).status is RunStatus.KILLED and memory.active_runs == {}
    with pytest.raises(nethical.NethicalError, match="has ended"):
        memory.log_metrics(run_id, {"loss": 1})
    memory.resume_run(run_id)
    memory.log_metrics(run_id, {"loss": 1})


def test_handlers_are_told_and_one_that_fails_harms_nobody(memory, tmp_path, caplog):
    told = []
    for event in ("run_started", "params_logged", "metrics_logged", "artifact_logged", "tags_set", "run_ended"):
        memory.add_event_handler(event, lambda run_id, event=event, **what: told.append((event, what)))
    memory.add_event_handler("run_ended", lambda run_id, status: 1 / 0)
    with pytest.raises(ValueError, match="run_started"):
        memory.add_event_handler("run_start", print)
    (tmp_path / "f").write_text("x")
    run_id = memory.start_run("e")
    memory.log_parameters(run_id, {"a": 1})
    memory.log_metrics(run_id, {"loss": 1.0}, 3)
    memory.log_artifact(run_id, tmp_path / "f")
    memory.set_tags(run_id, {"t": "x"})
    memory.end_run(run_id)
    assert told == [
        ("run_started", {"experiment_name": "e", "run_name": None}),
        ("params_logged", {"parameters": {"a": 1}}),
        ("metrics_logged", {"metrics": {"loss": 1.0}, "step": 3}),
        ("artifact_logged", {"path": tmp_path / "f"}),
        ("tags_set", {"tags": {"t": "x"}}),
        ("run_ended", {"status": "completed"}),
    ]
    assert "a handler of run_ended failed" in caplog.text


def test_a_manager_tells_all_and_a_slow_one_only_itself(memory):
    go = threading.Event()
    slow = Recording()
    with MLPlatformManager() as manager:
        manager.add_platform("memory", memory)
        manager.add_platform("slow", slow)
        run_ids = manager.start_run_all("e", run_name="n")
        slow.go = go
        assert list(run_ids) == ["memory", "slow"]
        for step in range(100):
            manager.log_metrics_all(run_ids, {"loss": step}, step=step)
        manager.log_parameters_all(run_ids, {"a": 1})
        manager.set_tags_all(run_ids, {"t": "x"})
        manager.end_run_all(run_ids, "completed")
        assert len(memory.history(run_ids["memory"], "loss")) == 100
        assert len(slow.calls) == 1
        go.set()
        assert manager.flush_all(20)
        assert [call[0] for call in slow.calls] == ["start", *["metrics"] * 100, "params", "end"]
        assert slow.threads == {"nethical-slow"}
        assert manager.get_summaries(run_ids)["memory"].parameters == {"a": 1}
        assert manager.remove_platform("slow") and list(manager.platforms) == ["memory"]


def test_one_that_fails_concerns_no_other(memory, caplog):
    broken, half = Recording(fails=["start"]), Recording(fails=["metrics"])
    with MLPlatformManager() as manager, caplog.at_level(logging.WARNING, "nethical"):
        for name, platform in (("broken", broken), ("half", half), ("memory", memory)):
            manager.add_platform(name, platform)
        run_ids = manager.start_run_all("e")
        assert list(run_ids) == ["half", "memory"]
        manager.log_metrics_all({**run_ids, "unknown": "r"}, {"loss": 1})
        manager.log_artifact_all(run_ids, "/missing")
        manager.end_run_all(run_ids)
        assert manager.flush_all()
    assert memory.get_run(run_ids["memory"]).status is RunStatus.COMPLETED
    for said in ("broken: start_run", "no metrics", "'unknown'", "cannot read"):
        assert said in caplog.text
    with pytest.raises(ValueError, match="completed"):
        manager.end_run_all({}, "done")
    with pytest.raises(TypeError, match="InMemoryIntegration"):
        manager.add_platform("memory", InMemoryIntegration)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "completed"), (ValueError(), "failed"), (KeyboardInterrupt(), "killed"), (SystemExit(2), "failed"),
        (SystemExit(0), "completed"), (asyncio.CancelledError(), "killed"), (GeneratorExit(), "completed"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block", ["context", "manager", "platform"])
def test_a_block_ends_its_run_as_it_ends(error, status, block):
    memory, manager = InMemoryIntegration(), MLPlatformManager()
    manager.add_platform("memory", memory)
    ids = {}
    blocks = {"context": manager.run_all_context("e", "n"), "manager": manager, "platform": memory}
    try:
        with blocks[block] as run_ids:
            ids.update(run_ids if block == "context" else manager.start_run_all("e", "n"))
            if error is not None:
                raise error
    except BaseException as raised:
        assert raised is error
    assert memory.get_run(ids["memory"]).status.value == status


def test_a_program_waits_for_its_own_platforms(script):
    done = script(
        """
        import time
        from nethical.integrations.ml_platforms import MLPlatformInterface, MLPlatformManager

        class Slow(MLPlatformInterface):
            def start_run(self, experiment_name, run_name=None): return "r"
            def log_parameters(self, run_id, parameters): pass
            def log_metrics(self, run_id, metrics, step=None):
                time.sleep(0.01)
                print(step, flush=True)
            def log_artifact(self, run_id, artifact_path): pass
            def end_run(self, run_id, status="completed"): print(status, flush=True)

        manager = MLPlatformManager()
        manager.add_platform("slow", Slow())
        run_ids = manager.start_run_all("e")
        for step in range(20):
            manager.log_metrics_all(run_ids, {"loss": 1.0}, step=step)
        manager.end_run_all(run_ids)
        """
    )
    assert done.stdout.split() == [*map(str, range(20)), "completed"], done.stderr


def test_platforms_come_from_a_configuration(tmp_path):
    path = tmp_path / "nethical.toml"
    path.write_text("[runs.memory]\n[runs.second]\ntype = 'memory'\n[logging.jsonl]\nfilepath = 'never.jsonl'\n")
    for config in (path, {"runs": {"memory": {}, "second": {"type": "memory"}}}):
        with MLPlatformManager.from_config(config) as manager:
            assert list(manager.platforms) == ["memory", "second"]
            with manager.run_all_context("e", "n") as run_ids:
                manager.log_parameters_all(run_ids, {"optimizer": {"lr": 0.1}, "api_key": "s"})
            for run in manager.get_summaries(run_ids).values():
                assert (run.status, run.parameters) == (
                    RunStatus.COMPLETED,
                    {"optimizer.lr": 0.1, "api_key": "[REDACTED]"},
                )
            one = manager.platforms["second"]
            assert (one.name, one.kind, one.check()) == ("second", "memory", manager.platforms["memory"].check())
            again = pickle.loads(pickle.dumps(one))
            assert again.end_run(again.start_run("e"), wait=10)
    assert not (tmp_path / "never.jsonl").exists()
    with pytest.raises(nethical.ConfigError, match="max_evnts"):
        MLPlatformManager.from_config({"runs": {"memory": {"max_evnts": 1}}})
    assert MLPlatformManager.from_config({"logging": {"memory": {}}}).platforms == {}


@pytest.mark.parametrize("kind", ["memory", "mlflow", "wandb", "sagemaker"])
def test_every_integration_has_the_same_shape(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    platform = {
        "memory": lambda: InMemoryIntegration(),
        "mlflow": lambda: MLflowIntegration("http://127.0.0.1:9", start_timeout=0, spool=False),
        "wandb": lambda: WandBIntegration("p", mode="offline", directory=tmp_path, home=tmp_path / "home"),
        "sagemaker": lambda: SageMakerIntegration(endpoint_url="http://127.0.0.1:9", spool=False),
    }[kind]()
    assert isinstance(platform, MLPlatformInterface)
    told = []
    for event in ("run_started", "params_logged", "metrics_logged", "artifact_logged", "tags_set", "run_ended"):
        platform.add_event_handler(event, lambda run_id, event=event, **what: told.append((event, run_id, sorted(what))))
    (tmp_path / "model.bin").write_bytes(b"weights")
    run_id = platform.start_run("e", "n")
    platform.log_parameters(run_id, {"lr": 0.1})
    platform.log_metrics(run_id, {"loss": 0.5}, step=1)
    platform.set_tags(run_id, {"team": "x"})
    platform.log_artifact(run_id, "s3://b/model.bin" if kind == "sagemaker" else tmp_path / "model.bin")
    platform.end_run(run_id, "failed")
    assert told == [
        ("run_started", run_id, ["experiment_name", "run_name"]),
        ("params_logged", run_id, ["parameters"]),
        ("metrics_logged", run_id, ["metrics", "step"]),
        ("tags_set", run_id, ["tags"]),
        ("artifact_logged", run_id, ["path"]),
        ("run_ended", run_id, ["status"]),
    ]
    run = platform.get_run(run_id)
    assert isinstance(run, ExperimentRun)
    assert (run.run_id, run.experiment_name, run.run_name) == (run_id, "e", "n")
    assert (run.status, run.parameters["lr"], run.metrics["loss"]) == (RunStatus.FAILED, 0.1, 0.5)
    assert run.end_time is not None and run.duration_seconds >= 0 and len(run.artifacts) == 1
    assert run.to_dict()["platform"] == kind
    platform.close(0)


class Written(MLPlatformInterface):
    """Writes each call into a file, with the process that it was made in. At module level, so that it can be pickled."""

    def __init__(self, path):
        self.path = path

    def _write(self, text):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {text}\n")

    def start_run(self, experiment_name, run_name=None):
        self._write(f"start {experiment_name}")
        return "r"

    def log_parameters(self, run_id, parameters):
        self._write(f"params {parameters}")

    def log_metrics(self, run_id, metrics, step=None):
        self._write(f"metrics {metrics['loss']}")

    def log_artifact(self, run_id, artifact_path):
        self._write(f"artifact {artifact_path}")

    def end_run(self, run_id, status="completed"):
        self._write(f"end {status}")


def run_in_child(manager, experiment):
    """A whole run, of which nobody waits for the end but the end of the process."""
    run_ids = manager.start_run_all(experiment)
    assert list(run_ids) == ["own"]
    manager.log_metrics_all(run_ids, {"loss": 0.5})
    manager.end_run_all(run_ids)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_platform_of_ones_own_in_another_process(tmp_path, method):
    path = tmp_path / "calls"
    manager = MLPlatformManager()
    manager.add_platform("own", Written(path))
    assert manager.start_run_all("parent") == {"own": "r"}  # Its thread runs here, and not in a child of a fork.
    child = multiprocessing.get_context(method).Process(target=run_in_child, args=(manager, "child"))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    calls = [line.split(" ", 1) for line in path.read_text().splitlines()]
    assert [call for pid, call in calls if int(pid) == child.pid] == ["start child", "metrics 0.5", "end completed"]
    assert [call for pid, call in calls if int(pid) == os.getpid()] == ["start parent"]


def test_what_a_parent_has_waiting_is_its_own(tmp_path):
    """A fork while a call is under way: the child neither makes it again nor waits for it."""
    go, slow = threading.Event(), Recording()
    manager = MLPlatformManager()
    manager.add_platform("slow", slow)
    run_ids = manager.start_run_all("e")
    slow.go = go
    manager.log_metrics_all(run_ids, {"loss": 1})
    manager.log_metrics_all(run_ids, {"loss": 2})
    if (pid := os.fork()) == 0:
        slow.go, slow.calls = None, []
        manager.log_metrics_all(run_ids, {"loss": 3})
        flushed = manager.flush_all(20)
        os._exit(0 if flushed and slow.calls == [("metrics", "r1", {"loss": 3}, None)] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    go.set()
    assert manager.flush_all(20)
    assert [call[2] for call in slow.calls[1:]] == [{"loss": 1}, {"loss": 2}]


def test_a_manager_pickles_with_its_platforms(memory, tmp_path):
    manager = MLPlatformManager()
    manager.add_platform("memory", memory)
    manager.add_platform("own", Written(tmp_path / "calls"))
    again = pickle.loads(pickle.dumps(manager))
    assert list(again.platforms) == ["memory", "own"]
    assert again.platforms["memory"] is not memory
    assert list(again.start_run_all("e")) == ["memory", "own"]


STUCK = """
    import time
    from nethical.integrations.logging_connectors import JSONFileConnector, LogAggregator
    from nethical.integrations.ml_platforms import MLPlatformInterface, MLPlatformManager

    class Stuck(MLPlatformInterface):
        def start_run(self, experiment_name, run_name=None): return "r"
        def log_parameters(self, run_id, parameters): pass
        def log_metrics(self, run_id, metrics, step=None): time.sleep(60)
        def log_artifact(self, run_id, artifact_path): pass
        def end_run(self, run_id, status="completed"): pass

    logs = LogAggregator()
    logs.add_connector(JSONFileConnector("a.jsonl", buffer_size=10_000))
    manager = MLPlatformManager()
    for name in "abcde":
        manager.add_platform(name, Stuck())
    run_ids = manager.start_run_all("e")
    manager.log_metrics_all(run_ids, {"loss": 1.0})
    manager.end_run_all({"e": "r"})
    logs.log("info", "m", "s")
"""


def test_calls_that_are_not_done_at_the_end_are_named(script, tmp_path, lines):
    """All platforms have the time together, and what else is delivered at the end has some of it."""
    start = time.monotonic()
    done = script(STUCK, NETHICAL_EXIT_TIMEOUT="2")
    assert time.monotonic() - start < 8  # Of these, five seconds are for the interpreter.
    assert done.returncode == 0
    expected = [f"nethical: 1 call of {name} not done within NETHICAL_EXIT_TIMEOUT=2 s" for name in "abcd"]
    expected.append("nethical: 2 calls of e not done within NETHICAL_EXIT_TIMEOUT=2 s")
    assert done.stderr.splitlines() == expected
    assert len(lines(tmp_path / "a.jsonl")) == 1


def test_a_slow_platform_is_told_of_in_words(caplog):
    go, slow = threading.Event(), Recording()
    with MLPlatformManager() as manager:
        manager.add_platform("p", slow)
        run_ids = manager.start_run_all("e")
        slow.go = go
        manager.log_metrics_all(run_ids, {"loss": 1})
        assert not manager.flush_all(0.01)
        go.set()
    assert "p: flush: not done in time, and goes on" in caplog.text


def test_what_is_no_number_in_json_is_text():
    run = ExperimentRun("r", "e", parameters={"best": float("-inf"), "deep": [{"a": float("nan")}], 1: {"x"}})
    run.metrics = {"loss": float("nan"), "most": float("inf"), "fine": 0.5}

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads(run.to_json(), parse_constant=refuse)
    assert found["metrics"] == {"loss": "NaN", "most": "Infinity", "fine": 0.5}
    assert found["parameters"] == {"best": "-Infinity", "deep": [{"a": "NaN"}], "1": "{'x'}"}
    assert {name: value for name, value in found.items() if name != "duration_seconds"} == {
        name: value for name, value in run.to_dict().items() if name != "duration_seconds"
    }


@pytest.mark.parametrize("kind", ["memory", "wandb", "sagemaker"])
def test_names_that_no_service_can_read(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    platform = {
        "memory": lambda: InMemoryIntegration(),
        "wandb": lambda: WandBIntegration("p", mode="offline", directory=tmp_path, home=tmp_path / "home"),
        "sagemaker": lambda: SageMakerIntegration(endpoint_url="http://127.0.0.1:9", spool=False),
    }[kind]()
    run_id = platform.start_run("caf\udce9", "run \ud83d\ude00 \ud800")
    run = platform.get_run(run_id)
    assert (run.experiment_name, run.run_name) == ("caf\ufffd", "run 😀 \ufffd")
    if kind != "sagemaker":  # AWS has tags for few characters.
        platform.set_tags(run_id, {"t\udcff": "v\udcff"})
        assert list(platform.get_run(run_id).tags.values())[-1].endswith("v\ufffd")
    with pytest.raises(TypeError):
        platform.start_run(7)
    platform.close(0)
