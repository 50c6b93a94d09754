"""Data: from annotation files and pictures to episodes, and from motion to windows.

A data set has `categories` (by id), `instances`, `by_category()` and `picture(index)`; episodes are drawn from any
object with these four.
"""

from cape.data.coco import Category, CocoKeypoints
from cape.data.drawn import Drawn
from cape.data.episodes import Episodes
from cape.data.joined import Joined
from cape.data.lifting import LiftingData
from cape.data.motion import H3WB, CmuMotion, H3WBJson, Human36M, Mpi3DHP, Mpi3DHPLab, Reprojected
from cape.data.mp100 import MP100
from cape.data.people import JoinedPeople, People, PersonCrops
from cape.data.permitted import Permitted

__all__ = [
    "H3WB",
    "MP100",
    "Category",
    "CmuMotion",
    "CocoKeypoints",
    "Drawn",
    "Episodes",
    "H3WBJson",
    "Human36M",
    "Joined",
    "JoinedPeople",
    "LiftingData",
    "Mpi3DHP",
    "Mpi3DHPLab",
    "People",
    "Permitted",
    "PersonCrops",
    "Reprojected",
]
