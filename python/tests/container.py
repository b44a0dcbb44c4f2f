"""Builds and runs the Dockerfile of the book without containers: what it names by path lies in a folder here.

`cargo xtask wheel` runs it, with the wheel that it has built. An empty environment stands in for the image of Python that the
file begins with; every instruction after that does what Docker would do.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "deployment.md"

# Folders of a container that may be named. Longer ones first: `/tmp/` is also in what they become.
FOLDERS = ("/var/lib/nethical", "/etc/nethical", "/tmp/dist")

TRAINER = """
import os, signal, sys
from nethical.integrations.logging_connectors import LogAggregator

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
logs = LogAggregator.from_config(os.environ["NETHICAL_CONFIG"])
logs.log("info", sys.argv[-1] if len(sys.argv) > 1 else "from the first", "trainer")
print("logged", flush=True)
if "STAY" in os.environ:
    sys.stdin.read()
"""


def check(holds: object, failure: str) -> None:
    if not holds:
        raise SystemExit(f"error: {failure}")


class Image:
    """What the instructions make."""

    def __init__(self, folder: Path, context: Path) -> None:
        self.root = folder / "root"
        self.context = context
        self.environment: dict[str, str] = {}
        self.volumes: list[Path] = []
        self.stop = signal.SIGTERM
        self.command: list[str] = []

    def here(self, text: str) -> str:
        """The text with the paths of a container as they are here."""
        return re.sub("|".join(FOLDERS), lambda found: f"{self.root}{found[0]}", text)

    def apply(self, line: str) -> None:
        word, rest = line.split(" ", 1)
        instruction = getattr(self, word.lower(), None)
        check(instruction, f"nobody knows the instruction {word} here")
        instruction(rest)

    def from_(self, image: str) -> None:
        """The interpreter that runs this stands in for one of the image, which must be one that the wheel is for."""
        found = re.fullmatch(r"python:3\.(\d+)-slim", image)
        check(found and int(found[1]) >= 10, f"{image} has no Python that the wheel is for")
        subprocess.run([sys.executable, "-m", "venv", self.root / "usr"], check=True)
        self.environment["PATH"] = f"{self.root / 'usr' / 'bin'}:/usr/bin:/bin"

    def copy(self, what: str) -> None:
        source, target = what.split(" ")
        shutil.copytree(self.context / source, self.here(target), dirs_exist_ok=True)

    def run(self, command: str) -> None:
        environment = {**self.environment, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
        subprocess.run(["sh", "-c", self.here(command)], env=environment, check=True)

    def env(self, assignments: str) -> None:
        self.environment.update(self.here(one).split("=", 1) for one in shlex.split(assignments))

    def volume(self, path: str) -> None:
        self.volumes.append(Path(self.here(path)))

    def stopsignal(self, name: str) -> None:
        self.stop = signal.Signals[name]

    def cmd(self, words: str) -> None:
        self.command = json.loads(words)

    def start(self, folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """A container of this image, with a new root but for its volumes."""
        for volume in self.volumes:
            volume.mkdir(parents=True, exist_ok=True)
        program = shutil.which(self.command[0], path=self.environment["PATH"])
        return subprocess.Popen(
            [str(program), *self.command[1:], *arguments], cwd=folder, env=self.environment | environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )


setattr(Image, "from", Image.from_)


def built(folder: Path, wheel: Path) -> Image:
    context = folder / "context"
    (context / "dist").mkdir(parents=True)
    shutil.copy(wheel, context / "dist")
    image = Image(folder, context)
    (text,) = re.findall(r"```dockerfile\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for line in text.splitlines():
        image.apply(line)
    return image


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        image = built(folder, Path(sys.argv[1]))
        (folder / "trainer.py").write_text(TRAINER, encoding="utf-8")
        config = Path(image.environment["NETHICAL_CONFIG"])
        config.parent.mkdir(parents=True)
        out = folder / "out.jsonl"
        config.write_text(f"[logging.out]\ntype = 'jsonl'\nfilepath = '{out}'\nspool = true\n", encoding="utf-8")

        # The receiver is down, and the container is stopped.
        os.symlink("/dev/full", out)
        first = image.start(folder, STAY="1", NETHICAL_EXIT_TIMEOUT="1")
        assert first.stdout is not None
        check(first.stdout.readline() == "logged\n", "the program of the container did not start")
        first.send_signal(image.stop)
        _, said = first.communicate(timeout=60)
        check(first.returncode == 0, f"the first container ended with {first.returncode}: {said}")
        check("1 entry for out not delivered" in said, f"the first container left nothing: {said}")
        (volume,) = image.volumes
        check(any(volume.rglob("*.seg")), f"nothing is in {volume}")

        # Another one delivers what it left, and its own.
        out.unlink()
        second = image.start(folder, "from the second")
        _, said = second.communicate(timeout=120)
        check(second.returncode == 0, f"the second container ended with {second.returncode}: {said}")
        found = sorted(json.loads(line)["message"] for line in out.read_text(encoding="utf-8").splitlines())
        check(found == ["from the first", "from the second"], f"{found} arrived")
    print("the Dockerfile of docs/deployment.md: what a container that was stopped left, the next one delivered")


if __name__ == "__main__":
    main()
