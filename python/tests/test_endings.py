"""A run that is open when the program ends, ends like it."""

import json
import subprocess
import sys
import textwrap

import pytest

PLATFORMS = {
    "memory": "InMemoryIntegration()",
    "mlflow": 'MLflowIntegration("sqlite:///mlflow.db", start_timeout=30)',
    "wandb": 'WandBIntegration("p", mode="offline", directory=".")',
}

PROGRAM = """
import argparse, atexit, multiprocessing, sys, threading

# Asked for last: what was registered first.
atexit.register(lambda: tell())

from nethical.integrations.ml_platforms import InMemoryIntegration, MLflowIntegration, WandBIntegration

platform = {platform}
run_id = platform.start_run("ends", "r")
platform.log_metrics(run_id, {{"loss": 1.0}})

def tell():
    print(platform.get_run(run_id).status.value)

{end}
"""


def ended(script, end, platform="memory"):
    done = script(PROGRAM.format(platform=PLATFORMS[platform], end=textwrap.dedent(end)))
    return done.stdout.strip(), done


@pytest.mark.parametrize(
    ("end", "code", "status"),
    [
        ("", 0, "completed"),
        ("sys.exit()", 0, "completed"),
        ("sys.exit(0)", 0, "completed"),
        ("sys.exit(False)", 0, "completed"),
        ("sys.exit(3)", 3, "failed"),
        ("sys.exit('no luck')", 1, "failed"),
        ("sys.exit(0.0)", 1, "failed"),
        ("argparse.ArgumentParser().error('no luck')", 2, "failed"),
        ("try:\n    sys.exit(3)\nfinally:\n    platform.set_tags(run_id, {'a': 1})", 3, "failed"),
        ("def main():\n    sys.exit(3)\nmain()", 3, "failed"),
        # Caught, whether at the top or below, in front of an end of another kind.
        ("try:\n    sys.exit(3)\nexcept SystemExit:\n    pass", 0, "completed"),
        ("def main():\n    try:\n        sys.exit(3)\n    except SystemExit:\n        pass\nmain()", 0, "completed"),
        ("try:\n    sys.exit(3)\nexcept SystemExit:\n    sys.exit(0)", 0, "completed"),
        ("try:\n    sys.exit(0)\nexcept SystemExit:\n    raise ValueError", 1, "failed"),
        ("try:\n    sys.exit(3)\nexcept SystemExit:\n    raise KeyboardInterrupt", -2, "killed"),
        # What it returns is an exit code.
        ("def main():\n    platform.resume_run(run_id)\n    return 3\nsys.exit(main())", 3, "failed"),
        # One that is caught says nothing of the next.
        ("try:\n    sys.exit(3)\nexcept SystemExit:\n    pass\nraise SystemExit(0)", 0, "completed"),
        ("kept = []\ntry:\n    sys.exit(3)\nexcept SystemExit as error:\n    kept = [error]", 0, "completed"),
        ("import gc\ndef main():\n    try:\n        sys.exit(3)\n    except SystemExit as error:\n        kept = error\n"
         "main()\ngc.collect()\nraise SystemExit(0)", 0, "completed"),
        ("sys.exit(256)", 0, "completed"),
        ("thread = threading.Thread(target=lambda: sys.exit(3))\nthread.start()\nthread.join()", 0, "completed"),
    ],
)  # fmt: skip
def test_an_exit_code_tells_whether_the_program_failed(script, end, code, status):
    found, done = ended(script, end)
    assert (found, done.returncode) == (status, code), done.stderr


