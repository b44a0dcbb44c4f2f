"""Forks, and the end of a process: nothing accepted is lost, and nothing hangs."""

import multiprocessing
import os
import signal
import time

import pytest

from nethical.integrations.logging_connectors import (
    AggregatorHandler,
    JSONFileConnector,
    LogAggregator,
    LogConnector,
    LogLevel,
    MemoryConnector,
)


def wait_for(pids, seconds=60):
    """The exit codes of children, all within the time."""
    deadline, codes = time.monotonic() + seconds, {}
    while len(codes) < len(pids):
        assert time.monotonic() < deadline, "a child hangs"
        for pid in set(pids) - set(codes):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                codes[pid] = os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return list(codes.values())


def in_child(work):
    """Fork, do it, and leave without the interpreter's end."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if work() in (None, True) else 2
        finally:
            os._exit(code)
    return pid


def test_eight_forked_writers_on_one_file(tmp_path, lines):
    path = tmp_path / "a.jsonl"
    logs = LogAggregator()
    logs.add_connector(JSONFileConnector(path, buffer_size=50))
    logs.log(LogLevel.INFO, "before", "parent")

    def write(number):
        for index in range(5_000):
            assert logs.log(LogLevel.INFO, "x" * (index % 200), "child", writer=number, index=index)
        return logs.close_all(60)

    children = [in_child(lambda number=number: write(number)) for number in range(8)]
    logs.log(LogLevel.INFO, "during", "parent")
    assert wait_for(children) == [0] * 8
    assert logs.close_all()
    found = lines(path)
    assert len(found) == 40_002
    for number in range(8):
        mine = [entry for entry in found if entry["metadata"].get("writer") == number]
        assert [entry["metadata"]["index"] for entry in mine] == list(range(5_000))
        assert len({entry["pid"] for entry in mine}) == 1
    assert len({entry["id"] for entry in found}) == 40_002
    assert [entry["message"] for entry in found if entry["source"] == "parent"] == ["before", "during"]


def test_a_child_leaves_its_parents_queue_alone(tmp_path, lines):
    path = tmp_path / "a.jsonl"
    logs = LogAggregator()
    logs.add_connector(JSONFileConnector(path, buffer_size=1_000))
    for index in range(100):
        logs.log(LogLevel.INFO, "parent", "s", index=index)
    assert wait_for([in_child(lambda: logs.flush_all()), in_child(lambda: logs.close_all())]) == [0, 0]
    assert logs.close_all()
    assert len(lines(path)) == 100


def test_forks_under_load(tmp_path):
    """Children of a process whose threads log all the time neither hang nor lose what they log."""
    import threading

    memory = MemoryConnector(max_events=10, when_full="block", max_queue=50)
    logs = LogAggregator()
    logs.add_connector(memory)
    logs.add_connector(JSONFileConnector(tmp_path / "a.jsonl", when_full="block", max_queue=20, buffer_size=5))
    stop = threading.Event()

    def load():
        while not stop.is_set():
            logs.log(LogLevel.INFO, "m", "s", a=1)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            def work():
                other = LogAggregator()
                other.add_connector(JSONFileConnector(tmp_path / "b.jsonl"))
                return logs.log(LogLevel.INFO, "child", "s") and other.log(LogLevel.INFO, "new", "s") and (
                    logs.flush_all(20) and other.close_all(20)
                )

            assert wait_for([in_child(work)], 30) == [0]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert logs.close_all()
    assert (tmp_path / "b.jsonl").read_text().count("\n") == 20


class Counts(LogConnector):
    def __init__(self, path):
        self.path = path

    def send(self, entry):
        with open(self.path, "a") as file:
            file.write(f"{os.getpid()} {entry.message}\n")
        return True


def test_connectors_in_python_work_in_children(tmp_path):
    path = tmp_path / "log"
    with LogAggregator() as logs:
        logs.add_connector(Counts(path))
        logs.log(LogLevel.INFO, "parent", "s")
        assert logs.flush_all()
        assert wait_for([in_child(lambda: logs.log(LogLevel.INFO, "child", "s") and logs.flush_all())]) == [0]
    assert sorted(line.split()[1] for line in path.read_text().splitlines()) == ["child", "parent"]
    assert len({line.split()[0] for line in path.read_text().splitlines()}) == 2


def test_a_connector_in_python_gets_what_is_logged_last(script, tmp_path):
    done = script("""
