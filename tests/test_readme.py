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
FILES = {found[1]: block for language, block in BLOCKS if (found := re.match(r"# (\w+\.py)\n", block))}
PYTHON = [block for language, block in BLOCKS if language == "python" and block not in FILES.values()]
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


def test_a_part_of_ones_own_is_built_and_run(tmp_path: Path) -> None:
    """The files as they stand, beside the configs; `describe` takes every part through a forward."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    script = """if True:
        from cape.commands import main
        assert main(["describe", "my_lite.py"]) == 0
        from cape.configuration import load_config
        from cape.engine import make_model
        print(make_model(load_config("my_lite.py")).decoder)
    """
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Trained:" in done.stdout and "MeanOfNeighbours" in done.stdout


def test_the_figure_is_there_and_small() -> None:
    figures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert figures and all(0 < (ROOT / figure).stat().st_size < 150_000 for figure in figures)


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_commands_exist_and_take_these_options(line: str) -> None:
    program, *words = [word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z]+=", word)]
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
