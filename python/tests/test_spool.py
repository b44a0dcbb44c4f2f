"""What waits on disk: it outlives the process, and the next one delivers it."""

import json
import os
import pickle
import re
import signal
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

import nethical
from nethical.integrations.logging_connectors import (
    JSONFileConnector,
    LogAggregator,
    LogConnector,
    LogEntry,
    LogLevel,
    MemoryConnector,
)

PRELUDE = """
import os, sys, time
import nethical
from nethical.integrations.logging_connectors import *
logs = LogAggregator()

def outage(path):
    # A directory in the place of the file: nothing can be written until it is gone.
    os.remove(path)
    os.mkdir(path)
"""


def indices(entries):
    return [entry["metadata"]["index"] for entry in entries]


def spools(home):
    """The directories of processes in a home."""
    return [path for path in Path(home).iterdir() if re.fullmatch(r"[0-9a-f-]{36}", path.name)]


class Named(LogConnector):
    """Keeps what it gets; refuses what its ``refuses`` says."""

    def __init__(self, name, refuses=(), spool=None):
        self.name, self.refuses, self.spool, self.got = name, set(refuses), spool, []

    def send(self, entry):
        if entry.message in self.refuses:
            raise RuntimeError(f"cannot take {entry.message}")
        self.got.append(entry)
        return True


def test_an_outage_outlives_the_process(script, tmp_path, home, lines):
    path = tmp_path / "a.jsonl"
    done = script(PRELUDE + """
logs.add_connector(JSONFileConnector("a.jsonl", spool=True))
logs.log(LogLevel.INFO, "before", "s", index=-1)
assert logs.flush_all()
os.rename("a.jsonl", "before.jsonl")
os.mkdir("a.jsonl")
for index in range(500):
    assert logs.log(LogLevel.INFO, "m", "s", index=index)
""", NETHICAL_EXIT_TIMEOUT="0.5")  # fmt: skip
    assert done.returncode == 0, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("nethical: 500 entries for jsonl not delivered: ")
    (spool,) = spools(home)
    assert f"kept in {spool}, the next run or `nethical sync` sends them" in last and "hint: " in last
    path.rmdir()
    connector = JSONFileConnector(path, spool=True)
    assert connector.status()["key"].startswith("jsonl-")
    synced = nethical.sync(20)
    assert synced and synced.done and synced.left == [] and str(synced) == "nothing is left"
    assert indices(lines(path)) == list(range(500))
    status = connector.status()
    assert (status["accepted"], status["confirmed"], status["waiting"]) == (501, 501, 0)
    connector.close()


KILLED = PRELUDE + """
from pathlib import Path
mode = os.environ["MODE"]
class Down(LogConnector):
    name, spool, durability = "down", True, mode
    def send(self, entry):
        time.sleep(3600)
logs.add_connector(Down())
index = 0
while True:
    assert logs.log(LogLevel.INFO, "m", "s", index=index)
    index += 1
    if mode == "every":  # Each is promised when `log` returns.
        print(index, flush=True)
    elif index % 50 == 0:
        logs.flush_all(0.001)  # Not delivered, and promised all the same.
        print(index, flush=True)
"""  # fmt: skip


@pytest.mark.parametrize("mode", ["none", "interval", "every"])
def test_what_was_promised_survives_kill(script, mode):
    promised = 0
    for number in range(3):
        child = script.start(KILLED, MODE=mode)
        said = 0
        while said < 200:
            said = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split("\n")[:-1]
        child.wait()
        promised += int(rest[-1]) if rest else said
    connector = Named("down", spool=True)
    with LogAggregator() as logs:
        logs.add_connector(connector)
        assert nethical.sync(60)
        assert logs.flush_all(20)
    # Each child counts from 0: what it promised is there, in order, and whatever else it had on disk.
    by_pid = {}
    for entry in connector.got:
        by_pid.setdefault(entry.id, entry.metadata["index"])
    runs, found = [], list(by_pid.values())
    for index in found:
        if index == 0:
            runs.append(0)
        assert index == runs[-1]
        runs[-1] += 1
    assert len(runs) == 3 and sum(runs) >= promised


