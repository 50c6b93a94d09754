"""The only place that makes torchvision, mmpose and mmengine importable and safe. Four things, each with its reason.

1. `declare_torchvision_operators`: torchvision's ordinary wheel is built for CUDA, so beside a CPU torch its C++
   library does not load; its Python then fails at import, since it registers fakes for operators that nobody declared.
2. `load_mmpose`: `mmpose.models` imports three names of mmdet and the full mmcv, for heads that cape never builds.
   Both must be compiled against an older torch, so stand-ins take their place during the import.
3. `load_trusted_state`: mmengine cannot read its own checkpoints since torch 2.6 made `weights_only=True` the default.
   The cure is an allow-list of what its Runner really writes, never `weights_only=False`, which runs code in the file.
4. `require_setuptools`: setuptools 82 took `pkg_resources` away, which mmengine 0.10 imports in `mmengine.utils`.

`prepare()` does 1 and 4. Call it before the first import of torchvision, timm, transformers' models or
sentence_transformers; `load_mmpose` calls it itself. Nothing here happens by importing cape.
"""

import functools
import importlib
import importlib.machinery
import importlib.util
import pickle
import sys
import threading
import types
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cape.errors import DataError, DependencyError

_LOCK = threading.RLock()

# The two operators for which torchvision 0.28 registers fakes whether or not its C++ library loaded.
_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# A Library takes its declarations back when it is collected.
_declared: list[torch.library.Library] = []

_NUMBERS = "?bBhHiIlLqQefd"  # numpy's one-letter codes of booleans, integers and floats


@functools.cache
def prepare() -> None:
    """Make torchvision importable and check that mmengine can work: once, then free.

    Raises:
        DependencyError: `pkg_resources` is missing.
    """
    require_setuptools()
    declare_torchvision_operators()


def require_setuptools() -> None:
    """Check that `pkg_resources` is there, which `mmengine.utils.package_utils` imports in the middle of a run.

    Raises:
        DependencyError: It is not: setuptools is missing, or 82 or newer.
    """
    if _installed("pkg_resources"):
        return
    raise DependencyError(
        "setuptools",
        expected="a version below 82, whose pkg_resources mmengine imports",
        got="no pkg_resources",
        fix='Run: pip install "setuptools>=70.1,<82".',
    )


def declare_torchvision_operators() -> None:
    """Declare the operators without which `import torchvision` fails where its C++ library cannot load.

    Only the schemas are declared: calling such an operator still raises torchvision's own error. Does nothing where the
    C++ library loads, where torchvision is absent or already imported, and at the second call.
    """
    with _LOCK:
        if "torchvision" in sys.modules or not _installed("torchvision"):
            return
        _load_torchvision_library()
        known = torch.ops.torchvision
        missing = [schema for schema in _OPERATORS if not hasattr(known, schema.partition("(")[0])]
        if missing:
            # A fragment, since the C++ library, should it load after all, owns the namespace.
            library = torch.library.Library("torchvision", "FRAGMENT")
            for schema in missing:
                library.define(schema)
            _declared.append(library)


def _load_torchvision_library() -> None:
    """Load torchvision's C++ library as torchvision will; loading it a second time changes nothing."""
    package = importlib.util.find_spec("torchvision")
    folders = list(package.submodule_search_locations or ()) if package else []
    extension = importlib.machinery.PathFinder.find_spec("_C", folders)
    if extension and extension.origin:
        # OSError: built for CUDA, and this torch has none.
        with suppress(OSError, ImportError):
            torch.ops.load_library(extension.origin)


