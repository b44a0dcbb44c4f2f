"""The Python examples of the book run as they stand there."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


# The guide to alerts has a test of its own, with receivers.
PAGES = [page for page in sorted(DOCS.glob("*.md")) if blocks(page) and page.name != "alerts.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page, tmp_path, script):
    """In a process of their own, without credentials: what they leave open is left there with it."""
    (tmp_path / "nethical.toml").write_text('[logging.jsonl]\nfilepath = "logs/app.jsonl"\n', encoding="utf-8")
    code = "\n".join(blocks(page))
    ended = script(code, NETHICAL_EXIT_TIMEOUT="1", AWS_EC2_METADATA_DISABLED="true")
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