FORKED = PRELUDE + """
class Down(LogConnector):
    name, spool = "down", True
    def send(self, entry):
        time.sleep(3600)
logs.add_connector(Down())
logs.log(LogLevel.INFO, "m", "s", writer=-1, index=0)
logs.flush_all(0.001)
import warnings
warnings.simplefilter("ignore")
for writer in range(8):
    if os.fork() == 0:
        with open(f"promised-{writer}", "w") as promised:
            for index in range(100_000):
                assert logs.log(LogLevel.INFO, "m", "s", writer=writer, index=index)
                if index % 100 == 99:
                    logs.flush_all(0.001)
                    print(index + 1, file=promised, flush=True)
print("forked", flush=True)
time.sleep(3600)
"""


def test_eight_forked_writers_whose_parent_is_killed(script, tmp_path, eventually):
    parent = script.start(FORKED)
    assert parent.stdout.readline() == "forked\n"
    children = [int(pid) for pid in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
    assert len(children) == 8

    def promised():
        files = [tmp_path / f"promised-{writer}" for writer in range(8)]
        return [int((path.read_text().split() or [0])[-1]) if path.exists() else 0 for path in files]

    try:
        eventually(lambda: min(promised()) >= 200, 60)
        parent.kill()
        parent.wait()
        before = promised()
        # They go on without it, until they are killed as well.
        eventually(lambda: all(now > then for now, then in zip(promised(), before, strict=True)), 60)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(is_running(pid) for pid in children))
    connector = Named("down", spool=True)
    with LogAggregator() as logs:
        logs.add_connector(connector)
        synced = nethical.sync(120)
        assert synced, str(synced)
        assert logs.flush_all(20)
    got = {}
    for entry in connector.got:
        got.setdefault(entry.metadata["writer"], {})[entry.id] = entry.metadata["index"]
    assert len(got.pop(-1)) == 1
    for writer, count in enumerate(promised()):
        order = list(got[writer].values())
        assert order == list(range(len(order))) and len(order) >= count, writer