import os, warnings
from nethical.integrations.logging_connectors import *
warnings.simplefilter("ignore")
class Writes(LogConnector):
    def send(self, entry):
        with open("log", "a") as file:
            print(entry.message, file=file)
    def close(self):
        with open("log", "a") as file:
            print("closed", file=file)
logs = LogAggregator()
logs.add_connector(Writes())
if os.fork() == 0:
    logs.log(LogLevel.INFO, "child", "s")
    raise SystemExit
os.wait()
logs.log(LogLevel.INFO, "parent", "s")
""")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "log").read_text().split() == ["child", "closed", "parent", "closed"]


def log_from_child(logs, number):
    for index in range(490):
        assert logs.log(LogLevel.INFO, "m", "s", number=number, index=index)


def handle_in_child(handler, number):
    import logging

    logger = logging.getLogger("child")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.info("m", extra={"number": number})


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_deliver_at_their_end(tmp_path, lines, method):
    path = tmp_path / "a.jsonl"
    context = multiprocessing.get_context(method)
    logs = LogAggregator()
    logs.add_connector(JSONFileConnector(path))
    handler = AggregatorHandler(logs, level="INFO")
    children = [context.Process(target=log_from_child, args=(logs, number)) for number in range(3)]
    children.append(context.Process(target=handle_in_child, args=(handler, 3)))
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    logs.close_all()
    found = [entry["metadata"].get("number") for entry in lines(path)]
    assert [found.count(number) for number in range(4)] == [490, 490, 490, 1]


def test_pools(tmp_path, lines):
    path = tmp_path / "a.jsonl"
    logs = LogAggregator()
    logs.add_connector(JSONFileConnector(path))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.starmap(log_from_child, [(logs, number) for number in range(4)])
        pool.close()
        pool.join()
    logs.close_all()
    assert len(lines(path)) == 1_960


PRELUDE = """
import os, sys, threading, time
from nethical.integrations.logging_connectors import *
logs = LogAggregator()
"""


def test_the_end_of_a_program_delivers(script, tmp_path, lines):
    done = script(PRELUDE + """
logs.add_connector(JSONFileConnector("a.jsonl", buffer_size=10_000))
for index in range(20_000):
    logs.log(LogLevel.INFO, "m", "s", index=index)
""")  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(lines(tmp_path / "a.jsonl")) == 20_000


@pytest.mark.parametrize("ending", ["sys.exit(3)", "raise RuntimeError('x')"])
def test_other_ends_deliver_too(script, tmp_path, lines, ending):
    done = script(PRELUDE + f"""
logs.add_connector(JSONFileConnector("a.jsonl"))
logs.log(LogLevel.INFO, "m", "s")
{ending}
""")  # fmt: skip
    assert done.returncode in (1, 3)
    assert len(lines(tmp_path / "a.jsonl")) == 1


def test_a_forked_child_that_ends_normally_delivers(script, tmp_path, lines):
    done = script(PRELUDE + """
logs.add_connector(JSONFileConnector("a.jsonl"))
logs.log(LogLevel.INFO, "parent", "s")
import warnings
warnings.simplefilter("ignore")  # Newer versions warn of every fork beside a thread.
if os.fork() == 0:
    logs.log(LogLevel.INFO, "child", "s")
    sys.exit(0)
os.wait()
""")  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(entry["message"] for entry in lines(tmp_path / "a.jsonl")) == ["child", "parent"]


def test_what_cannot_be_delivered_is_named(script):
    done = script(PRELUDE + """
class Stuck(LogConnector):
    def send(self, entry):
        time.sleep(60)
logs.add_connector(Stuck())
for _ in range(3):
    logs.log(LogLevel.INFO, "m", "s")
""", timeout=20, NETHICAL_EXIT_TIMEOUT="0.5")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("nethical: 3 entries for Stuck not delivered") and "NETHICAL_EXIT_TIMEOUT" in line


def test_a_full_disk_is_named_at_the_end(script):
    if not os.path.exists("/dev/full"):
        pytest.fail("/dev/full is needed")
    done = script(PRELUDE + """
logs.add_connector(JSONFileConnector("/dev/full", name="audit"))
logs.log(LogLevel.INFO, "m", "s")
""", timeout=30, NETHICAL_EXIT_TIMEOUT="0.5")  # fmt: skip
    assert done.returncode == 0, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("nethical: 1 entry for audit not delivered: ") and "hint: " in last
    assert "space" in last


def test_ctrl_c_ends_a_wait(script):
    # A wait that the signal does not end is over before the time is up; anything else says where.
    done = script(PRELUDE + """
