"""What several tests need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from webhook_server import Server

from nethical.integrations.logging_connectors import LogAggregator, MemoryConnector


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The entries in a file, each of which must be one whole line."""
    text = path.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test keeps what is kept on disk: never in the user's own state directory."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("NETHICAL_HOME", str(home))
    monkeypatch.delenv("NETHICAL_SPOOL", raising=False)
    return home


@pytest.fixture
def lines() -> Callable[[Path], list[dict[str, Any]]]:
    return read_lines


@pytest.fixture
def memory() -> Iterator[MemoryConnector]:
    with MemoryConnector() as connector:
        yield connector


@pytest.fixture
def logs(memory: MemoryConnector) -> Iterator[LogAggregator]:
    with LogAggregator() as aggregator:
        aggregator.add_connector(memory)
        yield aggregator


class Script:
    """Runs a program of its own, since the end of a process cannot be seen from within."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def _write(self, code: str) -> Path:
        path = self.folder / "script.py"
        path.write_text(textwrap.dedent(code), encoding="utf-8")
        return path

    def start(self, code: str, **env: str) -> subprocess.Popen[str]:
        """Start one that talks while it runs. It is killed at the end of the test at the latest."""
        child = subprocess.Popen(
            [sys.executable, str(self._write(code))],
            cwd=self.folder,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(child)
        return child

    def end(self) -> None:
        for child in self.started:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe:
                    pipe.close()

    def __call__(self, code: str, timeout: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
        path = self._write(code)
        return subprocess.run(
            [sys.executable, str(path)],
            cwd=self.folder,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    script = Script(tmp_path)
    yield script
    script.end()


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Waits until something is true, and gives it back."""

    def wait(look: Callable[[], Any], seconds: float = 20) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, "it did not come about in time"
            time.sleep(0.01)
        return found

    return wait


@pytest.fixture
def hooks() -> Iterator[Server]:
    """A receiver of webhooks."""
    server = Server()
    yield server
    server.close()
