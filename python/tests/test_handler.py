"""The standard library's logging as a source."""

import copy
import json
import logging
import logging.config
import pickle

import pytest

from nethical.integrations.logging_connectors import AggregatorHandler, LogAggregator, LogLevel


@pytest.fixture
def logger(logs):
    made = logging.getLogger("tests.handler")
    made.setLevel(logging.DEBUG)
    made.propagate = False
    handler = AggregatorHandler(logs)
    made.addHandler(handler)
    yield made
    made.removeHandler(handler)


def test_records_become_entries(logger, memory):
    logger.warning("disk at %d%%", 91, extra={"disk": "/dev/sda1"})
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("failed")
    first, second = memory.entries
    assert (first.level, first.message, first.source) == (LogLevel.WARNING, "disk at 91%", "tests.handler")
    assert first.metadata == {"disk": "/dev/sda1"}
    assert second.metadata["exception"]["type"] == "ZeroDivisionError"


def test_what_cannot_be_printed_is_no_reason_to_lose_a_record(logs, memory):
    class Mute:
        def __str__(self):
            raise RuntimeError("no")

        __repr__ = __str__

    handler = AggregatorHandler(logs)
    for message, arguments in [(Mute(), ()), ("%s", (Mute(),)), ("%s and %s", (1,))]:
        handler.emit(logging.makeLogRecord({"name": "app", "msg": message, "args": arguments, "levelno": 20}))
    messages = [entry.message for entry in memory.entries]
    assert messages == ["<unprintable Mute> ()", "%s (<unprintable Mute>,)", "%s and %s (1,)"]


def test_own_records_never_enter(logs, memory):
    handler = AggregatorHandler(logs)
    for name in ("nethical", "nethical.delivery"):
        handler.emit(logging.makeLogRecord({"name": name, "msg": "own", "levelno": 40}))
    handler.emit(logging.makeLogRecord({"name": "nethicality", "msg": "other", "levelno": 40}))
    assert [entry.message for entry in memory.entries] == ["other"]


def test_its_level(logs, memory):
    handler = AggregatorHandler(logs, level="ERROR")
    logger = logging.getLogger("tests.level")
    logger.propagate = False
    logger.addHandler(handler)
    logger.warning("low")
    logger.error("high")
    logger.removeHandler(handler)
    assert [entry.message for entry in memory.entries] == ["high"]


def test_filters(logger, memory):
    logger.handlers[0].addFilter(lambda record: "keep" in record.msg)
    logger.info("keep this")
    logger.info("not this")
    assert [entry.message for entry in memory.entries] == ["keep this"]


def test_dict_config(logs, memory):
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"nethical": {
            "class": "nethical.integrations.logging_connectors.AggregatorHandler",
            "aggregator": logs,
        }},
        "loggers": {"tests.config": {"handlers": ["nethical"], "level": "INFO", "propagate": False}},
    })  # fmt: skip
    logging.getLogger("tests.config").info("configured")
    assert [entry.message for entry in memory.entries] == ["configured"]
    logging.getLogger("tests.config").handlers.clear()


# What a program may read from a JSON file. The connector has its options, the handler its formatter, level and filter.
CONFIG = """{
  "version": 1,
  "disable_existing_loggers": false,
  "formatters": {"plain": {"format": "%(name)s says %(message)s"}},
  "filters": {"below": {"name": "tests"}},
  "handlers": {
    "nethical": {
      "class": "nethical.integrations.logging_connectors.AggregatorHandler",
      "level": "INFO",
      "formatter": "plain",
      "filters": ["below"],
      "config": {"logging": {"jsonl": {"filepath": "PATH", "buffer_size": 5, "level": "warning"}}}
    }
  },
  "loggers": {"tests.json": {"handlers": ["nethical"], "level": "DEBUG", "propagate": false}}
}"""


@pytest.fixture
def configured(tmp_path):
    """A logger that JSON configures; its handlers are closed at the end."""

    def configure(path):
        config = json.loads(CONFIG.replace("PATH", str(path)))
        logging.config.dictConfig(config)
        return logging.getLogger("tests.json"), config

    yield configure
    logger = logging.getLogger("tests.json")
    for handler in tuple(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def test_dict_config_from_json(configured, tmp_path, lines):
    path = tmp_path / "app.jsonl"
    logger, config = configured(path)
    (handler,) = logger.handlers
    assert (handler.level, handler.formatter._fmt) == (logging.INFO, "%(name)s says %(message)s")
    logger.debug("below the handler")
    logger.info("below the connector")
    try:
        raise KeyError("k")
    except KeyError:
        logger.exception("failed at %d%%", 9, extra={"disk": "sda", "db_password": "p"})
    handler.close()
    (found,) = lines(path)
    assert found["message"].startswith("tests.json says failed at 9%\nTraceback")
    assert found["metadata"]["exception"]["type"] == "KeyError"
    assert (found["metadata"]["disk"], found["metadata"]["db_password"]) == ("sda", "[REDACTED]")
    assert "asctime" not in found["metadata"]
    # Configured anew: the old handler is closed, the new one writes on.
    logger, _ = configured(path)
    logger.error("again")
    logging.config.dictConfig(config)
    assert [line["message"] for line in lines(path)][1:] == ["tests.json says again"]


def test_an_aggregator_that_is_somewhere_else(memory, logs, monkeypatch):
    """`ext://` of dictConfig finds it; it is not the handler's to close."""
    monkeypatch.setattr(logging, "tests_aggregator", logs, raising=False)
    handlers = {"nethical": {"()": AggregatorHandler, "aggregator": "ext://logging.tests_aggregator"}}
    loggers = {"tests.external": {"handlers": ["nethical"], "propagate": False}}
    logging.config.dictConfig(
        {"version": 1, "disable_existing_loggers": False, "handlers": handlers, "loggers": loggers}
    )
    logger = logging.getLogger("tests.external")
    (handler,) = logger.handlers
    logger.removeHandler(handler)
    handler.close()
    logger.addHandler(handler)
    logger.warning("still open")
    logger.removeHandler(handler)
    assert [entry.message for entry in memory.entries] == ["still open"]


def test_a_wrong_config_says_where(tmp_path):
    config = {"logging": {"jsonl": {"filepth": "app.jsonl"}}}
    handlers = {"nethical": {"()": AggregatorHandler, "config": config}}
    with pytest.raises(ValueError, match="nethical") as raised:
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "handlers": handlers})
    assert "did you mean `filepath`" in str(raised.value.__cause__)


