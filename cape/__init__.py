"""cape: few-shot, category-agnostic pose estimation.

One picture with clicked keypoints and a name for each, and cape finds them on pictures of a category it never saw.
"""

from cape.errors import CapeError
from cape.skeleton import Skeleton

__version__ = "0.1.0"
__all__ = ["CapeError", "Skeleton"]