def is_running(pid):
    """Also while one of its threads still ends: until then it holds its locks."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state not in "ZX" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_off_is_off(monkeypatch, tmp_path, home):
    monkeypatch.setenv("NETHICAL_SPOOL", "off")
    refusing = Named("refusing", refuses=["bad"], spool=True)
    with JSONFileConnector(tmp_path / "a.jsonl", spool=True, durability="every") as connector:
        with LogAggregator() as logs:
            logs.add_connector(refusing)
            logs.log(LogLevel.INFO, "bad", "s")
            connector.send(LogEntry(datetime.now(), LogLevel.INFO, "m", "s"))
            assert logs.flush_all() and connector.flush()
            assert connector.status()["key"] is None and logs.status()[0]["dead_lettered"] == 1
    assert list(home.iterdir()) == [] and nethical.dead_letters() == []


def test_in_memory_unless_told_otherwise(tmp_path, home):
    logs = LogAggregator()
    for connector in (JSONFileConnector(tmp_path / "a.jsonl"), MemoryConnector(), Named("plain")):
        logs.add_connector(connector)
    logs.log(LogLevel.INFO, "m", "s")
    assert [(one["key"], one["directory"]) for one in logs.status()] == [(None, None)] * 3
    assert logs.close_all() and list(home.iterdir()) == []


def test_a_directory_of_ones_own(tmp_path, home, monkeypatch, lines):
    monkeypatch.chdir(tmp_path)
    first = JSONFileConnector("a.jsonl", spool=Path("own"), name="audit", durability="every")
    assert first.spool == str(tmp_path / "own") and first.durability == "every"
    second = pickle.loads(pickle.dumps(first))
    assert repr(second) == repr(first)
    status = first.status()
    assert status["key"] == "audit" and second.status()["key"] == "audit#2"
    assert Path(status["directory"]).parent == tmp_path / "own"
    first.send(LogEntry(datetime.now(), LogLevel.INFO, "m", "s"))
    first.close()
    second.close()
    assert len(lines(tmp_path / "a.jsonl")) == 1 and list(home.iterdir()) == []


def test_each_has_the_durability_that_it_asks_for(tmp_path):
    usual = JSONFileConnector(tmp_path / "a.jsonl", spool=True)
    safe = JSONFileConnector(tmp_path / "b.jsonl", spool=True, durability="every")
    places = [connector.status()["directory"] for connector in (usual, safe)]
    assert places[0] != places[1]
    usual.close()
    safe.close()


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"spool": 7}, TypeError, "True, False or a directory"),
        ({"spool": ""}, ValueError, "name a directory"),
        ({"spool": True, "durability": "always"}, ValueError, "'none', 'interval' or 'every'"),
        ({"durability": "every"}, ValueError, "spool=True"),
        ({"spool": False, "durability": "none"}, ValueError, "spool=True"),
    ],
)
def test_wrong_options(tmp_path, given, error, text):
    with pytest.raises(error, match=text):
        JSONFileConnector(tmp_path / "a.jsonl", **given)
    connector = Named("wrong")
    for name, value in given.items():
        setattr(connector, name, value)
    with pytest.raises(error, match=text):
        LogAggregator().add_connector(connector)


def test_a_home_that_cannot_be_used_is_told_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(nethical.UnavailableError, match="NETHICAL_HOME"):
        JSONFileConnector(tmp_path / "a.jsonl", spool=tmp_path / "file")


def test_connectors_without_a_name_are_known_by_what_they_are(tmp_path):
    class Anonymous(LogConnector):
        spool = True

        def send(self, entry):
            return True

    keys = []
    for path in ("a.jsonl", "b.jsonl", "a.jsonl"):
        with JSONFileConnector(tmp_path / path, spool=True) as connector:
            keys.append(connector.status()["key"])
    with LogAggregator() as logs:
        logs.add_connector(Anonymous())
        keys.append(logs.status()[0]["key"])
    assert keys[0] == keys[2] != keys[1]
    assert all(re.fullmatch(r"(jsonl|Anonymous)-[0-9a-f]{16}", key) for key in keys)
    assert str(tmp_path) not in "".join(keys)


def test_a_send_that_waits_for_the_disk_lets_others_run(tmp_path):
    """In mode `every` the interpreter's lock is free while `log` waits for the disk."""
    import threading

    with LogAggregator() as logs:
        logs.add_connector(JSONFileConnector(tmp_path / "a.jsonl", spool=True, durability="every"))
        ran, stop = [0], threading.Event()

        def count():
            while not stop.is_set():
                ran[0] += 1
                time.sleep(0)

        other = threading.Thread(target=count)
        other.start()
        import sys

        interval = sys.getswitchinterval()
        sys.setswitchinterval(60)  # Only who lets go of the lock lets others run.
        try:
            before = ran[0]
            for index in range(20):
                assert logs.log(LogLevel.INFO, "m", "s", index=index)
            assert ran[0] > before
        finally:
            sys.setswitchinterval(interval)
            stop.set()
            other.join()
        entries = [LogEntry(datetime.now(), LogLevel.INFO, "m", "s") for _ in range(5)]
        assert all(logs.log_entry(entry) for entry in entries)


LIVE = PRELUDE + """
logs.add_connector(JSONFileConnector("a.jsonl", spool=True, name="audit"))
logs.log(LogLevel.INFO, "m", "s")
assert logs.flush_all()
outage("a.jsonl")
for _ in range(7):
    logs.log(LogLevel.INFO, "m", "s")
logs.flush_all(0.5)
print("ready", flush=True)
sys.stdin.readline()
"""


