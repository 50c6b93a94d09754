"""`cape.data.mp100`: the tables against the official files, the choice of files, and the text pack's part in it."""

import gzip
import json
import re
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from cape.data import MP100
from cape.data.mp100 import category_table, split_table
from cape.data.prompts import TextPack
from cape.errors import AnnotationError, PictureError, SkeletonError, TextError, UsageError

SPLITS = range(1, 6)


def content_of(numbers, **changes):
    """A file with two instances of each of these MP-100 categories."""
    content = {"images": [], "annotations": [], "categories": []}
    for number in numbers:
        row = category_table()[number]
        names = changes.get("keypoints", [f"kp_{k}" for k in range(row.K)])
        known = {"id": number, "name": changes.get("name", row.name)}
        content["categories"].append({**known, "keypoints": names, "skeleton": [[0, 1]]})
        for _ in range(2):
            one = len(content["images"])
            content["images"].append({"id": one, "file_name": f"{row.folder}/{one}.jpg", "width": 100, "height": 80})
            points = [value for k in range(len(names)) for value in (10 + k, 20 + k % 40, 2)]
            content["annotations"].append(
                {"id": one, "image_id": one, "category_id": number, "bbox": [5, 6, 60, 50], "keypoints": points}
            )
    return content


@pytest.fixture
def root(tmp_path):
    """Writes files into an MP-100 folder."""

    def write(files):
        (tmp_path / "annotations").mkdir(exist_ok=True)
        for name, content in files.items():
            raw = json.dumps(content).encode()
            (tmp_path / "annotations" / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return tmp_path

    return write


TEST_1 = split_table()[1]["test"]


# ---- the tables


def test_each_category_is_a_test_class_of_one_split():
    everything = sorted(number for split in SPLITS for number in split_table()[split]["test"])
    assert everything == list(range(1, 101)) == sorted(category_table())


@pytest.mark.parametrize("split", SPLITS)
def test_subsets_divide_the_categories(split):
    parts = split_table()[split]
    assert {subset: len(ids) for subset, ids in parts.items()} == {"train": 70, "val": 10, "test": 20}
    assert sorted(parts["train"] + parts["val"] + parts["test"]) == list(range(1, 101))


def test_two_categories_share_a_name():
    assert [row.id for row in category_table().values() if row.name == "face"] == [18, 40]
    assert sum(row.K for row in category_table().values()) == 1565


@pytest.mark.parametrize("name", ["mp100_split1_test.json", "mp100_split1_test.json.gz", "my_split1_test.json"])
def test_one_file_is_found_wherever_it_lies(root, name):
    folder = root({name: content_of(TEST_1[:2]), "mp100_split1_val.json": {}, "mp100_split2_test.json": {}})
    for start in (folder, folder / "annotations"):
        dataset = MP100(root=start, split=1, subset="test", pictures=None)
        assert list(dataset.categories) == list(TEST_1[:2])
        assert len(dataset) == 4


def test_plain_wins_over_zipped(root):
    content = content_of(TEST_1[:1])
    folder = root({"mp100_split1_test.json": content, "mp100_split1_test.json.gz": {}})
    assert len(MP100(root=folder, split=1, subset="test", pictures=None)) == 2


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], ["split1_test.json", "got none"]),
        (["a_split1_test.json", "b_split1_test.json"], ["a_split1", "b_split1", "one file"]),
    ],
)
def test_no_file_or_two_is_one_error(root, refused, files, words):
    folder = root({name: content_of(TEST_1[:1]) for name in files})
    with refused(AnnotationError, *words):
        MP100(root=folder, split=1, subset="test", pictures=None)


@pytest.mark.parametrize("pattern", ["", "/etc/{split}.json"])
def test_impossible_pattern_is_one_error(root, refused, pattern):
    with refused(UsageError, "pattern"):
        MP100(root=root({}), split=1, subset="test", pattern=pattern, pictures=None)