def test_a_module_ends_alike(script, tmp_path):
    (tmp_path / "train.py").write_text(PROGRAM.format(platform=PLATFORMS["memory"], end="sys.exit(3)"))
    command = [sys.executable, "-m", "train"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("failed", 3), done.stderr


def test_others_who_watch_are_called_too(script):
    end = """
    given = sys.exit
    sys.exit = lambda code: given(code + 1)
    other = InMemoryIntegration()
    other.start_run("second")
    other.start_run("third")
    sys.exit(3)
    """
    found, done = ended(script, end)
    assert (found, done.returncode) == ("failed", 4), done.stderr


FIRST = """
import sys
from nethical.integrations.ml_platforms import MLflowIntegration

def main():
    platform = MLflowIntegration("sqlite:///mlflow.db", start_timeout=30)
    platform.start_run("ends", "r")
    {end}

sys.exit(main())
"""


@pytest.mark.parametrize(
    ("end", "code", "status"),
    [("globals()['kept'] = platform; return 4", 4, "failed"), ("return 0", 0, "completed")],
)
def test_an_exit_that_is_looked_up_before_the_first_run_is_seen(script, tmp_path, end, code, status):
    done = script(FIRST.format(end=end))
    assert (done.returncode, done.stderr) == (code, "")
    listing = [sys.executable, "-m", "nethical", "runs", "list", "--json"]
    listed = subprocess.run(listing, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert [run["status"] for run in json.loads(listed.stdout)] == [status]


def test_the_exit_of_the_interpreter_stays_itself(script):
    end = """
    import pickle
    assert pickle.loads(pickle.dumps(sys.exit)) is sys.exit and "exit" in sys.exit.__doc__
    child = multiprocessing.get_context("spawn").Process(target=sys.exit, args=(4,))
    if __name__ == "__main__":
        child.start()
        child.join()
        assert child.exitcode == 4
    """
    found, done = ended(script, end)
    assert (set(found.split()), done.returncode) == ({"completed"}, 0), done.stderr


def test_an_exit_that_was_caught_keeps_no_platform(script):
    done = script("""
import sys, weakref
from nethical.integrations.ml_platforms import InMemoryIntegration

def work():
    platform = InMemoryIntegration()
    platform.start_run("ends", "r")
    try:
        sys.exit(3)
    except SystemExit:
        return weakref.ref(platform)

assert work()() is None
""")
    assert done.returncode == 0, done.stderr


LOCAL = """
import sys
from nethical.integrations.ml_platforms import MLflowIntegration, WandBIntegration

def main():
    platform = {platform}
    run_id = platform.start_run("ends", "r")
    platform.log_metrics(run_id, {{"loss": 1.0}})
    sys.exit({code})

main()
"""


@pytest.mark.parametrize("platform", ["mlflow", "wandb"])
@pytest.mark.parametrize(("code", "status"), [(3, "failed"), (0, "completed")])
def test_what_is_kept_says_so(script, tmp_path, platform, code, status):
    """Also where nothing but the function that called ``sys.exit`` held the platform."""
    done = script(LOCAL.format(platform=PLATFORMS[platform], code=code))
    assert (done.returncode, done.stderr) == (code, "")
    listing = [sys.executable, "-m", "nethical", "runs", "list", "--json"]
    listed = subprocess.run(listing, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert [(run["platform"], run["status"]) for run in json.loads(listed.stdout)] == [(platform, status)]


CHILD = """
import multiprocessing, sys
from nethical.integrations.ml_platforms import MLflowIntegration

def work():
    global platform
    platform = MLflowIntegration("sqlite:///mlflow.db", start_timeout=30)
    platform.start_run("ends", "r")
    {end}

if __name__ == "__main__":
    child = multiprocessing.get_context({method!r}).Process(target=work)
    child.start()
    child.join()
"""


CAUGHT = "try: sys.exit(3)\n    except SystemExit: pass"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("pass", "completed"),
        ("sys.exit(0)", "completed"),
        (CAUGHT, "completed"),
        ("sys.exit(3)", "failed"),
        ("raise ValueError", "failed"),
    ],
)
def test_children_of_multiprocessing_end_their_runs_as_they_end(script, tmp_path, method, end, status):
    done = script(CHILD.format(end=end, method=method))
    assert done.returncode == 0, done.stderr
    listing = [sys.executable, "-m", "nethical", "runs", "list", "--json"]
    listed = subprocess.run(listing, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert [run["status"] for run in json.loads(listed.stdout)] == [status]
