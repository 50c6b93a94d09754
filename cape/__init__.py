"""cape: few-shot, category-agnostic pose estimation.

One picture with clicked keypoints and a name for each, and cape finds them on pictures of a category it never saw.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cape.errors import CapeError
from cape.skeleton import Skeleton

if TYPE_CHECKING:
    from cape.prediction import Prediction
    from cape.predictor import Predictor
    from cape.prompting import Prompt
    from cape.shipped import load

__version__ = "0.1.0"
__all__ = ["CapeError", "Prediction", "Predictor", "Prompt", "Skeleton", "load"]

_LATER = {"Prediction": "prediction", "Predictor": "predictor", "Prompt": "prompting", "load": "shipped"}


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module 'cape' has no attribute {name!r}")
    return getattr(import_module(f"cape.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