def test_the_status_of_another_process(script, tmp_path, home, eventually):
    begun = datetime.now(timezone.utc)
    child = script.start(LIVE)
    assert child.stdout.readline() == "ready\n"

    def look():
        found = [one for one in nethical.status(all=True) if one["name"] == "audit"]
        return found[0] if found and found[0]["waiting"] == 7 and found[0]["down_since"] else None

    status = eventually(look)
    assert (status["pid"], status["running"], status["key"]) == (child.pid, True, "audit")
    assert (status["accepted"], status["confirmed"]) == (8, 1) and status["waiting_bytes"] > 0
    assert begun <= status["oldest"] <= status["down_since"] <= datetime.now(timezone.utc)
    assert status["down_for"] >= 0 and status["last_error"]["code"].startswith("jsonl.")
    assert [one for one in nethical.status() if one["name"] == "audit"] == []
    # Somebody else's home shows nothing of it.
    assert [one for one in nethical.status(all=True, home=tmp_path / "other") if one["name"] == "audit"] == []
    child.kill()
    child.wait()
    (left,) = [one for one in nethical.status(all=True) if one["name"] == "audit"]
    assert (left["pid"], left["running"], left["waiting"]) == (child.pid, False, 7)
    assert left["last_error"] and Path(left["directory"]).parent == home
    # Nobody here has it open, which is no reason to be silent about it.
    with JSONFileConnector(tmp_path / "b.jsonl", spool=True, name="other"):
        synced = nethical.sync(10)
        assert synced.done and [(one["name"], one["waiting"]) for one in synced.elsewhere] == [("audit", 7)]
        assert str(synced) == "left for connectors that are not open: 7 for audit"
        assert ("audit", 7) in [(one["name"], one["waiting"]) for one in nethical.status(all=True)]
    with JSONFileConnector(tmp_path / "c.jsonl", spool=True, name="audit"):
        assert nethical.sync(10) and nethical.sync(10).elsewhere == []
    assert (tmp_path / "c.jsonl").read_text().count("\n") == 7


def test_what_another_process_adopted_is_counted_once(script, tmp_path, home, eventually):
    child = script.start(LIVE)
    assert child.stdout.readline() == "ready\n"
    other = Named("other", spool=True)
    with LogAggregator() as logs:
        logs.add_connector(other)
        child.kill()
        child.wait()
        second = script.start(PRELUDE + """
JSONFileConnector("b.jsonl", spool=True, name="first")  # Takes a directory of its own, before it finds others.
connector = JSONFileConnector("c.jsonl", spool=True, name="audit")
outage("c.jsonl")
nethical.sync(0.1)
print("ready", flush=True)
sys.stdin.readline()
""")  # fmt: skip
        assert second.stdout.readline() == "ready\n"

        def look():
            return [one for one in nethical.status(all=True) if one["waiting"]]

        (status,) = eventually(lambda: [one for one in look() if one["pid"] == second.pid])
        assert (status["name"], status["waiting"]) == ("audit", 7) and len(look()) == 1
        assert nethical.sync(10).elsewhere == []
        # And when that one has ended as well, it goes on to the next.
        second.kill()
        second.wait()
        third = Named("audit", spool=True)
        logs.add_connector(third)
        assert nethical.sync(20) and len(third.got) == 7 and look() == []


def test_sync_says_what_is_left(tmp_path):
    path = tmp_path / "a.jsonl"
    connector = JSONFileConnector(path, spool=True, name="audit")
    path.unlink()
    path.mkdir()
    connector.send(LogEntry(datetime.now(), LogLevel.INFO, "m", "s"))
    synced = nethical.sync(0.2)
    assert not synced and [one["waiting"] for one in synced.left] == [1] and str(synced) == "left: 1 for audit"
    connector.close(0.1)
    (closed,) = nethical.sync(0.2).elsewhere
    assert closed["waiting"] == 1 and closed["running"]
    path.rmdir()
    with JSONFileConnector(path, spool=True, name="audit"):
        assert nethical.sync(10) and nethical.sync(10).elsewhere == []
    assert path.read_text().count("\n") == 1
    with pytest.raises(ValueError, match="home is for"):
        nethical.status(home=tmp_path)


