"""The reader of pickled dictionaries: what it reads, and that nothing in a file can run."""

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from cape.data.motion.archive import read_array, read_objects
from cape.errors import AnnotationError

NESTED = {
    "S1": {
        "Walking 1": [np.arange(12, dtype=np.float32).reshape(2, 2, 3), np.ones((1, 2, 2), dtype=">f8")],
        "frames": np.arange(3, dtype=np.int64),
        "names": np.array(["pelvis", "räumlich"]),
    },
    "metadata": {"num_joints": 17, "keypoints_symmetry": [[1, 2], (3, 4)], "fps": np.float64(50), "none": None},
    "ordered": OrderedDict(a=True, b=2.5),
    3: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
}


def equal(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.shape == other.shape and bool((one == other).all())
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return one == other and type(one) is type(other)


def test_nested_dictionaries_come_back(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", data=NESTED)
    found = read_objects(tmp_path / "a.npz", "data", allow_pickle=True)
    assert equal({**NESTED, "ordered": dict(NESTED["ordered"])}, found)
    assert found["S1"]["Walking 1"][1].dtype == np.dtype(">f8")
    found["S1"]["frames"][0] = 7  # arrays may be written to


@pytest.mark.parametrize("protocol", range(5))
def test_every_protocol_of_pickle(tmp_path: Path, protocol: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("data.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": ()})
        array = np.empty((), dtype=object)
        array[()] = NESTED
        pickle.dump(array, member, protocol=protocol)
    found = read_objects(tmp_path / "a.npz", "data", allow_pickle=True)
    assert equal(NESTED["S1"], found["S1"])


def test_arrays_of_objects_are_lists_and_plain_arrays_need_no_flag(tmp_path: Path) -> None:
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.ones(2), np.ones(3)]
    np.savez(tmp_path / "a.npz", ragged=ragged, plain=np.arange(4))
    assert [len(each) for each in read_objects(tmp_path / "a.npz", "ragged", allow_pickle=True)] == [2, 3]
    assert read_objects(tmp_path / "a.npz", "plain", allow_pickle=False).tolist() == [0, 1, 2, 3]
    assert read_array(tmp_path / "a.npz", "plain").tolist() == [0, 1, 2, 3]


def test_a_pickle_is_not_read_without_the_flag(tmp_path: Path, refused) -> None:
    np.savez(tmp_path / "a.npz", data=NESTED)
    with refused(AnnotationError, "allow_pickle=True"):
        read_objects(tmp_path / "a.npz", "data", allow_pickle=False)
    with refused(AnnotationError, "a.npz"):
        read_array(tmp_path / "a.npz", "data")


class Runs:
    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "hostile",
    [
        lambda target: Runs(os.system, f"touch {target}"),
        lambda target: Runs(eval, f"open({str(target)!r}, 'w')"),
        lambda target: Runs(getattr, "text", "upper"),
        lambda target: Runs(np.load, str(target)),
        lambda target: Runs(np.dtype, "O"),
        lambda target: np.dtype([("a", "f4"), ("b", "O")]),
        lambda target: {1, 2},
        lambda target: target,
    ],
    ids=["system", "eval", "getattr", "load", "dtype", "record", "set", "path"],
)
def test_nothing_in_a_pickle_runs(tmp_path: Path, hostile, refused) -> None:
    target = tmp_path / "ran"
    np.savez(tmp_path / "a.npz", data={"S1": hostile(target)})
    with refused(AnnotationError, "a.npz"):
        read_objects(tmp_path / "a.npz", "data", allow_pickle=True)
    assert not target.exists()


def test_an_array_that_claims_more_than_it_has(tmp_path: Path, refused) -> None:
    core = np.empty(0).__reduce__()[0]

    class Liar:
        def __reduce__(self):
            return core, (np.ndarray, (0,), b"b"), (1, (10**9,), np.dtype("f8"), False, b"12345678")

    np.savez(tmp_path / "a.npz", data={"S1": Liar()})
    with refused(AnnotationError, "a.npz"):
        read_objects(tmp_path / "a.npz", "data", allow_pickle=True)


def test_missing_and_damaged_files(tmp_path: Path, refused) -> None:
    with refused(AnnotationError, "none.npz"):
        read_objects(tmp_path / "none.npz", "data", allow_pickle=True)
    with refused(AnnotationError, "none.npz"):
        read_array(tmp_path / "none.npz", "data")
    np.savez(tmp_path / "a.npz", data=NESTED)
    with refused(AnnotationError, "other"):
        read_objects(tmp_path / "a.npz", "other", allow_pickle=True)
    raw = (tmp_path / "a.npz").read_bytes()
    for size in (0, 10, len(raw) // 2, len(raw) - 30):
        (tmp_path / "b.npz").write_bytes(raw[:size])
        with refused(AnnotationError, "b.npz"):
            read_objects(tmp_path / "b.npz", "data", allow_pickle=True)
