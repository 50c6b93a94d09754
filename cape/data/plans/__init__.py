"""Body plans: grammars that breed categories. Each is a function of a `Sketch` and adds parts and keypoints to it."""

from collections.abc import Callable

from cape.data.plans import animals, crawlers, machines, oddities, plants, things, wear
from cape.data.sketch import Sketch

PLANS: dict[str, Callable[[Sketch], None]] = {
    "quadruped": animals.quadruped,
    "biped": animals.biped,
    "bird": animals.bird,
    "fish": animals.fish,
    "serpent": animals.serpent,
    "crawler": crawlers.crawler,
    "flyer": crawlers.flyer,
    "star": crawlers.star,
    "flower": plants.flower,
    "branch": plants.branch,
    "cactus": plants.cactus,
    "vehicle": machines.vehicle,
    "jointed arm": machines.jointed_arm,
    "aircraft": machines.aircraft,
    "rotor": machines.rotor,
    "furniture": things.furniture,
    "lamp": things.lamp,
    "hand tool": things.hand_tool,
    "tongs": things.tongs,
    "vessel": things.vessel,
    "face": wear.face,
    "upper garment": wear.upper_garment,
    "lower garment": wear.lower_garment,
    "shoe": wear.shoe,
    "hand": oddities.hand,
    "two-wheeler": oddities.two_wheeler,
    "instrument": oddities.instrument,
    "assembly": oddities.assembly,
}