def test_after_a_fork(script, tmp_path, lines):
    """The child's records go to the same file, by an engine of the child's own."""
    config = tmp_path / "logging.json"
    config.write_text(CONFIG.replace("PATH", str(tmp_path / "app.jsonl")), encoding="utf-8")
    ended = script(
        """
        import json, logging, logging.config, os, sys
        with open("logging.json") as file:
            logging.config.dictConfig(json.load(file))
        logger = logging.getLogger("tests.json")
        logger.warning("parent before")
        child = os.fork()
        logger.warning("child" if child == 0 else "parent after")
        if child == 0:
            logging.shutdown()
            os._exit(0)
        sys.exit(os.waitpid(child, 0)[1])
        """
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    found = sorted((line["message"], line["pid"]) for line in lines(tmp_path / "app.jsonl"))
    texts, pids = zip(*found)
    assert list(texts) == [f"tests.json says {text}" for text in ("child", "parent after", "parent before")]
    assert pids[1] == pids[2] != pids[0]


def test_a_handler_in_another_process(logs, memory):
    handler = AggregatorHandler(logs, "ERROR")
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    for made in (pickle.loads(pickle.dumps(handler)), copy.copy(handler)):
        assert (made.level, made.formatter._fmt) == (logging.ERROR, "%(levelname)s %(message)s")


def test_wrong_aggregator():
    with pytest.raises(TypeError, match="a LogAggregator is needed"):
        AggregatorHandler("logs")
    with pytest.raises(TypeError, match="either an aggregator or a config"):
        AggregatorHandler()
    with pytest.raises(TypeError, match="either an aggregator or a config"):
        AggregatorHandler(LogAggregator(), config={})


def test_flush(logger, memory):
    logger.info("m")
    logger.handlers[0].flush()
    assert memory.status()["waiting"] == 0


@pytest.mark.parametrize("name", [None, 7, ""])
def test_a_record_with_an_odd_name(logs, memory, name):
    AggregatorHandler(logs).emit(logging.makeLogRecord({"name": name, "msg": "m", "levelno": 20}))
    assert [(entry.message, entry.source) for entry in memory.entries] == [("m", str(name))]


WARNINGS = """
import logging
from nethical.integrations.logging_connectors import AggregatorHandler, LogAggregator, MemoryConnector
memory = MemoryConnector()
logs = LogAggregator()
logs.add_connector(memory)
def handler(level=0):
    made = AggregatorHandler(logs, level)
    made.addFilter(logging.Filter("app"))
    return made
ours = logging.getLogger("nethical.delivery")
{setup}
ours.info("quiet")
ours.warning("it is down")
logging.getLogger("app").warning("app's own")
assert [entry.message for entry in memory.entries] == {taken}
"""


@pytest.mark.parametrize(
    ("setup", "shown"),
    [
        ("logging.getLogger().addHandler(handler())", ["it is down"]),
        ("logging.getLogger().addHandler(handler()); logging.getLogger('nethical').addHandler(handler())", ["it is down"]),
        ("logging.getLogger('nethical').addHandler(handler('ERROR')); logging.getLogger().addHandler(handler())",
         ["it is down"]),
        ("logging.basicConfig(format='root: %(message)s'); logging.getLogger().addHandler(handler())",
         ["root: it is down", "root: app's own"]),
        ("logging.getLogger().addHandler(handler()); logging.getLogger('nethical').addHandler(logging.NullHandler())", []),
        ("logging.getLogger().addHandler(handler()); logging.lastResort = None", []),
        ("logging.getLogger().addHandler(handler()); logging.lastResort.setLevel('ERROR')", []),
    ],
    ids=["alone", "two", "one of two by its level", "beside another", "beside one that hides", "no last resort", "its level"],
)  # fmt: skip
def test_warnings_about_destinations_are_seen(script, setup, shown):
    """Those that would come to nobody else are shown as if there were no handler: once, on stderr."""
    done = script(WARNINGS.format(setup=setup, taken=["app's own"]))
    assert (done.returncode, done.stderr.splitlines()) == (0, shown)
