"""`MP100(held_out=..., categories=...)`: categories out of the three files of a split, and none in two subsets."""

import gzip
import json
from itertools import combinations

import pytest

from cape.data import MP100
from cape.data.mp100 import GROUPS, category_table, split_table
from cape.errors import AnnotationError, UsageError

SPLITS = range(1, 6)
SUBSETS = ("train", "val", "test")


def content_of(numbers):
    """Two instances of each of these MP-100 categories, with ids of their own in every file."""
    content = {"images": [], "annotations": [], "categories": []}
    for number in numbers:
        row = category_table()[number]
        names = [f"kp_{k}" for k in range(row.K)]
        content["categories"].append({"id": number, "name": row.name, "keypoints": names, "skeleton": []})
        for one in (1000 * number, 1000 * number + 1):
            content["images"].append({"id": one, "file_name": f"{row.folder}/{one}.jpg", "width": 100, "height": 80})
            points = [value for k in range(row.K) for value in (10 + k, 20 + k % 40, 2)]
            content["annotations"].append(
                {"id": one, "image_id": one, "category_id": number, "bbox": [5, 6, 60, 50], "keypoints": points}
            )
    return content


def write(folder, content, *, split, subset):
    (folder / f"mp100_split{split}_{subset}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """All fifteen files."""
    folder = tmp_path_factory.mktemp("mp100")
    for split in SPLITS:
        for subset in SUBSETS:
            write(folder, content_of(split_table()[split][subset]), split=split, subset=subset)
    return folder


def read(root, **options):
    return MP100(root=root, **{"pictures": None, "text_pack": None, **options})


# ---- held-out super-categories


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("split", SPLITS)
def test_no_category_is_in_two_subsets_and_none_is_lost(root, split, group):
    parts = {subset: read(root, split=split, subset=subset, held_out=group) for subset in SUBSETS}
    found = {subset: set(part.categories) for subset, part in parts.items()}
    for one, other in combinations(SUBSETS, 2):
        assert not found[one] & found[other], f"{one} and {other}"
    assert found["test"] == set(GROUPS[group].ids)
    assert found["val"] == set(split_table()[split]["val"]) - found["test"]
    assert set().union(*found.values()) == set(range(1, 101))
    assert sum(map(len, parts.values())) == 200
    for part in parts.values():
        assert all(part.home[number] == home_of(number, split) for number in part.categories)
        assert {instance.category for instance in part.instances} == set(part.categories)


def home_of(number, split):
    return next(subset for subset in SUBSETS if number in split_table()[split][subset])


def test_without_it_a_subset_is_its_file(root):
    plain = read(root, split=1, subset="train")
    assert set(plain.categories) == set(split_table()[1]["train"]) == set(plain.home)
    assert plain.instances[0].category == split_table()[1]["train"][0]


def test_a_category_in_two_files_is_a_leak(tmp_path, refused):
    table = split_table()[1]
    leaky = content_of([*table["test"], table["train"][0]])
    for subset in SUBSETS:
        write(tmp_path, leaky if subset == "test" else content_of(table[subset]), split=1, subset=subset)
    for subset in ("train", "test"):
        with refused(AnnotationError, "in one subset alone", "train and test"):
            read(tmp_path, split=1, subset=subset, held_out="vehicle")


def test_classes_of_another_split_are_refused(tmp_path, refused):
    for subset in SUBSETS:
        write(tmp_path, content_of(split_table()[2][subset]), split=1, subset=subset)
    with refused(AnnotationError, "mp100_split1_train.json", "classes of split 1 train"):
        read(tmp_path, split=1, subset="train", held_out="vehicle")


def test_files_that_are_not_there(tmp_path, refused):
    """Training needs its files; a group is tested where all of it is found, or what there is of it if asked so."""
    for subset in ("val", "test"):
        write(tmp_path, content_of(split_table()[4][subset]), split=4, subset=subset)
    with refused(AnnotationError, "split4_train.json"):
        read(tmp_path, split=4, subset="train", held_out="vehicle")
    with refused(AnnotationError, "car [32] (in train)"):
        read(tmp_path, split=4, subset="test", held_out="vehicle")
    partial = read(tmp_path, split=4, subset="test", held_out="vehicle", strict=False)
    assert set(partial.categories) == {38, 51}
    assert partial.dropped == {"category that is in no file": 1}
    assert set(read(tmp_path, split=4, subset="test", held_out="human_face").categories) == {18, 40}
    with refused(AnnotationError, "person [72]"):
        read(tmp_path, split=4, subset="test", held_out="human_body", strict=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"held_out": "cars"}, ("held_out", "vehicle", "cars")),
        ({"held_out": "vehicle", "categories": ["person"]}, ("categories", "both")),
        ({"categories": []}, ("categories", "empty")),
        ({"held_out": "vehicle", "pattern": "mp100_split1_test.json"}, ("held_out", "{subset}")),
    ],
)
def test_impossible_choices_are_one_error(root, refused, options, words):
    with refused(UsageError, *words):
        read(root, split=1, subset="test", **options)


def test_other_data_states_its_super_categories(shared_data):
    """The mini data uses MP-100's ids for other things: 18 is a locust there, 72 nothing."""
    for split in SPLITS:
        parts = {
            subset: read(shared_data / "mp100_mini", split=split, subset=subset, held_out="human_face")
            for subset in SUBSETS
        }
        assert set(parts["test"].categories) == {3, 4, 5, 6, 7}
        assert 18 in parts["train"].categories or 18 in parts["val"].categories
        found = sorted(number for part in parts.values() for number in part.categories)
        assert found == list(range(1, 28))
        assert sum(map(len, parts.values())) == 1089
    with pytest.raises(AnnotationError, match="swivelchair"):
        read(shared_data / "mp100_mini", subset="test", held_out="furniture")


def test_counts_of_the_official_annotations(shared_data, tmp_path):
    """All categories' official test instances, cut into the files of split 3: 100 a category, 98 of AFLW's."""
    merged = {"images": [], "annotations": [], "categories": []}
    for split in SPLITS:
        path = shared_data / "mp100_official" / f"mp100_split{split}_test.json.gz"
        for key, records in json.loads(gzip.decompress(path.read_bytes())).items():
            if key in merged:
                merged[key] += records
    merged["images"] = list({record["id"]: record for record in merged["images"]}.values())
    for subset in SUBSETS:
        ids = set(split_table()[3][subset])
        kept = [record for record in merged["annotations"] if record["category_id"] in ids]
        used = {record["image_id"] for record in kept}
        content = {
            "images": [record for record in merged["images"] if record["id"] in used],
            "annotations": kept,
            "categories": [record for record in merged["categories"] if record["id"] in ids],
        }
        write(tmp_path, content, split=3, subset=subset)
    counts = {group: len(read(tmp_path, split=3, subset="test", held_out=group)) for group in GROUPS}
    assert counts == {"human_body": 100, "human_face": 198, "vehicle": 300, "furniture": 500}
    rest = [len(read(tmp_path, split=3, subset=subset, held_out="furniture")) for subset in ("train", "val")]
    assert rest == [8698, 800]


# ---- chosen categories


@pytest.mark.parametrize("asked", [["person"], ["72"], [72]])
def test_categories_come_from_whichever_file_holds_them(root, asked):
    for split in SPLITS:
        alone = read(root, split=split, subset="test", categories=asked)
        assert list(alone.categories) == [72]
        assert alone.home == {72: "test" if split == 3 else "train"}
        assert len(alone) == 2


def test_a_name_of_two_categories_means_both(root):
    both = read(root, split=4, subset="test", categories=["face", "38"])
    assert both.home == {18: "val", 40: "test", 38: "test"}


def test_a_category_that_is_in_no_file(root, refused):
    with refused(AnnotationError, "unicorn", "mp100_split1_train.json"):
        read(root, split=1, subset="test", categories=["person", "unicorn"])
    lenient = read(root, split=1, subset="test", categories=["person", "unicorn"], strict=False)
    assert list(lenient.categories) == [72]


def test_out_of_one_file(root):
    number = split_table()[1]["test"][0]
    alone = read(root / "mp100_split1_test.json", split=1, subset="test", categories=[number])
    assert list(alone.categories) == [number]
