"""Motion: readers of data sets of people in three dimensions, one file for each family.

A reader has `clips` (what one camera saw of one person, metres and screen coordinates, checked), `skeleton`, `root` and
`sequential`; `cape.data.lifting.LiftingData` cuts its clips into windows.
"""

from cape.data.motion.clips import Clip, Motion
from cape.data.motion.cmu import CmuMotion
from cape.data.motion.h3wb import H3WB, H3WBJson
from cape.data.motion.human36m import Human36M
from cape.data.motion.mpi3dhp import Mpi3DHP, Mpi3DHPLab

__all__ = ["H3WB", "Clip", "CmuMotion", "H3WBJson", "Human36M", "Motion", "Mpi3DHP", "Mpi3DHPLab"]
