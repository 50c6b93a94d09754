"""Data: from annotation files and pictures to episodes.

A data set has `categories` (by id), `instances`, `by_category()` and `picture(index)`; episodes are drawn from any
object with these four.
"""

from cape.data.coco import Category, CocoKeypoints
from cape.data.drawn import Drawn
from cape.data.episodes import Episodes
from cape.data.joined import Joined
from cape.data.mp100 import MP100
from cape.data.people import JoinedPeople, People, PersonCrops
from cape.data.permitted import Permitted

__all__ = [
    "MP100",
    "Category",
    "CocoKeypoints",
    "Drawn",
    "Episodes",
    "Joined",
    "JoinedPeople",
    "People",
    "Permitted",
    "PersonCrops",
]
