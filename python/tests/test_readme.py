"""The Python examples of both READMEs run as they stand there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READMES = [ROOT / "README.md", ROOT / "python" / "README.md"]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_run(readme, tmp_path, monkeypatch, hooks):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nethical.toml").write_text('[logging.jsonl]\nfilepath = "logs/app.jsonl"\n', encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        block = block.replace("https://alerts.example.com", hooks.url)
        exec(compile(block, str(readme), "exec"), names)
    if readme.parent.name == "python":
        sent = [request.json["event_type"] for request in hooks.requests]
        assert sorted(sent) == ["epoch_done", "high_error_rate", "model_deployed", "notification"]
    assert "High memory usage" in (tmp_path / "logs" / "app.jsonl").read_text(encoding="utf-8")
