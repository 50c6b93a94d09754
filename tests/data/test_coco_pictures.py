"""`cape.data.coco`: the pictures of a file, which may be missing, broken, or nobody's concern."""

import pytest
from PIL import Image

from cape.data import CocoKeypoints
from cape.errors import PictureError


@pytest.fixture
def spoiled(coco_file, monkeypatch):
    """A file whose second picture, `set/1.png`, has a fault that its header shows."""

    def write(fault):
        file = coco_file()
        path = file.pictures / "set/1.png"
        if fault == "missing":
            path.unlink()
        elif fault == "unreadable":
            path.write_bytes(path.read_bytes()[:20])
        elif fault == "not a picture":
            path.write_bytes(b"<html>gone</html>")
        elif fault == "of another size":
            Image.new("RGB", (48, 32)).save(path)
        else:
            Image.new("RGB", (200, 3)).save(path)
            monkeypatch.setattr("cape.data.pictures.MAX_SIDE", 199)
        return file

    return write


FAULTS = ["missing", "unreadable", "not a picture", "of another size", "too large"]


@pytest.mark.parametrize("fault", FAULTS)
def test_strict_refuses_unusable_pictures_when_it_loads(spoiled, refused, fault):
    file = spoiled(fault)
    with refused(PictureError, "4 pictures of annotations.json", "got 3", f"set 1 {fault}", "first is set/1.png"):
        CocoKeypoints(annotations=file.annotations, pictures=file.pictures)


@pytest.mark.parametrize("fault", FAULTS)
def test_lenient_drops_unusable_pictures_by_reason(spoiled, fault):
    file = spoiled(fault)
    dataset = CocoKeypoints(annotations=file.annotations, pictures=file.pictures, strict=False)
    assert dataset.dropped == {f"instance whose picture is {fault}": 2}
    assert {instance.picture for instance in dataset.instances} == {"set/0.png", "set/2.png", "set/3.png"}


def test_headers_are_read_without_decoding(coco_file, monkeypatch):
    file = coco_file()
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    assert len(CocoKeypoints(annotations=file.annotations, pictures=file.pictures)) == 8


def test_annotations_only_have_no_pictures(coco_file, refused):
    dataset = CocoKeypoints(annotations=coco_file().annotations)
    with refused(PictureError, "set/0.png", "`pictures=`"):
        dataset.picture(0)