@functools.cache
def load_mmpose() -> types.ModuleType:
    """Import mmpose with its models, codecs, data sets, evaluation, visualization and apis.

    Where mmdet or the compiled operators of mmcv are installed, mmpose gets those. Otherwise stand-ins take their place
    while `mmpose.models` is imported, and are gone afterwards, so that no other library believes in them.

    Returns:
        The module `mmpose`, its parts as attributes.

    Raises:
        DependencyError: mmpose is missing, or one of its parts does not import.
    """
    prepare()
    fix = "Run: pip install --no-deps mmpose==1.3.2 (one of the dependencies that it names cannot be built)."
    if not _installed("mmpose"):
        raise DependencyError("mmpose", expected="mmpose 1.3.2", got="no such package", fix=fix)
    with _LOCK, warnings.catch_warnings():
        # The first advises what breaks this installation (full mmcv), the second is for mmengine's authors.
        warnings.filterwarnings("ignore", r"Fail to import ``MultiScaleDeformableAttention``", UserWarning)
        warnings.filterwarnings("ignore", r"pkg_resources is deprecated as an API", UserWarning)
        try:
            mmpose = importlib.import_module("mmpose")
            with _stand_ins():
                importlib.import_module("mmpose.models")
            for part in ("codecs", "datasets", "evaluation", "visualization", "apis"):
                importlib.import_module(f"mmpose.{part}")
        # mmpose and mmdet check versions by assert and registries by KeyError: any of them is a broken installation.
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
            raise DependencyError("mmpose", expected="a package that imports", got=got, fix=fix) from error
    # Its CSPNeXt says this ten times a forward; nobody but its authors can change it.
    warnings.filterwarnings("ignore", r"`torch\.cuda\.amp\.autocast", FutureWarning, r"mmpose\.")
    return mmpose


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Put modules with the names that mmpose.models wants into `sys.modules`, and take them out again."""
    from mmengine.config import ConfigDict

    wanted: dict[str, dict[str, Any]] = {}
    if not _installed("mmdet"):
        wanted["mmdet"] = {}
        wanted["mmdet.utils"] = {"ConfigType": ConfigDict | dict, "reduce_mean": reduce_mean}
    # mmcv-lite ships the Python of mmcv.ops without the compiled library that its import needs.
    if not _installed("mmcv._ext"):
        wanted["mmcv.ops"] = {"MultiScaleDeformableAttention": MultiScaleDeformableAttention}
    for name, content in wanted.items():
        # With a spec, since importlib.util.find_spec fails on a module that has none.
        module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, loader=None))
        module.__dict__.update(content)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in wanted:
            sys.modules.pop(name, None)


def reduce_mean(tensor: torch.Tensor) -> torch.Tensor:
    """Mean of a tensor over all processes, as mmdet's function of this name; the tensor itself where there is one.

    Args:
        tensor: A floating-point tensor of the same shape in every process.
    """
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return tensor
    mean = tensor.clone() / dist.get_world_size()
    dist.all_reduce(mean, op=dist.ReduceOp.SUM)
    return mean


class MultiScaleDeformableAttention:
    """Stand-in for mmcv's compiled operator: a name to import, which cannot be built.

    Raises:
        DependencyError: Always.
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        raise DependencyError(
            "MultiScaleDeformableAttention",
            expected="the compiled operators of the full mmcv",
            got="mmcv-lite",
            fix="Choose a head without deformable attention: cape does not support the full mmcv.",
        )


def load_trusted_state(path: str | Path) -> dict[str, Any]:
    """Read the resume state that an mmengine Runner wrote, on the CPU, running no code from it.

    What may stand in it: what torch allows by itself, HistoryBuffer with its four statistics, numpy arrays and scalars
    of numbers, and the annealing functions of the one-cycle schedule. The name says *trusted* because that is a seat
    belt and no wall: read only files of your own training. A tensor may still claim more elements than the file has
    bytes (stride 0), so compare shapes with the model's before copying.

    The engine must resume through this function and never through `Runner.resume` or `Runner.load_checkpoint`: the
    first executes a string in `meta["config"]` as Python, even in a file of plain strings and tensors. Nothing here
    reads that string; it stays text.

    Args:
        path: The `.pth` file.

    Returns:
        The dictionary that was saved: `state_dict`, `optimizer`, `message_hub`, `meta` and so on.

    Raises:
        DataError: No such file, damaged, not written by torch, not a dictionary, or holding something not on the list.
    """
    prepare()
    try:
        return _read_state(Path(path))
    except DataError:
        raise
    # Broken archives raise at least seven types, EOFError to UnicodeDecodeError; whichever it is, the file is at fault.
    except Exception as error:
        # torch's own text is left in the chain: it advises weights_only=False.
        cause = error.__context__ if isinstance(error, pickle.UnpicklingError) else None
        reason = str(cause or error).partition("\n")[0]
        raise _bad_state(path, f"{type(error).__name__}: {reason}") from error


