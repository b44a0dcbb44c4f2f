"""Waiting within asyncio: the loop goes on, and whoever cancels waits no longer."""

import asyncio
import contextvars
import inspect
import threading
from datetime import datetime

import pytest

import nethical
from nethical import alerts
from nethical.integrations import logging_connectors, ml_platforms, webhook
from nethical.integrations.logging_connectors import JSONFileConnector, LogAggregator, LogConnector, LogEntry, LogLevel
from nethical.integrations.ml_platforms import InMemoryIntegration, MLPlatformInterface, MLPlatformManager
from nethical.integrations.webhook import (
    APIIntegration,
    HTTPWebhookDispatcher,
    WebhookDelivery,
    WebhookDispatcher,
    WebhookManager,
    WebhookPayload,
    WebhookStatus,
)
from nethical.testing import DiscordReceiver, SlackReceiver

# A form without a wait, or one that is `await artifact` instead.
WITHOUT = {"wait_for", "wait"}


class Stuck(LogConnector):
    """Goes on when it is told to."""

    def __init__(self):
        self.go = threading.Event()
        self.entered = threading.Event()
        self.took = []

    def send(self, entry):
        self.entered.set()
        assert self.go.wait(60)
        self.took.append(entry.message)
        return True


def waiting_methods():
    """Every method of the public classes that can be told how long it may take, or that is known to wait."""
    known = {"dispatch", "send_message", "send_alert", "send_embed", "broadcast", "send_to", "check", "authenticate"}
    known |= {"send_data", "receive_data", "start_run", "start_run_all", "log_artifact", "end_run", "run_all_context"}
    for module in (logging_connectors, ml_platforms, webhook, alerts):
        for cls in dict.fromkeys(found for found in vars(module).values() if inspect.isclass(found)):
            if not cls.__module__.startswith("nethical"):
                continue
            for name, method in inspect.getmembers(cls, inspect.isfunction):
                if name.startswith("_") or inspect.iscoroutinefunction(method) or name in WITHOUT:
                    continue
                if name in known or "timeout" in inspect.signature(method).parameters:
                    yield pytest.param(cls, name, id=f"{cls.__name__}.{name}")


@pytest.mark.parametrize("cls, name", list(waiting_methods()))
def test_everything_that_waits_has_an_asyncio_form(cls, name):
    form = getattr(cls, f"a{name}", None)
    assert form is not None, f"there is no {cls.__name__}.a{name}"
    is_context = name == "run_all_context"
    assert is_context or inspect.iscoroutinefunction(form)
    # It takes the same, but for whether to wait.
    taken = inspect.signature(form).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in taken.values()):
        wanted = [one for one in inspect.signature(getattr(cls, name)).parameters if one not in ("wait",)]
        assert list(taken) == wanted


def test_the_loop_goes_on_while_a_flush_waits():
    stuck = Stuck()

    async def main():
        async with LogAggregator() as logs:
            logs.add_connector(stuck)
            logs.log(LogLevel.INFO, "m", "s")
            flush = asyncio.ensure_future(logs.aflush_all(60))
            ticks = 0
            while not stuck.entered.is_set() or ticks < 10:
                await asyncio.sleep(0.001)
                ticks += 1
            assert not flush.done()
            stuck.go.set()
            assert await flush is True

    asyncio.run(main())
    assert stuck.took == ["m"]


def test_a_cancelled_wait_keeps_neither_the_loop_nor_the_entry():
    stuck = Stuck()
    logs = LogAggregator()
    logs.add_connector(stuck)
    logs.log(LogLevel.INFO, "m", "s")

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(logs.aflush_all(3_000), 0.05)

    # It would last for 3,000 seconds if the end of the loop waited for the thread.
    asyncio.run(main())
    stuck.go.set()
    assert logs.flush_all(60) and stuck.took == ["m"]
    assert logs.close_all(60)


def test_more_waits_than_a_pool_has_threads():
    stuck = Stuck()

    async def main():
        async with LogAggregator() as logs:
            logs.add_connector(stuck)
            logs.log(LogLevel.INFO, "m", "s")
            flushes = [asyncio.ensure_future(logs.aflush_all(60)) for _ in range(100)]
            # The usual pool of the loop is free.
            assert await asyncio.to_thread(lambda: "free") == "free"
            stuck.go.set()
            assert all(await asyncio.gather(*flushes))

    asyncio.run(main())


def test_results_errors_and_context_come_across():
    word = contextvars.ContextVar("word")

    def raises(error):
        raise error

    async def main():
        word.set("here")
        assert await nethical.in_background(word.get) == "here"
        assert await nethical.in_background(max, 1, 2, key=lambda number: -number) == 1
        with pytest.raises(KeyError, match="k"):
            await nethical.in_background(raises, KeyError("k"))
        with pytest.raises(SystemExit):
            await nethical.in_background(raises, SystemExit(3))
        with pytest.raises(RuntimeError, match="StopIteration"):
            await nethical.in_background(next, iter(()))
        assert (await nethical.in_background(nethical.sync, 30.0)).left == []

    asyncio.run(main())


def test_files_are_closed_at_the_end_of_the_block(tmp_path, lines):
    async def main():
        async with JSONFileConnector(tmp_path / "app.jsonl") as app:
            app.send(LogEntry(datetime.now(), LogLevel.INFO, "m", "s"))
            assert await app.aflush(60)
        with pytest.raises(nethical.ClosedError):
            app.send(LogEntry(datetime.now(), LogLevel.INFO, "m", "s"))
        await app.aclose()

    asyncio.run(main())
    assert [line["message"] for line in lines(tmp_path / "app.jsonl")] == ["m"]


