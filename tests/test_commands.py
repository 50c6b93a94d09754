"""The `cape` program as a whole."""

from importlib.metadata import version

import pytest

from cape.commands import main


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"cape {version('cape-pose')}"