REFUSES = PRELUDE + """
class Refuses(LogConnector):
    name = "picky"
    def send(self, entry):
        if entry.metadata["index"] % 2:
            raise RuntimeError("no odd ones")
logs.add_connector(Refuses())
for index in range(4):
    logs.log(LogLevel.WARNING, f"m{index}", "s", index=index)
assert logs.flush_all()
"""


def test_dead_letters_of_another_process(script, home):
    begun = datetime.now(timezone.utc)
    done = script(REFUSES)
    assert done.returncode == 0, done.stderr
    letters = nethical.dead_letters()
    assert [letter.entry["message"] for letter in letters] == ["m1", "m3"]
    first = letters[0]
    assert (first.destination, first.reason, first.attempts) == ("picky", "python.send_failed", 1)
    assert "RuntimeError: no odd ones" in first.answer and first.entry["id"] == first.id
    assert begun <= first.first <= first.last <= datetime.now(timezone.utc)
    assert LogEntry.from_json(json.dumps(first.entry)).metadata == {"index": 1}
    assert nethical.dead_letters("picky", id=first.id, reason=first.reason) == [first]
    assert nethical.dead_letters(limit=1) == [first] and nethical.dead_letters(limit=0) == []
    assert nethical.dead_letters("other") == nethical.dead_letters(since=datetime.now()) == []
    assert nethical.dead_letters(until=begun) == [] and len(nethical.dead_letters(since=begun)) == 2
    assert pickle.loads(pickle.dumps(first)) == first
    with pytest.raises(ValueError, match="limit"):
        nethical.dead_letters(limit=-1)


def test_a_dead_letter_is_replayed_with_its_id(script, tmp_path, lines):
    assert script(REFUSES).returncode == 0
    one, other = nethical.dead_letters()
    target = Named("target", refuses=["m3"])
    with JSONFileConnector(tmp_path / "a.jsonl") as file:
        assert nethical.replay(one, target) is True
        assert [entry.id for entry in target.got] == [one.id]
        assert nethical.dead_letters() == [other]
        # Refused again: both who refused it have a dead letter of it.
        assert other.replay(target) is False
        assert [(letter.destination, letter.id) for letter in nethical.dead_letters()] == [
            ("picky", other.id),
            ("target", other.id),
        ]
        assert other.replay(file)
        assert lines(tmp_path / "a.jsonl") == [other.entry]
    (last,) = nethical.dead_letters()
    last.drop()
    assert nethical.dead_letters() == []
    with pytest.raises(nethical.ClosedError):
        last.replay(file)


def test_a_letter_refused_again_by_the_same_is_there_once(tmp_path):
    picky = Named("picky", refuses=["bad"])
    with LogAggregator() as logs:
        logs.add_connector(picky)
        logs.log(LogLevel.INFO, "bad", "s")
        assert logs.flush_all()
        (letter,) = nethical.dead_letters()
        assert letter.replay(picky) is False
        (again,) = nethical.dead_letters()
        assert again.id == letter.id and again.last > letter.last
        picky.refuses.clear()
        assert again.replay(picky) is True and nethical.dead_letters() == []
        assert [entry.id for entry in picky.got] == [letter.id]


def test_a_letter_stays_until_it_has_arrived(tmp_path):
    path = tmp_path / "a.jsonl"
    picky, file = Named("picky", refuses=["bad"]), JSONFileConnector(path, spool=True)
    with LogAggregator() as logs:
        logs.add_connector(picky)
        logs.log(LogLevel.INFO, "bad", "s")
    path.unlink()
    path.mkdir()
    (letter,) = nethical.dead_letters()
    assert letter.replay(file, timeout=0.2) is False and nethical.dead_letters() == [letter]
    path.rmdir()
    assert letter.replay(file) is True and nethical.dead_letters() == []
    file.close()


