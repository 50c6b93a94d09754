"""Networks that others describe: out of the config files that mmpose ships, as `MODELS` builds them here."""

import importlib.util
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cape.errors import DependencyError, UsageError

DROPPED = ("init_cfg", "pretrained", "_scope_")
"""Where weights lie on the net, and in whose registry a type was once looked for; we load weights ourselves."""
REPLACED = {"mmpretrain.VisionTransformer": "cape.PlainTransformer", "mmcls.VisionTransformer": "cape.PlainTransformer"}
"""Types of packages that are no dependency."""


def mmpose_network(name: str | Path) -> dict[str, Any]:
    """The model of a config of mmpose, which is executed, as options of `MODELS.build`.

    Addresses of weights are dropped, so that nothing is fetched, ever.

    Args:
        name: A file, or the name of one that mmpose ships: `td-hm_res50_8xb64-210e_coco-256x192`.

    Raises:
        DependencyError: mmpose is missing, or was installed without its configs.
        UsageError: No such config, one that does not run, or one of another kind of model.
    """
    path = _find(name)
    try:
        model = Config.fromfile(path).to_dict().get("model", {})
    except Exception as error:  # a config is code: it may raise anything
        got = f"{type(error).__name__}: {error}"
        raise UsageError(str(name), expected="a config that runs", got=got, fix="Mend it.") from error
    if model.get("type") != "TopdownPoseEstimator":
        raise UsageError(
            str(name), expected="a config of a TopdownPoseEstimator", got=str(model.get("type")),
            fix="Choose one under topdown_heatmap, topdown_regression or integral_regression.",
        )  # fmt: skip
    return {**_ours(model), "type": f"mmpose.{model['type']}"}


def _find(name: str | Path) -> Path:
    if Path(name).is_file():
        return Path(name)
    package = importlib.util.find_spec("mmpose")
    if package is None or package.origin is None:
        raise DependencyError("mmpose", expected="mmpose 1.3.2", got="no such package", fix="See README, Installation.")
    folder = Path(package.origin).parent / ".mim" / "configs"
    if not folder.is_dir():
        raise DependencyError(
            "mmpose", expected=f"its configs in {folder}", got="no such folder",
            fix="Install it from its wheel, or give the path of a config.",
        )  # fmt: skip
    stem = Path(name).name.removesuffix(".py")
    found = [path for path in folder.rglob("*.py") if path.stem == stem]
    if not found:
        raise UsageError(
            "network", expected="a file, or the name of a config of mmpose", got=str(name),
            fix=f"Choose one of those in {folder}.",
        )  # fmt: skip
    return found[0]


def _ours(options: Any) -> Any:
    """Options without what is `DROPPED`, at any depth, and with types that we have."""
    if isinstance(options, list | tuple):
        return type(options)(_ours(each) for each in options)
    if not isinstance(options, dict):
        return options
    kept = {key: _ours(value) for key, value in options.items() if key not in DROPPED}
    if kept.get("type") in REPLACED:
        kept["type"] = REPLACED[kept["type"]]
    return kept
