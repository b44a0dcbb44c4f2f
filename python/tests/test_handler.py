"""The standard library's logging as a source."""

import logging
import logging.config

import pytest

from nethical.integrations.logging_connectors import AggregatorHandler, LogLevel


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


def test_wrong_aggregator():
    with pytest.raises(TypeError, match="a LogAggregator is needed"):
        AggregatorHandler("logs")


def test_flush(logger, memory):
    logger.info("m")
    logger.handlers[0].flush()
    assert memory.status()["waiting"] == 0
