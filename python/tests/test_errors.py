"""Every exception that the package raises by itself, provoked: it says what failed, by which name, and what to do."""

import inspect
import pickle
import pkgutil
import re
from datetime import datetime
from importlib import import_module

import pytest
from webhook_server import Answer

import nethical
from nethical import NethicalError
from nethical.integrations.logging_connectors import JSONFileConnector, LogAggregator, LogEntry, LogLevel, MemoryConnector
from nethical.integrations.ml_platforms import InMemoryIntegration, WandBIntegration
from nethical.integrations.webhook import GenericAPIIntegration, WebhookManager, WebhookSignatureError, sign_webhook, verify_webhook


def modules():
    """Everything in the package but the command."""
    names = [module.name for module in pkgutil.walk_packages(nethical.__path__, "nethical.")]
    return [import_module(name) for name in names if name != "nethical.__main__"]


def exceptions():
    """The base, and all that is derived from it."""
    modules()
    found, new = [], [NethicalError]
    while new:
        found += new
        new = [inner for one in new for inner in one.__subclasses__() if inner not in found]
    return list(dict.fromkeys(found))


def answered(hooks, status):
    hooks.usual = Answer(status)
    GenericAPIIntegration(hooks.url, "key").receive_data()


def of_an_ended_run():
    platform = InMemoryIntegration()
    run_id = platform.start_run("e")
    platform.end_run(run_id)
    platform.log_metrics(run_id, {"loss": 1.0})


def on_a_closed_connector():
    connector = MemoryConnector()
    connector.close()
    connector.send(LogEntry(datetime.now(), LogLevel.INFO, "m", "s"))


def of_an_artifact_that_waits(tmp_path):
    (tmp_path / "model").write_text("x")
    with WandBIntegration("p", mode="offline", directory=tmp_path) as wandb:
        wandb.log_artifact(wandb.start_run("e"), tmp_path / "model").wait(0)


# What raises each, and the exception of the standard library that it is as well.
CASES = [
    ("a configuration with a typo", nethical.ConfigError, ValueError, lambda **_: LogAggregator.from_config({"logging": {"jsonl": {"filepth": "x"}}})),
    ("a webhook that nobody added", nethical.ConfigError, ValueError, lambda **_: WebhookManager().send_to("slack", "e", {})),
    ("a folder for a file", nethical.PathError, OSError, lambda **_: JSONFileConnector("/")),
    ("a key that is not taken", nethical.UnauthorizedError, PermissionError, lambda hooks, **_: answered(hooks, 401)),
    ("a receiver that is not well", nethical.UnavailableError, OSError, lambda hooks, **_: answered(hooks, 503)),
    ("nobody who listens", nethical.UnavailableError, OSError, lambda **_: GenericAPIIntegration("http://127.0.0.1:9", "k").authenticate()),
    ("a request that is refused", nethical.RefusedError, RuntimeError, lambda hooks, **_: answered(hooks, 422)),
    ("a run that has ended", NethicalError, Exception, lambda **_: of_an_ended_run()),
    ("a closed connector", nethical.ClosedError, ValueError, lambda **_: on_a_closed_connector()),
    ("an artifact on its way", nethical.DeadlineError, TimeoutError, lambda tmp_path, **_: of_an_artifact_that_waits(tmp_path)),
    ("a message without signatures", WebhookSignatureError, ValueError, lambda **_: verify_webhook(b"{}", {}, "secret")),
    ("a message that was altered", WebhookSignatureError, ValueError, lambda **_: verify_webhook(b"{ }", sign_webhook(b"{}", "s"), "s")),
]  # fmt: skip


@pytest.mark.parametrize("kind, base, provoke", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_says_what_and_why(kind, base, provoke, hooks, tmp_path):
    with pytest.raises(NethicalError) as raised:
        provoke(hooks=hooks, tmp_path=tmp_path)
    error = raised.value
    assert isinstance(error, kind) and isinstance(error, base)
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", error.code), error.code
    assert error.message and error.hint, error
    assert error.message in str(error) and error.hint in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.code, again.hint) == (type(error), str(error), error.code, error.hint)


def test_none_is_left_out():
    assert {case[1] for case in CASES} == set(exceptions())


def test_all_are_exported_and_none_stands_beside():
    exported = {getattr(nethical, name) for name in nethical.__all__}
    exported |= {getattr(module, name) for module in modules() for name in getattr(module, "__all__", ())}
    assert set(exceptions()) <= {value for value in exported if inspect.isclass(value)}
    for module in modules():
        for name, value in vars(module).items():
            own = inspect.isclass(value) and value.__module__.startswith("nethical")
            if own and issubclass(value, BaseException):
                assert issubclass(value, NethicalError), name
