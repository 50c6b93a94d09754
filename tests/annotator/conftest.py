"""An open project with six pictures, for the tests of the annotator."""

from collections.abc import Iterator
from pathlib import Path

import annotating
import pytest


@pytest.fixture
def project(tmp_path: Path) -> Iterator[annotating.Project]:
    opened = annotating.Project(tmp_path / "project", pictures=6)
    yield opened
    opened.close()
