"""Looks a wheel over: what is in it, and that it works where nothing else is installed.

`cargo xtask wheel` runs it, in an empty environment into which the wheel was installed, outside of the repository.
"""

from __future__ import annotations

import json
import pkgutil
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from email.parser import Parser
from importlib import import_module
from pathlib import Path, PurePosixPath

# MB, so that nobody doubles it without a look.
LARGEST = 20
# The newest that it may need: Debian 12 and Ubuntu 22.10 have it, and all that came later.
NEWEST_GLIBC = (2, 36)
ROUNDS = 11

PACKAGE = {".py", ".pyi", ".so", ".typed"}
INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "LICENSE"}


def check(holds: object, failure: str) -> None:
    if not holds:
        raise SystemExit(f"error: {failure}")


def contents(archive: zipfile.ZipFile) -> None:
    """All that must be there, and nothing that nobody asked for."""
    names = [PurePosixPath(name) for name in archive.namelist()]
    strangers = [str(name) for name in names if not belongs(name)]
    check(not strangers, f"nobody knows {strangers} in the wheel")
    needed = ["nethical/__init__.py", "nethical/py.typed", "nethical/_core.pyi", "nethical/_core.abi3.so"]
    missing = [name for name in needed if PurePosixPath(name) not in names]
    check(not missing, f"{missing} are not in the wheel")
    check(any(name.name == "LICENSE" for name in names), "the license is not in the wheel")


def belongs(name: PurePosixPath) -> bool:
    if name.parts[0] == "nethical":
        return name.suffix in PACKAGE and "tests" not in name.parts
    is_info = re.fullmatch(r"nethical-[\d.]+\.dist-info", name.parts[0]) is not None
    # An inventory of what was built in stands in `sboms`.
    return is_info and (name.name in INFO or name.parts[1] == "sboms")


def tags(wheel: Path) -> str:
    """One wheel for every Python from 3.10 on, and how old a system may be."""
    found = re.fullmatch(r"nethical-[\d.]+-cp310-abi3-manylinux_(\d+)_(\d+)_(\w+)\.whl", wheel.name)
    check(found, f"{wheel.name} is not for every Python from 3.10 on, or for one system only")
    assert found is not None
    glibc = (int(found[1]), int(found[2]))
    check(found[3] == platform.machine(), f"{wheel.name} is for {found[3]}")
    check(glibc <= NEWEST_GLIBC, f"the wheel needs glibc {glibc}, and {NEWEST_GLIBC} is the newest that it may need")
    return ".".join(map(str, glibc))


def metadata(archive: zipfile.ZipFile) -> str:
    (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    found = Parser().parsestr(archive.read(name).decode())
    check(not found.get_all("Requires-Dist"), "the wheel needs other packages")
    check(found["License-Expression"] == "Apache-2.0", "the wheel does not say its license")
    check(found["Requires-Python"] == ">=3.10", "the wheel does not say which Python it needs")
    check("# nethical for Python" in str(found.get_payload()), "the wheel has no description")
    return str(found["Version"])


def imports(version: str) -> None:
    """Every module but that of pytest's fixtures, from where the wheel was installed."""
    package = import_module("nethical")
    for module in pkgutil.walk_packages(package.__path__, "nethical."):
        if module.name not in ("nethical.testing.fixtures", "nethical.__main__"):
            found = import_module(module.name).__file__
            check(str(found).startswith(sys.prefix), f"{module.name} came from elsewhere")
    check(package.__version__ == version, "the module and the wheel have different versions")


def command(version: str, folder: str) -> None:
    """The command that was installed beside this interpreter."""
    program = Path(sys.executable).with_name("nethical")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)

    check(run("--version").stdout == f"nethical {version}\n", "`nethical --version` says something else")
    check(run("bogus").returncode == 2, "`nethical bogus` is no wrong usage")
    ended = run("log", "--file", "app.jsonl", "disk at 91%", "disk=sda")
    check(ended.returncode == 0, f"`nethical log` failed: {ended.stderr}")
    line = json.loads((Path(folder) / "app.jsonl").read_text(encoding="utf-8"))
    check(line["metadata"] == {"disk": "sda"}, f"`nethical log` wrote {line}")


def milliseconds(*arguments: str | Path) -> float:
    """The median of some fresh processes."""
    spent = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True, timeout=300)
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent) * 1e3


def main() -> None:
    wheel = Path(sys.argv[1])
    glibc = tags(wheel)
    with zipfile.ZipFile(wheel) as archive:
        contents(archive)
        version = metadata(archive)
        unpacked = sum(one.file_size for one in archive.infolist())
        module = archive.getinfo("nethical/_core.abi3.so").file_size
        files = len(archive.infolist())
    size = wheel.stat().st_size
    check(size < LARGEST * 1e6, f"the wheel has {size / 1e6:.1f} MB, and {LARGEST} are allowed")
    with tempfile.TemporaryDirectory() as folder:
        imports(version)
        command(version, folder)
    bare = milliseconds(sys.executable, "-c", "")
    program = Path(sys.executable).with_name("nethical")
    print(f"{wheel.name}: {size / 1e6:.1f} MB, {files} files")
    print(f"unpacked {unpacked / 1e6:.1f} MB, of which the extension module {module / 1e6:.1f} MB; glibc {glibc} or later")
    print(f"an interpreter that does nothing {bare:.0f} ms, `nethical --version` {milliseconds(program, '--version'):.0f} ms")


if __name__ == "__main__":
    main()