def test_a_file_itself_may_be_named(root):
    stranger = split_table()[2]["test"][0]
    folder = root({"mine.json": content_of([stranger]), "mp100_split1_test.json": content_of(TEST_1[:1])})
    dataset = MP100(root=folder / "annotations" / "mine.json", split=1, subset="test", pictures=None)
    assert list(dataset.categories) == [stranger]  # of another split: the file was named, not looked for


@pytest.mark.parametrize("place", ["images", "annotations/images"])
def test_a_named_file_finds_its_pictures(root, place):
    folder = root({"mine.json": content_of(TEST_1[:1])})
    for i in range(2):
        path = folder / place / category_table()[TEST_1[0]].folder / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 80)).save(path)
    dataset = MP100(root=folder / "annotations" / "mine.json")
    assert dataset.picture(1).shape == (80, 100, 3)


@pytest.mark.parametrize("name", ["absent", "long" * 100, "nul\0"])
def test_no_folder_is_one_error(tmp_path, refused, name):
    with refused(AnnotationError, "split1_test.json", "got none"):
        MP100(root=tmp_path / name, split=1, subset="test", pictures=None)


@pytest.mark.parametrize("style", ["bogus", "", "Name", None])
def test_unknown_text_style_is_one_error(root, refused, style):
    untyped = MP100.__init__.__wrapped__
    with refused(UsageError, "text_style", "name, framed, relational", repr(style)):
        untyped(object.__new__(MP100), root=root({}), pictures=None, text_style=style)


@pytest.mark.parametrize("split", [0, 6, -1, 100])
def test_unknown_split_is_one_error(root, refused, split):
    with refused(UsageError, "split 1 to 5", str(split)):
        MP100(root=root({}), split=split, subset="test", pictures=None)


@pytest.mark.parametrize("subset", ["dev", "", "Test", "test-dev-2017"])
def test_unknown_subset_is_one_error(root, refused, subset):
    untyped = MP100.__init__.__wrapped__  # a command line's string, which the type checker of the tests would stop
    with refused(UsageError, "train, val or test", subset):
        untyped(object.__new__(MP100), root=root({}), split=1, subset=subset, pictures=None)


def test_classes_of_another_split_are_refused(root, refused):
    stranger = next(number for number in split_table()[2]["test"] if number not in TEST_1)
    folder = root({"mp100_split1_test.json": content_of([TEST_1[0], stranger])})
    with refused(
        AnnotationError, "split 1 test", f"category {stranger} ({category_table()[stranger].name})", "Check `split`"
    ):
        MP100(root=folder, split=1, subset="test", pictures=None)
    free = MP100(root=folder, split=1, subset="test", pictures=None, pattern="mp100_split1_test.json")
    assert stranger in free.categories


def test_other_data_sets_may_use_the_ids(root):
    folder = root({"mp100_split1_test.json": content_of([split_table()[2]["test"][0]], name="my own")})
    (category,) = MP100(root=folder, split=1, subset="test", pictures=None).categories.values()
    assert category.skeleton.names == category.texts
    assert not any(category.texts)  # the pack must not apply to a category that only shares a number


def test_missing_picture_folder_is_one_error(root, refused):
    folder = root({"mp100_split1_test.json": content_of(TEST_1[:1])})
    with refused(AnnotationError, "images/", "`pictures=`"):
        MP100(root=folder, split=1, subset="test")


def test_missing_pictures_are_counted_by_source(root, refused):
    rows = [category_table()[number] for number in TEST_1]
    one = next(row for row in rows if row.source == "AP-10K")
    two = next(row for row in rows if row.source == "AnimalWeb")
    folder = root({"mp100_split1_test.json": content_of([one.id, two.id])})
    (folder / "images" / one.folder).mkdir(parents=True)
    Image.new("RGB", (100, 80)).save(folder / "images" / one.folder / "0.jpg")
    with refused(PictureError, "AP-10K 1 missing", "AnimalWeb 2 missing", "got 1"):
        MP100(root=folder, split=1, subset="test")
    lenient = MP100(root=folder, split=1, subset="test", strict=False)
    assert lenient.by_category() == {one.id: [0]}


