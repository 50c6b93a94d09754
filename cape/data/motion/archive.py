"""Reading `.npz` files of motion: plain arrays, and the nested dictionaries that the community keeps in them.

VideoPose3D and its heirs save a dictionary of dictionaries of arrays as one array of objects, which is a pickle, and a
pickle may run any program. Such a member is read only with `allow_pickle=True`, and even then never by numpy's own
reader: here a pickle may name plain containers and four functions of numpy, each replaced by a stand-in that only
remembers what it was given. The arrays are built afterwards from the bytes, as numbers or texts.
"""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from cape.errors import AnnotationError

_KINDS = "biufSU"
_FIX = "Make the file anew with its data set's own script, or download it again."


def read_array(path: str | Path, key: str) -> np.ndarray:
    """One plain array of an `.npz` file.

    Raises:
        AnnotationError: No such file or member, a damaged one, or one that holds objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive[key]
    # Broken archives raise zipfile's, zlib's, numpy's and Python's own types
    except Exception as error:
        raise _bad(path, f"an array `{key}`", f"{type(error).__name__}: {error}") from error


def read_objects(path: str | Path, key: str, *, allow_pickle: bool) -> Any:
    """One member of an `.npz` file that holds a nested dictionary (`np.savez(path, key=dictionary)`).

    Args:
        path: A file from a source that you trust.
        key: The member.
        allow_pickle: Must be True where it is a pickle: that the caller says so is the point.

    Returns:
        Dictionaries, lists, tuples, numbers, texts, and arrays of numbers or texts; an array of objects is a list.

    Raises:
        AnnotationError: No such file or member, a damaged one, a pickle without `allow_pickle`, or one that asks for
            anything else than the above.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as member:
            version = np.lib.format.read_magic(member)
            shape, _, dtype = _HEADERS[version](member)
            if dtype.hasobject:
                return _read_pickle(Path(path), key, member, shape, allow_pickle=allow_pickle)
        return read_array(path, key)
    except AnnotationError:
        raise
    except Exception as error:
        raise _bad(path, f"a member `{key}`", f"{type(error).__name__}: {error}") from error


_HEADERS: dict[tuple[int, int], Callable] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _read_pickle(path: Path, key: str, member: Any, shape: tuple[int, ...], *, allow_pickle: bool) -> Any:
    if not allow_pickle:
        raise AnnotationError(
            str(path), expected="plain arrays", got=f"`{key}`, a pickle",
            fix="Pass allow_pickle=True if you trust where the file comes from; it is then read by a reader that knows "
            "numbers, texts and containers alone.",
        )  # fmt: skip
    content = _plain(_Reader(member).load())
    return content[0] if shape == () and isinstance(content, list) else content


class _Type:
    """Stands in for numpy.dtype: remembers which one was asked for."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def dtype(self) -> np.dtype:
        """The type itself: numbers and texts only, of the size that the code says."""
        kind = np.dtype(self.code)
        if kind.kind not in _KINDS or kind.hasobject:
            _refuse(f"arrays of type {self.code!r:.40}")
        return kind.newbyteorder(">") if self.order == ">" else kind


class _Array:
    """Stands in for an array that is about to get its state."""

    def __init__(self) -> None:
        self.state: tuple | None = None

    def __setstate__(self, state: tuple) -> None:
        self.state = state


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _scalar(kind: _Type, raw: Any) -> Any:
    return np.frombuffer(_bytes(raw), dtype=kind.dtype(), count=1)[0]


def _encode(text: str, encoding: str) -> bytes:
    """How a pickle of protocol 2 writes bytes."""
    return text.encode("latin1") if encoding == "latin1" else _refuse(f"the encoding {encoding!r:.20}")


class _Ndarray:
    """Stands in for the class numpy.ndarray, which a pickle only hands on."""


_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
_ALLOWED: dict[tuple[str, str], Any] = {
    **{(core, "_reconstruct"): _reconstruct for core in _CORES},
    **{(core, "scalar"): _scalar for core in _CORES},
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Ndarray,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): dict,
}


class _Reader(pickle.Unpickler):
    """Knows `_ALLOWED` and nothing else."""

    def __init__(self, file: BinaryIO | Any) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle may call."""
        return _ALLOWED.get((module, name)) or _refuse(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refer to something outside of the file: never."""
        _refuse(f"something outside of the file: {pid!r:.40}")


def _plain(value: Any) -> Any:
    """What was read, with arrays instead of their stand-ins."""
    if isinstance(value, _Array):
        return _array(value)
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(each) for each in value)
    if value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        return value
    return _refuse(f"a {type(value).__name__}")


def _array(array: _Array) -> Any:
    if array.state is None:
        return _refuse("an array without content")
    _, shape, kind, fortran, raw = array.state
    if isinstance(raw, list):
        return [_plain(each) for each in raw]
    flat = np.frombuffer(_bytes(raw), dtype=kind.dtype())
    return flat.reshape(shape, order="F" if fortran else "C").copy()


def _bytes(raw: Any) -> bytes:
    return raw.encode("latin1") if isinstance(raw, str) else bytes(raw)


def _refuse(what: str) -> NoReturn:
    raise pickle.UnpicklingError(f"it asks for {what}, which is not on the list")


def _bad(path: str | Path, expected: str, got: str) -> AnnotationError:
    return AnnotationError(str(path), expected=expected, got=got, fix=_FIX)