import faulthandler, signal
faulthandler.dump_traceback_later(50, exit=True)
# A process that was started in the background of a shell ignores the signal until it says otherwise.
signal.signal(signal.SIGINT, signal.default_int_handler)
class Stuck(LogConnector):
    def send(self, entry):
        time.sleep(60)
logs.add_connector(Stuck())
logs.log(LogLevel.INFO, "m", "s")
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    logs.flush_all(30)
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - start < 5)
""", timeout=60, NETHICAL_EXIT_TIMEOUT="0.2")  # fmt: skip
    assert done.stdout == "interrupted True\n", done


def test_threads_that_log_to_the_very_end(script):
    done = script(PRELUDE + """
logs.add_connector(MemoryConnector())
class Python(LogConnector):
    def send(self, entry):
        return True
logs.add_connector(Python())
def run():
    while True:
        logs.log(LogLevel.INFO, "m", "s")
for _ in range(4):
    threading.Thread(target=run, daemon=True).start()
time.sleep(0.3)
""", timeout=60, NETHICAL_EXIT_TIMEOUT="5")  # fmt: skip
    assert done.returncode == 0, done


def test_the_engine_needs_no_gil_to_deliver(script, tmp_path, lines):
    done = script(PRELUDE + """
logs.add_connector(JSONFileConnector("a.jsonl", when_full="block", max_queue=10, buffer_size=1))
def run():
    for index in range(2_000):
        assert logs.log(LogLevel.INFO, "m", "s", index=index)
threads = [threading.Thread(target=run) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert logs.close_all()
""")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(lines(tmp_path / "a.jsonl")) == 8_000


def test_a_receiver_that_leaves_ends_no_program_that_dies_of_broken_pipes(tmp_path):
    """Scripts that are to end quietly behind `| head` take the signal back to its default."""

    def write():
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        connector = JSONFileConnector(pipe)
        logs = LogAggregator()
        logs.add_connector(connector)
        logs.log(LogLevel.INFO, "read", "here")
        assert connector.flush(10) and os.read(reader, 4_096)
        os.close(reader)
        logs.log(LogLevel.INFO, "nobody reads", "here")
        return not connector.flush(1) and connector.status()["last_error"]

    assert wait_for([in_child(lambda: bool(write()))]) == [0]


def test_what_is_logged_after_the_end_is_said_to_be_lost(script, tmp_path, lines):
    """A handler that was registered before us comes after us. What it opens itself works as ever."""
    done = script("""
import atexit, logging
def late():
    print(logs.log("info", "late", "s"), logs.log("info", "later", "s"))
    logging.getLogger("app").warning("latest")
    with LogAggregator() as other:
        other.add_connector(JSONFileConnector("other.jsonl"))
        print(other.log("info", "in time", "s"))
atexit.register(late)
from nethical.integrations.logging_connectors import *
logs = LogAggregator()
logs.add_connector(JSONFileConnector("a.jsonl"))
logging.getLogger().addHandler(AggregatorHandler(logs))
logs.log("info", "m", "s")
""")  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "False False\nTrue\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("nethical: an entry was logged after everything was closed, and is lost")
    assert [len(lines(tmp_path / name)) for name in ("a.jsonl", "other.jsonl")] == [1, 1]


def test_ctrl_c_at_the_end_ends_the_wait_for_platforms(script, tmp_path, lines):
    done = script("""
import os, signal, threading, time
from nethical.integrations.logging_connectors import *
from nethical.integrations.ml_platforms import *
signal.signal(signal.SIGINT, signal.default_int_handler)
class Stuck(MLPlatformInterface):
    def start_run(self, experiment_name, run_name=None): return "r"
    def log_parameters(self, run_id, parameters): pass
    def log_metrics(self, run_id, metrics, step=None): time.sleep(60)
    def log_artifact(self, run_id, artifact_path): pass
    def end_run(self, run_id, status="completed"): pass
logs = LogAggregator()
logs.add_connector(JSONFileConnector("a.jsonl", buffer_size=10_000))
logs.log("info", "m", "s")
manager = MLPlatformManager()
manager.add_platform("p", Stuck())
manager.log_metrics_all({"p": "r"}, {"loss": 1})
def press():
    for _ in range(2):
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)
import atexit
atexit.register(threading.Thread(target=press, daemon=True).start)
""", timeout=30, NETHICAL_EXIT_TIMEOUT="100")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "1 call of p not done" in done.stderr
    assert len(lines(tmp_path / "a.jsonl")) == 1
