"""Models: pages compose, parts compute.

A page (`baselines`) is a whole method and holds no arithmetic beyond gluing. Parts are in folders with one signature
each (`encoders`), or small shared files beside the pages (`affine`); a part imports no page and no other folder.
"""

from cape.models.encoders import VisualEncoder

__all__ = ["VisualEncoder"]
