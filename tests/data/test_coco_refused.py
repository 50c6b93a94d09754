"""`cape.data.coco`: each kind of bad input is one CapeError that names the record; nothing else ever escapes."""

import copy
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cape.data import CocoKeypoints
from cape.errors import AnnotationError, CapeError, PictureError, SkeletonError

HUGE = 10**400  # JSON allows it, a float does not hold it


def at(*path, put):
    """A change to a file: `at("images", 0, "width", put=0)`; `put=None` writes null, `put=...` removes."""

    def change(content):
        place = content
        for key in path[:-1]:
            place = place[key]
        if put is ...:
            del place[path[-1]]
        else:
            place[path[-1]] = put

    return change


def keypoint(place, value):
    def change(content):
        content["annotations"][2]["keypoints"][place] = value

    return change


NUMBERS = [float("nan"), float("inf"), -float("inf"), 1e300, HUGE, "12", None, True, [1]]
CASES = {
    # annotations that refer to nothing
    **{
        f"{key} {value!r}": (AnnotationError, at("annotations", 2, key, put=value), ["annotation 1002", key])
        for key in ("image_id", "category_id")
        for value in (999, -1, 2**63, [1], "1", True, None, 1.0, {}, ...)
    },
    # keypoints
    **{
        f"coordinate {value!r:.9}": (AnnotationError, keypoint(3, value), ["annotation 1002", "finite", "keypoints"])
        for value in NUMBERS
    },
    **{
        f"visibility {value!r}": (
            AnnotationError,
            keypoint(2, value),
            ["annotation 1002", "visibility 0, 1 or 2", str(value)],
        )
        for value in (3, -1, 1.5)
    },
    "keypoints short": (
        AnnotationError,
        at("annotations", 2, "keypoints", put=[1, 2, 2] * 2),
        ["annotation 1002", "9 numbers", "6"],
    ),
    "keypoints long": (
        AnnotationError,
        at("annotations", 2, "keypoints", put=[1, 2, 2] * 4),
        ["annotation 1002", "9 numbers", "12"],
    ),
    "keypoints no list": (
        AnnotationError,
        at("annotations", 2, "keypoints", put="many"),
        ["annotation 1002", "'many'"],
    ),
    "keypoints nested": (
        AnnotationError,
        at("annotations", 2, "keypoints", put=[[1, 2, 2]] * 3),
        ["annotation 1002", "9 numbers"],
    ),
    # boxes
    **{
        f"box {value!r:.9}": (AnnotationError, at("annotations", 2, "bbox", 2, put=value), ["annotation 1002", "box"])
        for value in [*NUMBERS, 0, -4]
    },
    "box of three": (
        AnnotationError,
        at("annotations", 2, "bbox", put=[1, 2, 3]),
        ["annotation 1002", "4 numbers", "3"],
    ),
    "box null": (AnnotationError, at("annotations", 2, "bbox", put=None), ["annotation 1002", "4 numbers", "None"]),
    # pictures
    **{
        f"{side} {value!r:.9}": (AnnotationError, at("images", 1, side, put=value), ["image 101", "positive"])
        for side in ("width", "height")
        for value in (*NUMBERS, 0, -5, 0.5, ...)
    },
    **{
        f"file_name {name!r}": (AnnotationError, at("images", 1, "file_name", put=name), ["image 101", "file_name"])
        for name in (
            "../a.png",
            "a/../../b.png",
            "..\\a.png",
            "/etc/passwd",
            "a\0.png",
            "",
            ".",
            5,
            None,
            ["a.png"],
            ...,
        )
    },
    # skeletons and categories
    **{
        f"edge {edge!r}": (SkeletonError, at("categories", 0, "skeleton", put=[edge]), ["category 1", word])
        for edge, word in [
            ([0, 3], "got 3."),
            ([0, 99], "99"),
            ([-1, 0], "-1"),
            ([1, 1], "different"),
            ([0, 2**62], "below 3"),
        ]
    },
    **{
        f"skeleton {edges!r}": (
            AnnotationError,
            at("categories", 0, "skeleton", put=edges),
            ["category 1", "pairs of indices"],
        )
        for edges in (
            [[0, 1, 2]],
            [[0]],
            [0, 1],
            [[0, 1.5]],
            [["0", "1"]],
            [[True, 2]],
            [[0, HUGE]],
            "0-1",
            {"0": 1},
            [None],
        )
    },
    "names twice": (SkeletonError, at("categories", 0, "keypoints", put=["eye", "nose", "eye"]), ["category 1", "eye"]),
    "names no list": (AnnotationError, at("categories", 0, "keypoints", put="nose"), ["category 1", "'nose'"]),
    "names no strings": (AnnotationError, at("categories", 0, "keypoints", put=[1, 2, 3]), ["category 1", "names"]),
    # doubles, and records that are none
    **{
        f"the same {what} twice": (
            AnnotationError,
            lambda content, key=key: content[key].append(content[key][0]),
            [what, "unique"],
        )
        for what, key in (("image", "images"), ("annotation", "annotations"), ("category", "categories"))
    },
    **{
        f"{key} id {value!r}": (AnnotationError, at(key, 1, "id", put=value), [f"{what} record 1", "`id`"])
        for what, key in (("image", "images"), ("annotation", "annotations"), ("category", "categories"))
        for value in ("7", True, None, 1.0, [1], 2**63, -(2**63) - 1, ...)
    },
    # halves of characters: JSON can say them, no terminal and no file can
    **{
        f"{path[-1]} of half a character": (AnnotationError, at(*path, put="a\ud800b"), [f"{path[0]} record", "ud800"])
        for path in (
            ("images", 1, "file_name"),
            ("images", 1, "source"),
            ("categories", 0, "name"),
            ("categories", 0, "supercategory"),
            ("categories", 0, "keypoints", 1),
        )
    },
    "a record is no object": (AnnotationError, at("annotations", 1, put=[1, 2]), ["annotation record 1"]),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_field_is_one_error(coco_file, refused, case):
    kind, change, words = CASES[case]
    file = coco_file(change)
    with refused(kind, "annotations.json", *words):
        CocoKeypoints(annotations=file.annotations, pictures=file.pictures)


LOST = {"annotation 1002": 7, "image 101": 6}


@pytest.mark.parametrize("case", [case for case, (_, _, words) in CASES.items() if words[0] in LOST])
def test_lenient_loses_the_bad_record_and_no_other(coco_file, case):
    _, change, words = CASES[case]
    file = coco_file(change)
    dataset = CocoKeypoints(annotations=file.annotations, pictures=file.pictures, strict=False)
    assert len(dataset) == LOST[words[0]]
    assert dataset.dropped.total() - dataset.dropped["image without a usable name"] == 8 - len(dataset)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("names", [[], None, ...])
def test_category_without_keypoints(coco_file, refused, names, strict):
    def change(content):
        at("categories", 0, "keypoints", put=names)(content)
        content["annotations"] = [record for record in content["annotations"] if record["category_id"] == 7]

    with refused(AnnotationError, "category 1", "at least one keypoint"):
        CocoKeypoints(annotations=coco_file(change).annotations, strict=strict)


def test_category_without_instances(coco_file, refused):
    file = coco_file(lambda content: content["categories"].append({"id": 9, "name": "ghost", "keypoints": ["a"]}))
    with refused(AnnotationError, "category 9 (ghost)", "at least one usable instance", "strict=False"):
        CocoKeypoints(annotations=file.annotations)


WHOLE = b'{"images": [], "annotations": [], "categories": []}'
RAW = {
    "empty": b"",
    "array": b"[]",
    "number": b"42",
    "null": b"null",
    "string": b'"images"',
    "truncated": WHOLE[:30],
    "binary": bytes(range(256)),
    "utf-16 without its mark": WHOLE.decode().encode("utf-16-le")[1:],
    "html": b"<html></html>",
    "deep array": b"[" * 100_000,
    "deep object": b'{"images":' * 100_000,
    "no annotations": b'{"images": [], "categories": []}',
    "categories an object": b'{"images": [], "annotations": [], "categories": {}}',
    "long number": b'{"images": [' + b"1" * 5000 + b"]}",
    "truncated gzip": gzip.compress(WHOLE)[:20],
    "gzip with a wrong sum": gzip.compress(WHOLE)[:-8] + bytes(8),
    "gzip of rubbish": b"\x1f\x8b\x08\x00" + bytes(range(100)),
    "gzip of a picture": gzip.compress(b"\x89PNG\r\n"),
}


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("kind", RAW)
def test_what_is_not_coco_is_one_error(tmp_path, refused, kind, strict):
    path = tmp_path / "people.json"
    path.write_bytes(RAW[kind])
    with refused(AnnotationError, "people.json"):
        CocoKeypoints(annotations=path, strict=strict)


@pytest.mark.parametrize("name", ["gone.json", ".", "long" * 100, "nul\0.json"])
def test_no_file_is_one_error(tmp_path, refused, name):
    with refused(AnnotationError, str(tmp_path)):
        CocoKeypoints(annotations=tmp_path / name)


def test_a_picture_broken_behind_its_header_is_one_error_when_it_is_read(coco_file, refused):
    file = coco_file()
    path = file.pictures / "set/1.png"
    path.write_bytes(path.read_bytes()[:2000])
    dataset = CocoKeypoints(annotations=file.annotations, pictures=file.pictures)
    with refused(PictureError, "set/1.png"):
        dataset.picture(2)


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "a/" * 3000 + "b.png", "set"])
def test_names_no_disk_can_hold_are_unusable_pictures(coco_file, refused, name):
    file = coco_file(at("images", 1, "file_name", put=name))
    with refused(PictureError, "got 3"):
        CocoKeypoints(annotations=file.annotations, pictures=file.pictures)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2000)
    | st.floats()
    | st.text(max_size=6)
    | st.just(HUGE)
    | st.just(1e300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    """Every path in a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield from places(child, (*path, key))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    (folder := tmp_path_factory.mktemp("fuzz")).joinpath("set").mkdir()
    for i in range(2):
        Image.new("RGB", (60, 40)).save(folder / f"set/{i}.png")
    return folder


@settings(max_examples=300)
@given(data=st.data())
def test_a_random_change_is_read_or_is_a_cape_error(scratch, data):
    base = copy.deepcopy(SMALL)
    every = list(places(base))
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from(every[1:]))
        place = base
        try:
            for key in parents:
                place = place[key]
            place[last] = data.draw(json_values)
        except (KeyError, IndexError, TypeError):  # an earlier change took this place away
            continue
    path = scratch / "fuzz.json"
    path.write_text(json.dumps(base))
    for strict in (True, False):
        for pictures in (None, scratch):
            try:
                dataset = CocoKeypoints(annotations=path, pictures=pictures, strict=strict)
            except CapeError as error:
                assert error.expected
                assert error.got
                assert error.fix
            else:
                assert sum(map(len, dataset.by_category().values())) == len(dataset)


SMALL = {
    "images": [{"id": i, "file_name": f"set/{i}.png", "width": 60, "height": 40, "source": "zoo"} for i in range(2)],
    "categories": [
        {"id": 1, "name": "a", "supercategory": "b", "keypoints": ["left eye", "right eye"], "skeleton": [[0, 1]]},
        {"id": 2, "name": "c", "keypoints": [], "skeleton": []},
    ],
    "annotations": [
        {
            "id": i,
            "image_id": i // 2,
            "category_id": 1 + i % 2,
            "bbox": [1, 2.5, 30, 20],
            "area": 600,
            "iscrowd": 0,
            "num_keypoints": 2,
            "keypoints": [3, 4, 2, 5.5, 6, 1],
        }
        for i in range(4)
    ],
}
