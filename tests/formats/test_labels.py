"""`cape.formats`: what every format promises alike, and what labels are legal."""

import inspect
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import FITTING, Taste, assert_same, built, drafts, draw_pictures, fitting_labels, small_labels

from cape import files
from cape.errors import AnnotationError, FormatError, UsageError
from cape.formats import FORMATS, LabelledPose, Labels, PictureLabels, check_labels, read, write
from cape.skeleton import Skeleton

EACH = pytest.mark.parametrize("form", FORMATS)
FOLDERS = ("yolo", "labelstudio")


@pytest.fixture
def no_disk(monkeypatch):
    """Thousands of examples need not reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def content_of(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in [path, *path.rglob("*")] if each.is_file()}


@pytest.mark.parametrize("examples", [60, pytest.param(500, marks=pytest.mark.soak)])
@EACH
def test_what_fits_comes_back(form, examples, no_disk):
    @settings(max_examples=examples)
    @given(drafts(FITTING[form]))
    def check(draft):
        wanted = built(draft)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if form == "yolo" and len({each.file.rsplit(".", 1)[0] for each in wanted.pictures}) < len(wanted.pictures):
                return
            assert FORMATS[form].losses(wanted) == ()
            pictures = draw_pictures(wanted, folder / "pictures") if form == "dlc" else None
            target = write(wanted, folder / "target", form)
            assert_same(read(target, form, pictures=pictures), wanted, form)

    check()


@pytest.mark.parametrize("examples", [40, pytest.param(100, marks=pytest.mark.soak)])
@EACH
def test_what_does_not_fit_is_refused_whole_and_written_lossy(form, examples, no_disk):
    """Either nothing is lost, or nothing is written; a lossy write can be read, and its file holds what it gives."""
    outcomes = set()

    @settings(max_examples=examples)
    @given(drafts(Taste(small=True)) | drafts(FITTING[form]._replace(occluded=True, ids=True, graph=True, small=True)))
    def check(draft):
        wanted = built(draft)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            target = folder / "target"
            try:
                write(wanted, target, form)
                outcomes.add("whole")
            except FormatError:
                assert list(folder.iterdir()) == []
                outcomes.add("refused")
                try:
                    write(wanted, target, form, lossy=True)
                    outcomes.add("lossy")
                except FormatError:
                    assert list(folder.iterdir()) == []
                    return
            pictures = draw_pictures(wanted, folder / "pictures") if form == "dlc" else None
            found = read(target, form, pictures=pictures)
            assert [(each.file, each.size) for each in found.pictures] == [
                (each.file, each.size) for each in wanted.pictures
            ]
            again = write(found, folder / "again", form)
            assert_same(read(again, form, pictures=pictures), found, form)

    check()
    assert outcomes == ({"whole"} if form in ("coco", "csv") else {"whole", "refused", "lossy"})


@EACH
def test_same_signature(form):
    module = FORMATS[form]
    wanted = {
        "losses": "(labels: cape.formats.labels.Labels) -> tuple[str, ...]",
        "write": "(labels: cape.formats.labels.Labels, path: pathlib.Path, *, lossy: bool = False, "
        "overwrite: bool = False) -> pathlib.Path",
        "read": "(path: pathlib.Path, *, pictures: pathlib.Path | None = None) -> cape.formats.labels.Labels",
    }
    for name, signature in wanted.items():
        assert str(inspect.signature(getattr(module, name))).replace("_pathlib._local", "pathlib") == signature
    assert module.__doc__.count("\n") > 5
    assert "Frame: " in module.__doc__


@EACH
def test_lists_are_complete(form):
    assert set(FITTING) == set(FORMATS)
    assert f"    {form} " in inspect.getmodule(read).__doc__


@EACH
def test_what_exists_is_not_overwritten_unasked(form, tmp_path, refused):
    target = tmp_path / "target"
    if form in FOLDERS:
        target.mkdir()
        (target / "letter.txt").write_text("mine")
    else:
        target.write_text("mine")
    before = content_of(tmp_path)
    with refused(UsageError, "target", "overwrite=True"):
        write(fitting_labels(form), target, form)
    assert content_of(tmp_path) == before
    if form in FOLDERS:
        with refused(UsageError, "letter.txt", "new folder"):
            write(fitting_labels(form), target, form, overwrite=True)
        assert content_of(tmp_path) == before
        (target / "letter.txt").unlink()
        write(fitting_labels(form), target, form)
    write(fitting_labels(form), target, form, overwrite=True)
    assert [each.name for each in tmp_path.iterdir()] == ["target"]
    assert_same(
        read(target, form, pictures=draw_pictures(fitting_labels(form), tmp_path / "p")), fitting_labels(form), form
    )


@EACH
@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_stop_in_the_middle_leaves_the_old(form, stop, step, tmp_path, monkeypatch):
    target = write(fitting_labels(form), tmp_path / "target", form)
    before = content_of(target)

    def fail(*_):
        raise stop

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        name = "rename" if form in FOLDERS else "replace"
        monkeypatch.setattr(files.Path, name, fail)
    with pytest.raises((KeyboardInterrupt, UsageError)):
        write(Labels(fitting_labels(form).categories, ()), target, form, overwrite=True)
    monkeypatch.undo()
    assert content_of(target) == before
    assert [each.name for each in tmp_path.iterdir()] == ["target"]


@EACH
def test_a_folder_that_cannot_take_the_place_is_put_back(form, tmp_path, monkeypatch):
    if form not in FOLDERS:
        return
    target = write(fitting_labels(form), tmp_path / "target", form)
    before = content_of(target)
    rename, calls = Path.rename, []

    def second_fails(path, to):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return rename(path, to)

    monkeypatch.setattr(files.Path, "rename", second_fails)
    with pytest.raises(UsageError, match="Input/output"):
        write(Labels(fitting_labels(form).categories, ()), target, form, overwrite=True)
    assert content_of(target) == before
    assert [each.name for each in tmp_path.iterdir()] == ["target"]


@EACH
@pytest.mark.parametrize("place", ["below a file", "nul", "long", "other kind"])
def test_targets_that_cannot_be(form, place, tmp_path, refused):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    other = tmp_path / ("file" if form in FOLDERS else "folder")
    target = {
        "below a file": tmp_path / "file" / "x",
        "nul": tmp_path / "a\0b",
        "long": tmp_path / ("x" * 300),
        "other kind": other,
    }[place]
    before = sorted(tmp_path.rglob("*"))
    with refused(UsageError):
        write(fitting_labels(form), target, form, overwrite=True)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "mine"


@EACH
def test_losses_are_all_said_at_once(form, tmp_path, refused):
    rich = small_labels(id=7, box=None, scores=np.array([0.5, 0.25, 0]), score=0.75)
    lost = FORMATS[form].losses(rich)
    if not lost:
        assert_same(read(write(rich, tmp_path / "x", form), form), rich, form)
        return
    with refused(FormatError, *lost, "lossy=True"):
        write(rich, tmp_path / "x", form)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format(tmp_path, refused):
    with refused(UsageError, "coco", "'voc'"):
        write(small_labels(), tmp_path / "x", "voc")
    with refused(UsageError, "dlc", "'voc'"):
        read(tmp_path / "x", "voc")


@EACH
@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "empty", "binary", "half a character"])
def test_what_cannot_be_read(form, kind, tmp_path, refused):
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "missing":
        path.write_bytes({"empty": b"", "binary": bytes(range(256)), "half a character": b"\xe9\xe8"}[kind])
    with refused(AnnotationError, "x"):
        read(path, form)


NUMBERS = [np.nan, np.inf, -np.inf, 1e300, 2e9]
ILLEGAL = {
    **{f"point {value}": {"points": np.array([[1.0, 2], [value, 3], [0, 0]])} for value in NUMBERS},
    **{f"box {value}": {"box": np.array([1.0, 2, value, 3])} for value in NUMBERS},
    **{f"score {value}": {"scores": np.array([value, 0.0, 0.0])} for value in NUMBERS},
    **{f"pose score {value}": {"score": value} for value in NUMBERS},
    "negative box": {"box": np.array([1.0, 2, -1, 3])},
    "box of three": {"box": np.array([1.0, 2, 3])},
    "points short": {"points": np.zeros((2, 2))},
    "scores long": {"scores": np.zeros(4)},
    "visibility short": {"visibility": np.zeros(2, dtype=np.int8)},
    "visibility 3": {"visibility": np.array([2, 3, 0], dtype=np.int8)},
    "absent with a place": {"visibility": np.array([2, 0, 0], dtype=np.int8)},
    "absent with a score": {"scores": np.array([0, 0, 0.5])},
    "id of 65 bits": {"id": 2**63},
    "id true": {"id": True},
    "unknown category": {"category": "dog"},
}


@EACH
@pytest.mark.parametrize("case", ILLEGAL)
def test_illegal_poses_are_refused_by_all(form, case, tmp_path, refused):
    with refused(FormatError, "x: pose"):
        write(small_labels(**ILLEGAL[case]), tmp_path / "x", form, lossy=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "file",
    ["", ".", "..", "../a.png", "/a.png", "a//b.png", "./a.png", "a\\b.png", "C:/a.png", "a\0.png", "\ud800.png"],
)
def test_illegal_files(file, refused):
    with refused(AnnotationError, "picture"):
        check_labels(Labels({}, (PictureLabels(file, (1, 1), ()),)), where="x")


@pytest.mark.parametrize("size", [(0, 1), (1, -1), (2_000_000, 1), (1.5, 1)])
def test_illegal_sizes(size, refused):
    with refused(AnnotationError, "sides"):
        check_labels(Labels({}, (PictureLabels("a.png", size, ()),)), where="x")


def test_repeated_files_and_ids_and_bad_categories(refused):
    pose = small_labels().pictures[0].poses[0]
    skeleton = small_labels().categories["cat"]
    cases = [
        (Labels({}, (PictureLabels("a", (1, 1), ()),) * 2), "a unique file"),
        (Labels({"cat": skeleton}, (PictureLabels("a", (1, 1), (pose, pose)),)), "a unique id"),
        (Labels({"": skeleton}, ()), "a name"),
        (Labels({"cat": Skeleton(())}, ()), "at least one keypoint"),
        (Labels({"cat": Skeleton(("\ud800",))}, ()), "whole characters"),
        (Labels({"x" * 10_001: skeleton}, ()), "at most 10000"),
    ]
    for bad, words in cases:
        with refused(AnnotationError, words):
            check_labels(bad, where="x")


@given(st.integers(0, 2**32 - 1))
def test_the_least_pose_is_legal(seed):
    x, y = np.random.default_rng(seed).uniform(-9, 9, 2)
    pose = LabelledPose(0, "dot", np.array([[x, y]]), np.array([1], dtype=np.int8))
    least = Labels({"dot": Skeleton(("",))}, (PictureLabels("a", (1, 1), (pose,)),))
    assert check_labels(least, where="x") is least
    assert list(least.poses()) == [pose]
