"""The `nethical` command that comes with the package."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import nethical

COMMAND = [sys.executable, "-m", "nethical"]


@pytest.fixture
def command(tmp_path):
    """Runs it in a folder where it finds nothing."""
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}

    def run(*arguments, stdin=""):
        return subprocess.run(
            [*COMMAND, *arguments], cwd=tmp_path, env=env, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )

    return run


def test_it_is_installed_beside_the_interpreter():
    (script,) = entry_points(group="console_scripts", name="nethical") or [None]
    program = shutil.which("nethical", path=str(Path(sys.executable).parent))
    assert script is not None and program is not None
    ended = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"nethical {nethical.__version__}\n")


def test_results_and_exit_codes(command, tmp_path, lines):
    ended = command("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"nethical {nethical.__version__}\n", "")
    ended = command("bogus")
    assert ended.returncode == 2 and "unrecognized subcommand 'bogus'" in ended.stderr and ended.stdout == ""
    assert "Usage: nethical " in ended.stderr
    ended = command("log", "--file", "app.jsonl", "--level", "warning", "disk at 91%", "disk=sda")
    assert ended.returncode == 0, ended.stderr
    (line,) = lines(tmp_path / "app.jsonl")
    assert (line["message"], line["metadata"]) == ("disk at 91%", {"disk": "sda"})
    ended = command("log", "--file", "app.jsonl", "--stdin", stdin="a\nb\n")
    assert ended.returncode == 0, ended.stderr
    assert [line["message"] for line in lines(tmp_path / "app.jsonl")][1:] == ["a", "b"]
    (tmp_path / "nethical.toml").write_text("[logging.jsonl]\nfilepth = 'x'\n")
    ended = command("check")
    assert ended.returncode == 2 and "did you mean `filepath`" in ended.stderr


def test_what_is_kept_for_later_is_not_waited_for_at_the_end(command, tmp_path):
    """The end of a Python program would wait up to 30 seconds more, and say again what is left."""
    (tmp_path / "nethical.toml").write_text('[alerts.http]\nurl = "http://127.0.0.1:9/"\n')
    ended = command("alert", "--no-wait", "--severity", "error", "--title", "disk full")
    assert ended.returncode == 75, ended.stderr
    assert "kept for later" in ended.stdout and "NETHICAL_EXIT_TIMEOUT" not in ended.stderr
    assert json.loads(command("status", "--json").stdout)["total"]["waiting"] == 1


def test_arguments_that_are_no_text(command, tmp_path):
    path = os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff.jsonl")
    assert command("log", "--file", path, "m").returncode == 0
    assert os.path.exists(path)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_good_order(number, code, tmp_path, lines, eventually):
    path = tmp_path / "app.jsonl"
    with subprocess.Popen(
        [*COMMAND, "log", "--stdin", "--file", str(path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        child.stdin.write(b"one\n")
        child.stdin.flush()
        eventually(lambda: path.exists() and lines(path), seconds=60)
        child.send_signal(number)
        assert child.wait(60) == code
    assert [line["message"] for line in lines(path)] == ["one"]


def test_ctrl_c_ends_what_has_no_good_order(tmp_path, eventually):
    """As it ends the binary, also while the command waits without looking."""
    fifo = tmp_path / "fifo.toml"
    os.mkfifo(fifo)
    with subprocess.Popen([*COMMAND, "--config", str(fifo), "check"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        # It has opened the file once this comes back, and waits for what is in it.
        writer = os.open(fifo, os.O_WRONLY)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == -signal.SIGINT
        os.close(writer)


def test_a_reader_that_has_gone_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run([*COMMAND, "destinations"], stdout=writing, stderr=subprocess.PIPE, timeout=120, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_colour_only_on_a_terminal(command):
    """What stands on a terminal is coloured as by the binary."""
    primary, secondary = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
    ended = subprocess.run([*COMMAND, "bogus"], stdin=secondary, stdout=secondary, stderr=secondary, env=env, timeout=120, check=False)
    shown = os.read(primary, 4096)
    os.close(primary)
    os.close(secondary)
    assert ended.returncode == 2 and b"\x1b[" in shown
    assert "\x1b[" not in command("bogus").stderr
