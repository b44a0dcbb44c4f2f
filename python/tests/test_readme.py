"""The Python examples of both READMEs run as they stand there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READMES = [ROOT / "README.md", ROOT / "python" / "README.md"]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_run(readme, tmp_path, script, hooks):
    """In a process of their own: what they leave open, such as a run on a server that is not there, ends with it."""
    (tmp_path / "nethical.toml").write_text('[logging.jsonl]\nfilepath = "logs/app.jsonl"\n', encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    code = "\n".join(blocks).replace("https://alerts.example.com", hooks.url)
    ended = script(code, NETHICAL_EXIT_TIMEOUT="2")
    assert ended.returncode == 0, ended.stderr
    if readme.parent.name == "python":
        assert "[MainThread] High memory usage" in (tmp_path / "logs" / "web.jsonl").read_text(encoding="utf-8")
        assert "started" in (tmp_path / "logs" / "async.jsonl").read_text(encoding="utf-8")
        assert "jsonl.is_directory" in ended.stdout
        sent = [request.json["event_type"] for request in hooks.requests]
        assert sorted(sent) == ["epoch_done", "high_error_rate", "model_deployed", "notification"]
    assert "High memory usage" in (tmp_path / "logs" / "app.jsonl").read_text(encoding="utf-8")


def test_the_snippets_work_one_after_the_other(tmp_path, script, lines):
    """What the first closes is not what the second logs to."""
    (tmp_path / "nethical.toml").write_text('[logging.jsonl]\nfilepath = "logs/app.jsonl"\n', encoding="utf-8")
    text = READMES[1].read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    ended = script("\n".join(blocks[:3]))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line["source"] for line in lines(tmp_path / "logs" / "app.jsonl")] == ["monitor", "app"]