# ---- texts


@pytest.mark.parametrize(("style", "text"), [("name", "left eye"), ("framed", "own left eye")])
def test_texts_come_from_the_pack(root, style, text):
    number = next(number for number in TEST_1 if category_table()[number].source == "AP-10K")
    folder = root({"mp100_split1_test.json": content_of([number])})
    dataset = MP100(root=folder, split=1, subset="test", pictures=None, text_style=style)
    category = dataset.categories[number]
    place = category.skeleton.names.index("left eye")
    assert category.texts[place] == text
    assert category.skeleton.names[category.skeleton.mirror()[place]] == "right eye"
    assert category.skeleton.edges == ((0, 1),)  # the file's


def test_every_category_of_a_split_has_its_texts(root):
    dataset = MP100(root=root({"mp100_split1_test.json": content_of(TEST_1)}), split=1, subset="test", pictures=None)
    assert list(dataset.categories) == list(TEST_1)
    assert all(all(category.texts) for category in dataset.categories.values())


def test_boxes_of_no_area_are_left_out_and_counted_as_in_the_official_code(root):
    content = content_of(TEST_1[:1])
    content["annotations"][0]["bbox"] = [50, 60, -3, 20]
    dataset = MP100(root=root({"mp100_split1_test.json": content}), split=1, subset="test", pictures=None)
    assert len(dataset) == 1
    assert dataset.dropped.total() == 1


@pytest.mark.parametrize("box", [[50, 60, -3, 20], [50, 60, 30, 0]])
@pytest.mark.parametrize("changes", [{"name": "my own"}, {"number": 777}])
def test_boxes_of_no_area_are_an_error_outside_mp100(root, refused, box, changes):
    """The silence is the official protocol's, for its own categories: whoever annotates others must hear of it."""
    content = content_of(TEST_1[:1], **changes)
    content["annotations"][0]["bbox"] = box
    if "number" in changes:
        content["categories"][0]["id"] = 777
        for record in content["annotations"]:
            record["category_id"] = 777
    folder = root({"mp100_split1_test.json": content})
    with refused(AnnotationError, "annotation 0", "a box of positive width and height"):
        MP100(root=folder, split=1, subset="test", pictures=None)
    lenient = MP100(root=folder, split=1, subset="test", pictures=None, strict=False)
    assert (len(lenient), lenient.dropped) == (1, {"bad record": 1})


# ---- skeletons


def skeleton_of(root, edges, **arguments):
    """Read [[1, 2], [2, K]], say, as the skeleton of the first category of split 1's test."""
    name = arguments.pop("name", category_table()[TEST_1[0]].name)
    content = content_of(TEST_1[:1], name=name)
    content["categories"][0]["skeleton"] = edges
    folder = root({"mp100_split1_test.json": content})
    dataset = MP100(root=folder, split=1, subset="test", pictures=None, **arguments)
    return dataset.categories[TEST_1[0]].skeleton.edges


def test_own_skeletons_count_from_zero(root, refused):
    last = category_table()[TEST_1[0]].K
    assert skeleton_of(root, [[1, 2], [2, last - 1]]) == ((1, 2), (2, last - 1))
    with refused(SkeletonError, f"category {TEST_1[0]}", f"below {last}", f"got {last}"):
        skeleton_of(root, [[1, 2], [2, last]])


def test_an_explicit_base_wins(root):
    last = category_table()[TEST_1[0]].K
    assert skeleton_of(root, [[1, 2], [2, last]], skeleton_base=1) == ((0, 1), (1, last - 1))
    assert skeleton_of(root, [[1, 2]], skeleton_base=1) == ((0, 1),)


def test_other_skeletons_are_guessed(root):
    last = category_table()[TEST_1[0]].K
    assert skeleton_of(root, [[1, 2], [2, last]], name="my own") == ((0, 1), (1, last - 1))
    assert skeleton_of(root, [[1, 2]], name="my own") == ((1, 2),)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("subset", ["train", "val", "test"])