@contextmanager
def plain_globals(*more: Any) -> Iterator[None]:
    """Let `weights_only` take numpy's numbers and arrays, too, and more: each an (object, its name in the file)."""
    # torch's list is the whole process's: without the lock, one thread's exit would disarm the other's load.
    with _LOCK, torch.serialization.safe_globals([*_number_globals(), *more]):
        yield


def _read_state(path: Path) -> dict[str, Any]:
    from mmengine.logging.history_buffer import HistoryBuffer

    _check_archive(path)
    HistoryBuffer()  # fills the table of statistics, which is empty before the first buffer
    statistics = dict(HistoryBuffer._statistics_methods)
    with plain_globals(*_runner_globals()):
        if refused := torch.serialization.get_unsafe_globals_in_checkpoint(path):
            raise _bad_state(path, f"a file that asks for {', '.join(sorted(refused))}")
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        finally:
            # Reading a buffer merges the file's table into the class's: the file must not change our statistics.
            HistoryBuffer._statistics_methods.clear()
            HistoryBuffer._statistics_methods.update(statistics)
    if not isinstance(state, dict):
        raise _bad_state(path, type(state).__name__)
    return state


def _check_archive(path: Path) -> None:
    """Refuse what torch never writes (compressed or overlapping members: zip bombs), and damage, by the checksums."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise _bad_state(path, "a compressed archive")
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise _bad_state(path, "an archive whose members overlap")
        if broken := archive.testzip():
            raise _bad_state(path, f"a wrong checksum in {broken}")


def _runner_globals() -> list[Any]:
    """Give what mmengine's Runner writes, measured on its checkpoints."""
    from mmengine.logging.history_buffer import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    return [
        (HistoryBuffer, "mmengine.logging.history_buffer.HistoryBuffer"),
        (OneCycleParamScheduler, "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler"),
        (_known_attribute, "builtins.getattr"),
    ]


def _number_globals() -> list[Any]:
    reconstruct, scalar = np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    allowed: list[Any] = [(_plain_dtype, "numpy.dtype"), (np.ndarray, "numpy.ndarray")]
    for core in ("numpy.core", "numpy._core"):  # numpy 1 and 2
        allowed += [(reconstruct, f"{core}.multiarray._reconstruct"), (scalar, f"{core}.multiarray.scalar")]
    # Never named in a file, but the reader sets a dtype's state only if the dtype's class is on the list.
    kinds = [type(np.dtype(code)) for code in _NUMBERS]
    return allowed + [(kind, f"numpy.dtypes.{kind.__name__}") for kind in kinds]


def _known_attribute(owner: Any, name: Any, *_: Any) -> Any:
    """Stand in for `getattr`, by which pickle names a method. The real one reaches `__globals__`, and so everything."""
    from mmengine.logging.history_buffer import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    known = {
        HistoryBuffer: ("min", "max", "current", "mean"),
        OneCycleParamScheduler: ("_annealing_cos", "_annealing_linear"),
    }
    if not isinstance(owner, type) or name not in known.get(owner, ()):
        raise pickle.UnpicklingError(f"the attribute {name!r:.80} of {owner!r:.80} is not on the list")
    return getattr(owner, name)


def _plain_dtype(code: Any, *_: Any) -> np.dtype:
    """Stand in for `numpy.dtype`: numpy's own number types, whose state a file cannot change; objects never."""
    dtype = np.dtype(code) if isinstance(code, str) else None
    if dtype is None or dtype.char not in _NUMBERS or dtype is not np.dtype(dtype.char):
        raise pickle.UnpicklingError(f"the array type {code!r:.80} is not on the list")
    return dtype


def _bad_state(path: str | Path, got: str) -> DataError:
    return DataError(
        str(path),
        expected="a whole resume state, as a training run of cape writes it",
        got=got,
        fix="Resume from an older state, or start from the weights in the .safetensors file.",
    )


def _installed(name: str) -> bool:
    """Say whether a module can be found; looks, and imports nothing but its parents."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # no parent, or a module put into sys.modules by hand
        return sys.modules.get(name) is not None
