"""`cape.errors`: three parts in every message, a tree as drawn, and the trip from a worker to the parent."""

import copy
import pickle
import re

import pytest
import torch.utils.data

from cape import errors
from cape.errors import CapeError, PictureError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CapeError)]
PARTS = {"expected": "a list", "got": "a string", "fix": "Repair it."}


@pytest.mark.parametrize("kind", KINDS)
def test_message_has_all_parts(kind):
    error = kind("file.json: record 3", **PARTS)
    assert str(error) == "file.json: record 3: expected a list, got a string. Repair it."
    assert (error.where, error.expected, error.got, error.fix) == ("file.json: record 3", *PARTS.values())


@pytest.mark.parametrize("part", PARTS)
def test_no_part_can_be_forgotten(part):
    given = {key: value for key, value in PARTS.items() if key != part}
    with pytest.raises(TypeError, match=part):
        CapeError("here", **given)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trip", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])  # noqa: S301 (our own)
def test_survives_the_trip_from_a_worker(kind, trip):
    error = kind("here", **PARTS)
    twin = trip(error)
    assert type(twin) is kind
    assert str(twin) == str(error)
    assert (twin.where, twin.expected, twin.got, twin.fix) == (error.where, error.expected, error.got, error.fix)


def test_tree_is_the_one_drawn():
    drawn = set(re.findall(r"\b\w+Error\b", errors.__doc__.split("Each message")[0]))
    assert drawn == {kind.__name__ for kind in KINDS}
    indent = {name: len(line) - len(line.lstrip(" │├└─")) for line in errors.__doc__.splitlines()
              for name in re.findall(r"[├└]── (\w+Error)", line)}  # fmt: skip
    under_data = {kind.__name__ for kind in KINDS if issubclass(kind, errors.DataError)} - {"DataError"}
    assert {name for name, depth in indent.items() if depth > indent["DataError"]} == under_data


class Broken(torch.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, item):
        raise PictureError("a.jpg", expected="a picture", got="nothing", fix="Replace it.")


def test_an_error_in_a_loading_worker_keeps_its_type_and_message():
    loader = torch.utils.data.DataLoader(Broken(), num_workers=1)
    with pytest.raises(PictureError, match="expected a picture, got nothing"):
        next(iter(loader))