def test_the_mini_data_count_from_zero_too(shared_data, split, subset):
    dataset = MP100(root=shared_data / "mp100_mini", split=split, subset=subset)
    assert not dataset.dropped
    content = json.loads((shared_data / f"mp100_mini/annotations/mp100_mini_split{split}_{subset}.json").read_bytes())
    for record in content["categories"]:
        edges = {tuple(sorted(edge)) for edge in record["skeleton"]}
        assert set(dataset.categories[record["id"]].skeleton.edges) == edges


def test_without_a_pack_texts_are_the_files_names(root):
    folder = root({"mp100_split1_test.json": content_of(TEST_1[:1], keypoints=["kp_0", "left_ear"])})
    dataset = MP100(root=folder, split=1, subset="test", pictures=None, text_pack=None)
    assert dataset.categories[TEST_1[0]].texts == ("", "left ear")


def test_a_pack_of_another_length_is_one_error(root, refused):
    row = category_table()[TEST_1[0]]
    folder = root({"mp100_split1_test.json": content_of([row.id], keypoints=["a", "b"])})
    with refused(TextError, f"category {row.id} ({row.name})", "expected 2 keypoint texts", f"got {row.K}"):
        MP100(root=folder, split=1, subset="test", pictures=None)


# ---- the official files


@pytest.fixture(scope="module")
def official(shared_data):
    root = shared_data / "mp100_official"
    return {split: MP100(root=root, split=split, subset="test", pictures=None) for split in SPLITS}


@pytest.mark.parametrize("split", SPLITS)
def test_official_test_files_match_the_tables(official, split):
    dataset = official[split]
    assert sorted(dataset.categories) == sorted(split_table()[split]["test"])
    for category in dataset.categories.values():
        row = category_table()[category.id]
        assert (category.name, category.supercategory, len(category.skeleton)) == (row.name, row.supercategory, row.K)
        assert category.skeleton.edges  # never empty in this revision
        assert all(category.texts)
    lost = {5: 2}.get(split, 0)
    assert len(dataset) == 2000 - lost
    assert dataset.dropped.total() == lost
    sizes = {number: len(pool) for number, pool in dataset.by_category().items()}
    assert sizes == {number: 98 if lost and number == 18 else 100 for number in dataset.categories}


@pytest.mark.parametrize("split", SPLITS)
def test_official_val_files_match_the_tables(shared_data, split):
    dataset = MP100(root=shared_data / "mp100_official", split=split, subset="val", pictures=None)
    assert sorted(dataset.categories) == sorted(split_table()[split]["val"])


def test_the_five_tests_have_a_hundred_categories_and_two_faces(official):
    everything = [category for dataset in official.values() for category in dataset.categories.values()]
    assert {category.id for category in everything} == set(range(1, 101))
    assert [category.id for category in everything if category.name == "face"] == [40, 18]


def test_left_is_on_the_side_that_the_pack_says(official):
    """Specification §1.6: left is the viewer's in clothes and faces, a body's or vehicle's own."""
    pack = TextPack.load("mp100")
    smaller = defaultdict(list)
    for dataset in official.values():
        for category in dataset.categories.values():
            layout = pack.categories[category.id, category.name]
            frames = {text.name: text.frame for text in pack.layouts[layout]}
            names = category.skeleton.names
            for a, b in category.skeleton.swap:
                left, right = (a, b) if re.search(r"\bleft\b", names[a]) else (b, a)
                for index in dataset.by_category()[category.id]:
                    instance = dataset.instances[index]
                    if instance.visibility[left] and instance.visibility[right]:
                        x = instance.points[:, 0]
                        smaller[layout, frames[names[left]]].append(x[left] < x[right])
    assert {frame for _, frame in smaller} == {"viewer", "subject"}
    for (layout, frame), found in smaller.items():
        share = float(np.mean(found))
        assert share > 0.7 if frame == "viewer" else share < 0.5, (layout, frame, share)
