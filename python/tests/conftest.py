"""What several tests need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nethical.integrations.logging_connectors import LogAggregator, MemoryConnector


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The entries in a file, each of which must be one whole line."""
    text = path.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


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

    def __call__(self, code: str, timeout: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
        path = self.folder / "script.py"
        path.write_text(textwrap.dedent(code), encoding="utf-8")
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
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)
