"""`cape.data.prompts`: names as text, and text packs: ours fits MP-100, and a wrong one says what is wrong with it."""

import copy
import json
import re

import pytest

from cape.data.mp100 import category_table
from cape.data.prompts import TextPack, clean_name, is_placeholder
from cape.data.typos import mistyped
from cape.errors import TextError
from cape.skeleton import other_side, swap_pairs

PACK = {
    "format": "cape-text-pack/1",
    "layouts": {
        "head": {
            "frame": "subject",
            "source": "drawn",
            "keypoints": [
                {"name": "nose", "relation": "in the middle"},
                {"name": "left eye", "relation": "above the nose"},
                {"name": "right eye", "relation": "above the nose", "frame": "viewer", "source": "seen"},
            ],
        }
    },
    "categories": {"1": {"name": "animal", "layout": "head"}},
}


@pytest.mark.parametrize(
    "name", ["", " ", "7", "kp_3", "kp3", "lm 12", "Point4", "keypoint-1", "key_point_1", "landmark"]
)
def test_placeholders(name):
    assert is_placeholder(name)
    assert clean_name(name) == ""


@pytest.mark.parametrize(
    ("name", "clean"),
    [("left_eye", "left eye"), ("  a  b ", "a b"), ("forelegL2", "forelegL2"), ("pt cruiser", "pt cruiser")],
)
def test_names(name, clean):
    assert not is_placeholder(name)
    assert clean_name(name) == clean


def test_a_file_is_read(tmp_path):
    path = tmp_path / "pack.json"
    path.write_text(json.dumps(PACK))
    texts = TextPack.load(path).texts(1, "animal", 3)
    assert [text.name for text in texts] == ["nose", "left eye", "right eye"]
    assert [text.frame for text in texts] == ["subject", "subject", "viewer"]
    assert [text.source for text in texts] == ["drawn", "drawn", "seen"]


def test_phrases():
    nose, own, seen = TextPack(PACK, where="pack").texts(1, "animal", 3)
    assert [own.phrase(style) for style in ("name", "framed", "relational")] == [
        "left eye",
        "own left eye",
        "own left eye, above the nose",
    ]
    assert seen.phrase("framed") == "viewer's right eye"
    assert nose.phrase("framed") == "nose"


@pytest.mark.parametrize(("number", "name"), [(1, "face"), (2, "animal")])
def test_id_and_name_must_both_match(number, name):
    assert TextPack(PACK, where="pack").texts(number, name, 3) is None


def changed(path, value):
    content = copy.deepcopy(PACK)
    *parents, last = path
    place = content
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return content


ENTRY = ("layouts", "head", "keypoints", 1)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (changed(("format",), None), "None"),
        (changed(("format",), "cape-text-pack/2"), "cape-text-pack/2"),
        (changed(("layouts",), None), "'layouts'"),
        (changed(("layouts",), []), "layouts"),
        (changed(("layouts", "head"), 3), "layouts"),
        (changed(("layouts", "head", "keypoints"), None), "'keypoints'"),
        (changed(("layouts", "head", "frame"), None), "'frame'"),
        (changed(("layouts", "head", "frame"), "object"), "viewer or subject"),
        (changed(("layouts", "head", "source"), None), "'source'"),
        (changed((*ENTRY, "name"), None), "'name'"),
        (changed((*ENTRY, "name"), " "), "a name"),
        (changed((*ENTRY, "name"), 5), "layouts"),
        (changed((*ENTRY, "name"), "nose"), "twice: ['nose']"),
        (changed((*ENTRY, "relation"), None), "'relation'"),
        (changed((*ENTRY, "relation"), 5), "a relation"),
        (changed((*ENTRY, "frame"), ["viewer"]), "viewer or subject"),
        (changed(("categories",), None), "'categories'"),
        (changed(("categories",), [1]), "categories"),
        (changed(("categories", "1", "layout"), "tail"), "'tail'"),
        (changed(("categories", "1", "layout"), 5), "got 5"),
        (changed(("categories", "1", "layout"), None), "'layout'"),
        (changed(("categories", "1", "name"), None), "'name'"),
        (changed(("categories", "one"), {"name": "a", "layout": "head"}), "one"),
        ([PACK], "list"),
        (7, "int"),
    ],
)
def test_a_wrong_pack_is_one_error(tmp_path, refused, content, word):
    path = tmp_path / "my_pack.json"
    path.write_text(json.dumps(content))
    with refused(TextError, "my_pack.json", word):
        TextPack.load(path)
    with refused(TextError, "given", word):
        TextPack(content, where="given")


@pytest.mark.parametrize("raw", [b"", b"names: [nose]", b"\xff\xfe\x00", b'{"format": ', b"[" * 100_000])
def test_what_is_not_json_is_one_error(tmp_path, refused, raw):
    path = tmp_path / "my_pack.json"
    path.write_bytes(raw)
    with refused(TextError, "my_pack.json"):
        TextPack.load(path)


@pytest.mark.parametrize("name", ["mp101", "no/such/pack.json", ".", "nul\0"])
def test_an_unknown_pack_is_one_error(refused, name):
    with refused(TextError, name, "mp100"):
        TextPack.load(name)


