"""Runs in processes of their own."""

from pathlib import Path

import pytest

from cape.commands import jobs
from cape.errors import UsageError


@pytest.mark.parametrize(("given", "threads", "told"), [(None, 3, "3"), ("1", 3, "1"), ("8", 2, "2"), ("2,1", 3, "3")])
def test_threads_are_no_more_than_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str | None, threads: int, told: str
) -> None:
    """Two runs whose threads share cores take many times as long."""
    monkeypatch.setattr(jobs, "PROGRAM", "import os; print(os.environ['OMP_NUM_THREADS'])")
    if given is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    jobs.carry_out(tmp_path, [], title="a run", threads=threads)
    assert (tmp_path / "log.txt").read_text().strip() == told


def test_a_run_that_fails_tells_its_last_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jobs, "PROGRAM", "raise SystemExit('the last word')")
    with pytest.raises(UsageError, match="the last word"):
        jobs.carry_out(tmp_path, [], title="a run", threads=1)


def test_open_runs_are_counted_and_cores_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    assert jobs.left_open([1, 2, 3, 4], lambda each: each % 2 == 0 or each == 1, say=said.append) == [3]
    assert said == ["3 of 4 runs are complete."]
    monkeypatch.setattr(jobs.os, "cpu_count", lambda: 8)
    assert [jobs.threads_each(count) for count in (1, 3, 8, 9)] == [8, 2, 1, 1]