def test_messages(hooks):
    async def main():
        async with WebhookManager() as manager:
            manager.add_webhook("hook", HTTPWebhookDispatcher(hooks.url))
            assert (await manager.asend_to("hook", "one", {})).ok
            assert (await manager.abroadcast("two", {}, severity="error"))["hook"].ok
            assert (await manager.adispatch(WebhookPayload("three", {})))["hook"].ok
            with pytest.raises(nethical.ConfigError, match="no webhook"):
                await manager.asend_to("hok", "one", {})
        with SlackReceiver() as slack, DiscordReceiver() as discord:
            async with webhook.SlackWebhookDispatcher(slack.url) as to_slack:
                assert (await to_slack.asend_message("deployed")).ok
                assert (await to_slack.asend_alert("late", "by a day", "warning", {"days": 1})).ok
            async with webhook.DiscordWebhookDispatcher(discord.url) as to_discord:
                assert (await to_discord.asend_message("deployed")).ok
                assert (await to_discord.asend_embed("title", footer="below")).ok
            slack.assert_received("deployed")
            discord.assert_received("title")

    asyncio.run(main())
    assert [request.json["event_type"] for request in hooks.requests] == ["one", "two", "three"]


def test_an_overridden_method_counts():
    class Mine(WebhookDispatcher):
        def dispatch(self, payload):
            self.thread = threading.current_thread()
            return WebhookDelivery(payload.id, "mine", WebhookStatus.SUCCESS)

    class Echo(APIIntegration):
        def authenticate(self):
            return True

        def send_data(self, data):
            return data == 1

        def receive_data(self, **parameters):
            return parameters

    async def main():
        mine = Mine()
        assert (await mine.adispatch(WebhookPayload("e", {}))).ok
        assert mine.thread is not threading.current_thread()
        echo = Echo()
        assert await echo.aauthenticate() and await echo.asend_data(1)
        assert await echo.areceive_data(limit=3) == {"limit": 3}

    asyncio.run(main())


@pytest.mark.parametrize(
    "error, status",
    [(None, "completed"), (ValueError, "failed"), (asyncio.CancelledError, "killed")],
)
def test_runs(error, status, tmp_path):
    memory = InMemoryIntegration()
    (tmp_path / "model").write_text("x")

    async def main():
        async with MLPlatformManager() as manager:
            manager.add_platform("memory", memory)
            try:
                async with manager.arun_all_context("e", "r") as run_ids:
                    manager.log_metrics_all(run_ids, {"loss": 1.0})
                    await memory.alog_artifact(run_ids["memory"], tmp_path / "model", folder="models")
                    if error is not None:
                        raise error
            except (ValueError, asyncio.CancelledError):
                pass
            assert await manager.aflush_all(60)
            run_id = await memory.astart_run("e", tags={"a": 1})
            assert memory.get_run(run_id).tags == {"a": "1"}
            assert await memory.aend_run(run_id, wait=60)
            return run_ids["memory"]

    run_id = asyncio.run(main())
    assert memory.get_run(run_id).status.value == status


def test_a_program_ends_although_somebody_still_waits(script):
    """The thread of a cancelled wait keeps no program from ending."""
    ended = script(
        """
        import asyncio, threading
        import nethical

        async def main():
            try:
                await asyncio.wait_for(nethical.in_background(threading.Event().wait), 0.05)
            except asyncio.TimeoutError:
                print("cancelled")

        asyncio.run(main())
        """,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "cancelled\n", "")


class Slow(MLPlatformInterface):
    """Begins a run when it is told to."""

    def __init__(self):
        self.asked, self.go, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.status = None

    def start_run(self, experiment_name, run_name=None):
        self.asked.set()
        assert self.go.wait(60)
        return "r"

    def log_parameters(self, run_id, parameters): ...
    def log_metrics(self, run_id, metrics, step=None): ...
    def log_artifact(self, run_id, artifact_path): ...

    def end_run(self, run_id, status="completed"):
        self.status = (run_id, status)
        self.ended.set()


@pytest.mark.parametrize("fast", ["after", "before"])
def test_a_run_that_is_cancelled_while_it_starts_is_killed(fast):
    """Whether it starts after that, or had just started when the loop looked."""
    slow, memory, manager = Slow(), InMemoryIntegration(), MLPlatformManager()
    manager.add_platform("slow", slow)
    manager.add_platform("memory", memory)
    entered = []

    async def work():
        async with manager.arun_all_context("e"):
            entered.append(True)

    async def cancel():
        task = asyncio.create_task(work())
        await nethical.in_background(slow.asked.wait, 60)
        if fast == "before":
            slow.go.set()
            # The loop does not run, so it sees the end of the start only after the cancellation.
            while not any(memory.active_runs) or any(thread.name == "nethical-start" for thread in threading.enumerate()):
                threading.Event().wait(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    slow.go.set()
    assert slow.ended.wait(60) and slow.status == ("r", "killed")
    assert manager.flush_all() and memory.active_runs == {} and not entered
    manager.close_all()


def test_a_start_that_fails_ends_nothing():
    """The exception comes through as it is."""

    class Broken(MLPlatformManager):
        def start_run_all(self, experiment_name, run_name=None):
            raise ZeroDivisionError

    async def work():
        async with Broken().arun_all_context("e"):
            raise AssertionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(work())