@pytest.mark.parametrize("count", [2, 4])
def test_wrong_length_is_one_error(refused, count):
    with refused(TextError, "category 1 (animal)", f"expected {count} keypoint texts, got 3"):
        TextPack(PACK, where="pack").texts(1, "animal", count)


# ---- the pack that ships with cape (check 20 of §7.1)


def test_our_pack_knows_the_hundred_categories():
    pack = TextPack.load("mp100")
    assert set(pack.categories) == {(row.id, row.name) for row in category_table().values()}
    assert len(pack.categories) == 100
    assert set(pack.categories.values()) == set(pack.layouts)  # none is left over


@pytest.mark.parametrize("number", range(1, 101))
def test_our_pack_fits_each_category(number):
    row = category_table()[number]
    texts = TextPack.load("mp100").texts(row.id, row.name, row.K)
    names = [text.name for text in texts]
    assert len({name.lower() for name in names}) == row.K
    assert {text.frame for text in texts} <= {"viewer", "subject"}
    assert all(text.relation.strip() and text.source.strip() for text in texts)
    assert not any(is_placeholder(name) for name in names)


def test_left_and_right_of_our_pack_are_partners():
    for layout, texts in TextPack.load("mp100").layouts.items():
        names = [text.name for text in texts]
        sided = {name for name in names if re.search(r"\b(left|right)\b", name)}
        pairs = {frozenset((names[a], names[b])) for a, b in swap_pairs(names)}
        assert {name for pair in pairs for name in pair} == sided, layout
        for name in sided:
            assert frozenset((name, other_side(name))) in pairs, layout
            partner = texts[names.index(other_side(name))]
            assert partner.frame == texts[names.index(name)].frame, layout


# ---- the packs that say the same in other words

OTHERS = ("synonyms", "typos", "other_language")
SIDES = {"left": "left", "right": "right", "link": "left", "recht": "right"}


def sides(name):
    return [SIDES[side] for side in re.findall(r"\b(left|right|link|recht)(?=e[rs]?\b|\b)", name)]


@pytest.mark.parametrize("kind", OTHERS)
def test_other_words_for_every_keypoint(kind):
    pack, own = TextPack.load(kind), TextPack.load("mp100")
    assert pack.categories == own.categories
    assert {name: len(texts) for name, texts in pack.layouts.items()} == {
        name: len(texts) for name, texts in own.layouts.items()
    }
    for layout, texts in pack.layouts.items():
        assert len({text.name.lower() for text in texts}) == len(texts), layout
        for text, before in zip(texts, own.layouts[layout], strict=True):
            assert text.name.lower() != before.name.lower()
            assert (text.frame, text.source) == (before.frame, before.source)
            assert sides(text.name) == sides(before.name), text.name
            assert not is_placeholder(text.name)
    assert set(pack.names) == {text.name for texts in own.layouts.values() for text in texts}  # none is left over


@pytest.mark.parametrize("kind", OTHERS)
def test_sides_of_other_words_are_partners(kind):
    names = TextPack.load(kind).names
    swap = {"left": "right", "link": "recht"}
    for old, new in names.items():
        if kind != "typos" and re.search(r"\bleft\b", old):
            expected = re.sub(r"\b(left|link)", lambda found: swap[found[0]], new)
            assert names[old.replace("left", "right")] == expected


def test_the_typos_are_the_rule_s():
    assert TextPack.load("typos").names == {name: mistyped(name) for name in TextPack.load("typos").names}


def test_the_frame_is_told_in_german_too():
    pack = TextPack.load("other_language")
    eye, seen = pack.layouts["primate_body"][1], pack.layouts["animal_face"][5]
    assert eye.phrase("framed") == "eigenes linkes Auge"
    assert seen.phrase("framed") == "vom Betrachter aus linker Mundwinkel"
    for texts in pack.layouts.values():
        for text in texts:
            told = {"subject": "eigen", "viewer": "vom Betrachter aus"}[text.frame] in text.phrase("framed")
            assert told == bool(sides(text.name))


@pytest.mark.parametrize(
    ("kind", "name", "new"),
    [
        ("other_language", "left eye", "linkes Auge"),
        ("other_language", "jaw 3", "Kiefer 3"),
        ("other_language", "forelegR2", "VorderbeinR2"),
        ("other_language", "l hind hock", "l hinteres Sprunggelenk"),
        ("synonyms", "right front wheel", "right forward tyre"),
        ("synonyms", "frobnicator", "frobnicator"),
        ("mp100", "left eye", "left eye"),
    ],
)
def test_names_of_other_data_are_reworded(kind, name, new):
    assert TextPack.load(kind).reworded(name) == new


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"base": "mp101"}, "'mp101'"),
        ({"base": None}, "None"),
        ({"names": {}}, "'nose'"),
        ({"names": 3}, "int"),
        ({"names": {"nose": 3}}, "something else for a string"),
        ({"names": dict.fromkeys(TextPack.load("typos").names, "thing")}, "unique names"),
        ({"words": 3}, "int"),
        ({"words": {"nose": None}}, "something else for a string"),
        ({"relations": []}, "list"),
    ],
)
def test_a_wrong_pack_in_other_words_is_one_error(refused, change, word):
    content = {"format": "cape-text-pack/1", "base": "mp100", "names": TextPack.load("typos").names} | change
    with refused(TextError, "given", word):
        TextPack(content, where="given")
