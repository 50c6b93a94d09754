"""Predictors from files: the weights that ship with the package, and those of `cape train`."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from cape.features import find_device
from cape.loading import build_from
from cape.models.calibration import CalibratedPose
from cape.models.fewshot import FewShotPose
from cape.predictor import Predictor

SHIPPED = {"cape-lite": "cape-lite.safetensors"}
"""Weights that come with the package."""


def load(
    name_or_path: str | Path = "cape-lite",
    *,
    device: str = "auto",
    options: Mapping[str, Any] | None = None,
    human: str | Path | None = None,
) -> Predictor:
    """A predictor, from weights that ship with cape or that `cape train` wrote.

    What the model is stands in the file's header, as data; nothing in the file is executed, nothing is downloaded.

    Args:
        name_or_path: "cape-lite", or a .safetensors file of a few-shot model.
        device: "auto" is the GPU where there is one.
        options: Of the model, in place of the header's; for example {"prior": {"type": "TurnedFit"}}.
        human: A .safetensors file of a whole-body model (`cape convert cigpose`): it finds what a prompt has of a
            person's keypoints.

    Raises:
        DataError: No such file or name, a damaged file, one that does not say what model it is of, or one of another.
        UsageError: No such device.
    """
    path = weights_of(str(name_or_path))
    what, where = f"{', '.join(SHIPPED)} or another few-shot model", find_device(device)
    model = build_from(path, (FewShotPose, CalibratedPose), what, device=where, options=options)
    if human is None:
        return Predictor(model, name=str(name_or_path))
    from cape.human import BodyModel  # with mmpose

    return Predictor(model, name=str(name_or_path), human=BodyModel.load(human, device=where))


def is_weights(name: str) -> bool:
    """Whether a name is of weights that say what model they are of, and not of a config."""
    return name in SHIPPED or name.endswith(".safetensors")


def weights_of(name: str) -> Path:
    """The file of weights that ship with the package, or the one of that path."""
    return Path(str(resources.files("cape.weights") / SHIPPED[name])) if name in SHIPPED else Path(name)