def test_the_end_of_a_program_knows_what_was_closed_before(script):
    code = PRELUDE + """
connector = JSONFileConnector("a.jsonl", spool=True, name="audit")
outage("a.jsonl")
logs.add_connector(connector)
logs.log(LogLevel.INFO, "m", "s")
logs.close_all(0.1)
if os.environ.get("AGAIN"):
    os.rmdir("a.jsonl")
    again = JSONFileConnector("a.jsonl", spool=True, name="audit")
"""
    start = time.monotonic()
    done = script(code, NETHICAL_EXIT_TIMEOUT="20")
    assert "nethical: 1 entry for audit not delivered: " in done.stderr and time.monotonic() - start < 15
    os.rmdir(script.folder / "a.jsonl")
    done = script(code, NETHICAL_EXIT_TIMEOUT="20", AGAIN="1")
    assert done.returncode == 0 and "not delivered" not in done.stderr
    assert (script.folder / "a.jsonl").read_text().count("\n") == 2


def test_the_end_of_a_program_names_what_only_it_can_send(script, home):
    done = script(PRELUDE + """
class Stuck(LogConnector):
    spool = True
    def send(self, entry):
        time.sleep(60)
logs.add_connector(Stuck())
for _ in range(3):
    logs.log(LogLevel.INFO, "m", "s")
""", timeout=20, NETHICAL_EXIT_TIMEOUT="0.5")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    (spool,) = spools(home)
    assert line.startswith("nethical: 3 entries for Stuck not delivered within NETHICAL_EXIT_TIMEOUT")
    assert line.endswith(f"; kept in {spool}, the next run sends them")
    (left,) = nethical.status(all=True)[-1:]
    assert (left["waiting"], left["running"]) == (3, False)


def test_a_program_that_goes_elsewhere_keeps_its_home(script):
    done = script(PRELUDE + """
logs.add_connector(SyslogConnector("127.0.0.1", 9, protocol="TCP", name="s"))
os.mkdir("elsewhere")
os.chdir("elsewhere")
logs.log(LogLevel.INFO, "m", "s")
logs.flush_all(0.1)
""", NETHICAL_HOME="relative", NETHICAL_EXIT_TIMEOUT="0.1")  # fmt: skip
    assert "kept in" in done.stderr
    (left,) = nethical.status(all=True, home=script.folder / "relative")[-1:]
    assert left["waiting"] == 1


def test_a_home_that_cannot_be_is_told(script):
    done = script(PRELUDE + """
logs.add_connector(SyslogConnector("127.0.0.1", 9, protocol="TCP", name="s"))
logs.log(LogLevel.INFO, "m", "s")
""", NETHICAL_HOME="/dev/null", NETHICAL_EXIT_TIMEOUT="0.1")  # fmt: skip
    assert "s: events wait in memory only: " in done.stderr


def test_a_full_disk_is_not_said_to_have_kept_everything(script):
    """Files that may not grow are a disk that is full."""
    done = script("""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
""" + PRELUDE + """
logs.add_connector(SyslogConnector("127.0.0.1", 9, protocol="TCP", name="s"))
for index in range(2_000):
    logs.log("info", "m" * 200, "s")
""", NETHICAL_EXIT_TIMEOUT="2")  # fmt: skip
    last = done.stderr.splitlines()[-1]
    assert last.startswith("nethical: 2000 entries for s not delivered")  # With the error, if there was time for one.
    assert "; the disk did not take all of them, what it took is kept in " in last


def test_where_nothing_is_left_nothing_is_said(script):
    """A connector that does not come to its end, but has taken everything."""
    done = script(PRELUDE + """
class Fine(LogConnector):
    name = "fine"
    def send(self, entry):
        return True
    def close(self):
        time.sleep(60)
logs.add_connector(Fine())
logs.log("info", "m", "s")
assert logs.flush_all()
""", NETHICAL_EXIT_TIMEOUT="0.3")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
