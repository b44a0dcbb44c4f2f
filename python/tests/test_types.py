"""What type checkers say: of the package, of programs that use it, and of the stub of the extension module."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TYPED = ROOT / "python" / "tests" / "typed"
DOCUMENTS = [ROOT / "README.md", ROOT / "python" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# Blocks of a document import for their readers what others may have imported, or may not use.
OF_DOCUMENTS = ("reportUnusedImport", "reportDuplicateImport")


def run(*command, cwd):
    """In the environment of this Python: Pyright looks for packages by way of PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "NO_COLOR": "1", "MYPY_FORCE_COLOR": "0"}
    return subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)


def mypy(*arguments, cwd):
    return run(sys.executable, "-m", "mypy", "--no-incremental", *arguments, cwd=cwd)


def pyright(*arguments, cwd):
    modules = os.environ.get("NETHICAL_NODE_MODULES")
    assert modules, "NETHICAL_NODE_MODULES is not set: run `cargo xtask test --only python`"
    program = Path(modules) / "pyright" / "index.js"
    return run("node", program, "--pythonpath", sys.executable, *arguments, cwd=cwd)


def examples():
    """The Python of each document as one program, as when it is run."""
    for document in DOCUMENTS:
        blocks = re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
        if blocks:
            yield "_".join(document.relative_to(ROOT).with_suffix(".py").parts), "\n".join(blocks)


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """By file, the lines in which mypy and in which Pyright find errors, with what they say. Both are as strict as can be."""
    folder = tmp_path_factory.mktemp("typed")
    programs = {path.name: path.read_text(encoding="utf-8") for path in TYPED.glob("*.py")} | dict(examples())
    for name, text in programs.items():
        (folder / name).write_text(text, encoding="utf-8")
    config = {"include": ["."], "typeCheckingMode": "strict", "pythonVersion": "3.10"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    said = mypy("--strict", "--python-version", "3.10", "--config-file=", *programs, cwd=folder)
    assert said.returncode == 1 and not said.stderr, said.stdout + said.stderr
    found = {name: ({}, {}) for name in programs}
    for name, line, text in re.findall(r"^(\w+\.py):(\d+): error: (.*)", said.stdout, re.MULTILINE):
        found[name][0][int(line)] = text
    for one in json.loads(pyright("-p", folder, "--outputjson", cwd=folder).stdout)["generalDiagnostics"]:
        if one["severity"] == "error" and one.get("rule") not in OF_DOCUMENTS:
            found[Path(one["file"]).name][1][one["range"]["start"]["line"] + 1] = one["message"]
    return found


def test_the_stub_is_the_module(tmp_path):
    """Every name, parameter and default of the extension module, and none that it has not."""
    ended = run(sys.executable, "-m", "mypy.stubtest", "nethical._core", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_package():
    ended = mypy(cwd=ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ended = pyright("-p", ROOT, cwd=ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_everything_public_has_a_type(tmp_path):
    ended = pyright("--verifytypes", "nethical", "--ignoreexternal", "--outputjson", cwd=tmp_path)
    found = json.loads(ended.stdout)["typeCompleteness"]
    lacking = [symbol["name"] for symbol in found["symbols"] if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]]
    assert lacking == [] and found["completenessScore"] == 1
    assert len(found["modules"]) >= 9


def test_programs_with_types(findings):
    programs = {name: found for name, found in findings.items() if name != "wrong.py"}
    assert len(programs) >= 4
    assert {name: found for name, found in programs.items() if found != ({}, {})} == {}


def test_mistakes_are_found(findings):
    text = (TYPED / "wrong.py").read_text(encoding="utf-8")
    wrong = {number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# wrong")}
    assert wrong
    by_mypy, by_pyright = findings["wrong.py"]
    assert set(by_mypy) == wrong
    assert set(by_pyright) == wrong


@pytest.mark.parametrize("name", ["py.typed", "_core.pyi"])
def test_the_installed_package_says_that_it_has_types(name):
    import nethical

    assert (Path(nethical.__file__).parent / name).is_file()
