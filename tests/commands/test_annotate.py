"""`cape annotate`: what it hands to the server, the sample, and what it says where there is no server."""

import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cape.annotator import server
from cape.commands.annotate import main


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, dict[str, Any]]]:
    calls: list[tuple[Path, dict[str, Any]]] = []
    monkeypatch.setattr(server, "serve", lambda folder, **options: calls.append((folder, options)))
    return calls


def test_it_serves_the_folder(served: list, tmp_path: Path) -> None:
    assert main([str(tmp_path), "--port", "0", "--no-browser", "--model", "none"]) == 0
    ((folder, options),) = served
    assert (folder, options["make"], options["port"], options["browser"]) == (tmp_path, None, 0, False)


def test_the_sample_is_drawn_once(served: list, tmp_path: Path) -> None:
    for _ in range(2):
        assert main([str(tmp_path / "sample"), "--sample"]) == 0
    pictures = sorted((tmp_path / "sample" / "pictures").glob("*.png"))
    assert len(pictures) == 12
    with Image.open(pictures[0]) as picture:
        assert picture.size == (320, 320)
    assert callable(served[0][1]["make"])


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("x")
    assert main([str(tmp_path / "file"), "--no-browser", "--model", "none", "--port", "0"]) == 1
    assert "UsageError" in capsys.readouterr().err


def test_without_the_servers_packages_it_says_how_to_install_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.startswith("cape.annotator")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main([str(tmp_path), "--model", "none"]) == 1
    assert "cape-pose[web]" in capsys.readouterr().err
