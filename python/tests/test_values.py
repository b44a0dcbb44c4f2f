"""No value makes a call fail, and each is written as what comes nearest."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import json
import pathlib
import sys
import threading
import types
import uuid

import pytest

from nethical.integrations.logging_connectors import LogAggregator, LogLevel, MemoryConnector


@pytest.fixture
def shown(logs, memory):
    """What becomes of a value on its way."""

    def show(value):
        memory.clear()
        assert logs.log(LogLevel.INFO, "m", "s", it=value) is True
        (entry,) = memory.entries
        return entry.metadata["it"]

    return show


class Color(enum.Enum):
    RED = "red"
    NESTED = (1, {"a": 2})


class Number(enum.IntEnum):
    SEVEN = 7


@dataclasses.dataclass
class Point:
    x: int
    y: object
    password: str = "hunter2"


class Hostile:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


class OnlyRepr:
    def __str__(self):
        raise RuntimeError("no")

    def __repr__(self):
        return "<only repr>"


class Text(str):
    pass


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), (True, True), (0, 0), (-1, -1), (1.5, 1.5), ("é😀", "é😀"), ("", ""),
        (2**53 + 1, 2**53 + 1), (-(2**63), -(2**63)), (2**64, 2**64), (2**126, 2**126),
        (2**130, str(2**130)), (10**5000, hex(10**5000)),
        (float("nan"), "NaN"), (float("inf"), "Infinity"), (-float("inf"), "-Infinity"), (1e300, 1e300),
        ([1, [2, (3,)]], [1, [2, [3]]]), ((), []), ({}, {}), ({"a": {"b": None}}, {"a": {"b": None}}),
        ({1: "a", None: "b", (1, 2): "c"}, {"1": "a", "None": "b", "(1, 2)": "c"}),
        ({5}, [5]), (frozenset({5}), [5]), (collections.deque([1, 2]), [1, 2]), (range(3), [0, 1, 2]),
        (collections.OrderedDict(a=1), {"a": 1}), (collections.Counter("aa"), {"a": 2}),
        (types.MappingProxyType({"a": 1}), {"a": 1}), (Pair(1, 2), [1, 2]),
        (b"abc", "abc"), (b"\xff", "\ufffd"), (bytearray(b"x"), "x"), (memoryview(b"yz"), "yz"),
        ("a\ud800b", "a\ufffdb"), ("\ud83d\ude00", "😀"), ("nul\0 tab\t line\n", "nul\0 tab\t line\n"),
        (Color.RED, "red"), (Color.NESTED, [1, {"a": 2}]), (Number.SEVEN, 7), (LogLevel.INFO, "INFO"), (Text("t"), "t"),
        (decimal.Decimal("1.10"), "1.10"), (fractions.Fraction(1, 3), "1/3"),
        (pathlib.Path("/tmp/x"), "/tmp/x"), (uuid.UUID(int=5), str(uuid.UUID(int=5))),
        (dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.timezone.utc), "2026-03-01T12:00:00.000000Z"),
        (dt.date(2026, 3, 1), "2026-03-01"), (dt.time(1, 2, 3), "01:02:03"), (dt.timedelta(seconds=90), "0:01:30"),
        (Point(1, {"z": [2]}), {"x": 1, "y": {"z": [2]}, "password": "[REDACTED]"}),
        (KeyError("name"), "KeyError: 'name'"), (ValueError(), "ValueError"),
        (Hostile(), "<unprintable Hostile>"), (OnlyRepr(), "<only repr>"), ({Hostile(): 1}, {"<unprintable Hostile>": 1}),
        (Point, str(Point)), (len, str(len)), (Ellipsis, "Ellipsis"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_becomes(shown, value, expected):
    found = shown(value)
    assert found == expected and type(found) is type(expected)


def test_local_datetimes(shown):
    at = dt.datetime(2026, 7, 1, 8, 30)
    assert shown(at) == at.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert shown(dt.datetime.min) == "0001-01-01T00:00:00" or shown(dt.datetime.min).startswith("0001-01-01")


def test_numpy_scalars(shown):
    import numpy

    assert shown(numpy.float64(0.5)) == 0.5 and shown(numpy.float32(0.5)) == 0.5
    assert shown(numpy.int64(7)) == 7 and shown(numpy.bool_(True)) is True
    assert shown(numpy.array(3)) == 3 and shown(numpy.float32("nan")) == "NaN"
    assert shown(numpy.array([1, 2])) == "[1 2]"
    assert len(shown(numpy.zeros(1_000_000))) < 200
    assert shown({numpy.int64(1): 2}) == {"1": 2}


def test_models_with_a_dump(shown):
    class Model:
        model_fields = {"a": None}

        def model_dump(self):
            return {"a": 1}

    assert shown(Model()) == {"a": 1}


def test_things_that_only_look_like_scalars(shown):
    class Deep:
        dtype = "deep"

        def item(self):
            return Deep()

        def __str__(self):
            return "deep"

    assert shown(Deep()) == "deep"


def test_recursion_ends(shown):
    ring = []
    ring.append(ring)
    assert "[too deep]" in json.dumps(shown(ring))
    wide = {}
    wide.update(a=wide, b=wide, c=[wide, wide])
    assert len(json.dumps(shown(wide))) < 300_000
    deep = 1
    for _ in range(10_000):
        deep = {"d": deep}
    assert "[too deep]" in json.dumps(shown(deep))


def test_huge_values_are_cut_visibly(shown, logs, memory):
    assert shown("x" * (1 << 20)).endswith("…[cut, 1048576 bytes]")
    assert len(shown(list(range(1_000_000)))) < 100_000
    assert memory.entries[0].metadata["_omitted"] > 900_000
    before = logs.repaired
    logs.log("info", "y" * (1 << 20), "s")
    assert logs.repaired == before + 1
    assert "cut" in memory.entries[-1].message


def test_repairs_are_counted(logs):
    assert logs.repaired == 0
    logs.log(LogLevel.INFO, "a\ud800", "s", plain=1)
    logs.log(LogLevel.INFO, "a", "s", nan=float("nan"))
    logs.log(LogLevel.INFO, "a", "s", fine="b")
    assert logs.repaired == 2


def test_messages_and_sources_of_any_kind(logs, memory):
    logs.log(LogLevel.INFO, None, 7)
    logs.log(LogLevel.INFO, Hostile(), "")
    logs.log(LogLevel.INFO, "", "lone \udcff")
    found = [(entry.message, entry.source) for entry in memory.entries]
    assert found == [("None", "7"), ("<unprintable Hostile>", ""), ("", "lone \ufffd")]


def test_secrets_are_hidden_at_any_depth(logs, memory):
    logs.log(LogLevel.INFO, "m", "s", api_key="k", max_tokens=5, deep=[{"authToken": 1, "user": "u"}])
    (entry,) = memory.entries
    assert entry.metadata == {
        "api_key": "[REDACTED]", "max_tokens": 5, "deep": [{"authToken": "[REDACTED]", "user": "u"}],
    }  # fmt: skip


def test_containers_that_change_meanwhile(shown):
    class Grows:
        def __init__(self, container):
            self.container = container

        def __str__(self):
            if isinstance(self.container, dict):
                self.container[len(self.container)] = 0
            else:
                self.container.append(0)
            return "grown"

    mapping = {}
    mapping.update(a=Grows(mapping), b=Grows(mapping), c=1)
    assert shown(mapping) == {"a": "grown", "b": "grown", "c": 1}
    sequence = []
    sequence += [Grows(sequence), 1]
    assert shown(sequence)[:2] == ["grown", 1]


def test_values_that_log_themselves(logs, memory):
    class Talks:
        def __str__(self):
            logs.log(LogLevel.INFO, "from within", "s")
            return "talked"

    logs.log(LogLevel.INFO, "outer", "s", it=Talks())
    assert [entry.message for entry in memory.entries] == ["from within", "outer"]


def test_an_interrupt_is_not_swallowed(logs):
    class Interrupted:
        def __str__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        logs.log(LogLevel.INFO, "m", "s", it=Interrupted())


def test_endless_str(shown):
    class Endless:
        def __str__(self):
            return str(self)

        __repr__ = __str__

    assert shown(Endless()) == "<unprintable Endless>"


def test_values_keep_no_references(logs):
    value = object()
    before = sys.getrefcount(value)
    for _ in range(1_000):
        logs.log(LogLevel.INFO, "m", "s", it=value, nested={"a": [value]})
    assert sys.getrefcount(value) == before


def test_many_threads():
    connector = MemoryConnector(max_events=100_000)
    logs = LogAggregator()
    logs.add_connector(connector)

    def run(number):
        for index in range(2_000):
            logs.log(LogLevel.INFO, "m", "s", thread=number, index=index)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [(entry.metadata["thread"], entry.metadata["index"]) for entry in connector.entries]
    assert len(found) == 16_000
    for number in range(8):
        assert [index for thread, index in found if thread == number] == list(range(2_000))
    logs.close_all()


class Lazy(collections.abc.Mapping):
    """Makes its entries when it is asked for them, and knows how often it was."""

    def __init__(self, length, fails_at=None, prefix=""):
        self.length, self.fails_at, self.prefix, self.asked = length, fails_at, prefix, 0

    def __len__(self):
        return self.length

    def __iter__(self):
        return (f"{self.prefix}{index:08}" for index in range(self.length))

    def __getitem__(self, key):
        self.asked += 1
        if self.asked == self.fails_at:
            raise OSError("gone")
        return "x" * 1_000


def test_a_lazy_mapping_is_read_as_far_as_there_is_room(shown, logs, memory):
    lazy = Lazy(10_000_000)
    found = shown(lazy)
    assert 150 < len(found) < 250 and lazy.asked <= len(found) + 1
    assert memory.entries[0].metadata["_omitted"] == lazy.length - len(found)
    logs.log(LogLevel.INFO, "m", "s", first=Lazy(10_000_000), second=lazy, third=Lazy(3))
    assert lazy.asked <= len(found) + 2
    # Hidden is not full.
    assert shown(Lazy(5, prefix="password_")) == dict.fromkeys((f"password_{index:08}" for index in range(5)), "[REDACTED]")


def test_a_lazy_mapping_that_fails(shown):
    """At once it is text, as anything else; later it ends where it fails, as a sequence does."""
    assert "test_values.Lazy object" in shown(Lazy(5, fails_at=1))
    assert len(shown(Lazy(5, fails_at=4))) == 3
    assert shown(Lazy(0)) == {}


def test_what_is_too_long_to_be_counted_is_cut_visibly(shown, memory):
    found = shown(range(10**30))
    assert found[:3] == [0, 1, 2] and len(found) < 100_000
    assert memory.entries[0].metadata["_omitted"] > 10**15
    assert memory.entries[0].metadata["it"] == found
    assert len(shown([[[range(10**30)], range(10**30)], range(10**30)])) > 0
