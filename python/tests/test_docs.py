"""The Python examples of the book run as they stand there, and Kubernetes knows every word of its pod."""

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page: Path, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


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


@pytest.fixture
def pod():
    (text,) = blocks(DOCS / "deployment.md", "yaml")
    return yaml.safe_load(text)


def test_the_pod_is_one_that_kubernetes_takes(pod):
    """By the schemas of its latest release, which know no other fields."""
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
    mounted = [container["volumeMounts"][0]["name"] for container in pod["spec"]["containers"]]
    assert mounted == [volume["name"] for volume in pod["spec"]["volumes"]] * 2


def test_a_pod_with_a_slip_is_none(pod):
    pod["spec"]["containers"][0]["volumeMount"] = pod["spec"]["containers"][0].pop("volumeMounts")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
