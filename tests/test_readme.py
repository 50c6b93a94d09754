"""The README's Python runs as it stands, and its commands exist and take the options that it gives them."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from cape.commands import app, main

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE)
PYTHON = [block for language, block in BLOCKS if language == "python"]
LINES = [line for language, block in BLOCKS if not language for line in block.strip().splitlines()]


def test_blocks_are_python_or_commands() -> None:
    assert {language for language, _ in BLOCKS} == {"", "python"} and PYTHON and LINES


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_python_runs_as_it_stands(block: str, request: pytest.FixtureRequest) -> None:
    if "../shared" in block:
        shared = request.getfixturevalue("shared_data").parent
        block = block.replace("../shared", str(shared))
    command = [sys.executable, "-c", block]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_commands_exist_and_take_these_options(line: str) -> None:
    program, *words = shlex.split(line, comments=True)
    flags = {word for word in words if word.startswith("--")} - {"--help"}
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    elif program == "python":
        text = (ROOT / words[0]).read_text()
        assert all(f'"{flag}"' in text for flag in flags)
    elif program == "cape" and words != ["--help"]:
        main(["--help"])  # which registers the commands
        command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert not flags - known
    else:
        assert program in (".", "cape")
