"""Body plans of plants: flower, branch with leaves, cactus or mushroom."""

from typing import Any

from cape.data.plans.crawlers import rim
from cape.data.sketch import ORDINALS, Sketch


def flower(s: Sketch) -> None:
    """A blossom with petals on a stem with leaves."""
    s.mirrored = False
    s.paint("main", "petal", "green")
    stem = s.chain("stem", s.count(1, 3), (s.some(0.6, 1.2), s.some(0.03, 0.08)), _ground(s), (0.9, 0), swing=12,
                   bend=s.some(-15, 15), thin=0.95, colour="green", z=-2)  # fmt: skip
    foot = s.point(s.one("foot of the stem", "root", "bottom of the stem"), "ground", 0.9, 0)
    size, petals = s.some(0.15, 0.45), s.count(4, 8)
    s.part("heart", "disc", (None, size), stem[-1], (1, 0), swing=20, z=2)
    heart = s.point(s.one("heart", "centre", "middle of the blossom"), "heart")
    s.edge(foot, heart)
    long, word = s.some(0.2, 0.6), s.one("petal", "lobe")
    wide, outline = long * s.some(0.35, 0.8), s.profile(0.4, ends=(0.3, s.some(0.1, 0.7)))
    for number in range(petals):
        name, angle = f"{ORDINALS[number]} {word}", 360 * number / petals + 20
        s.part(name, "polygon", (long, wide), "heart", rim(angle, 0.8), angle=angle, swing=8, outline=outline,
               colour="petal", z=number % 2)  # fmt: skip
        s.edge(heart, s.point(s.of(name, "tip"), name, 0.95, 0))
    for number in range(s.count(0, 2)):
        name = ("lower leaf", "upper leaf")[number]
        size2, lean = (s.some(0.25, 0.6), s.some(0.1, 0.3)), s.some(35, 75) * (1 if number else -1)
        s.part(name, "polygon", size2, stem[0], (0.3 + 0.4 * number, 0), angle=lean, swing=15, colour="green", z=-1,
               outline=s.profile(0.4, ends=(0.1, 0.05)))  # fmt: skip
        s.edge(foot, s.point(s.of(name, "base"), name, 0.02, 0), s.point(s.of(name, "tip"), name, 0.96, 0))


def _ground(s: Sketch) -> str:
    """A pot or a patch of earth, the root of the tree of parts."""
    wide = s.some(0.15, 0.5)
    lip = s.some(0.6, 1)
    s.part("ground", "polygon", (s.some(0.08, 0.4), wide), angle=-90, swing=3, z=-1, colour="main",
           outline=[[0, -lip], [0.97, -1], [0.97, 1], [0, lip]])  # fmt: skip
    return "ground"


def branch(s: Sketch) -> None:
    """A twig, a fern or a bare tree: a stem with leaves or boughs on both sides, in pairs or in turns."""
    s.paint("main", "leaf", "fruit")
    links, long = s.count(3, 5), s.some(1.0, 1.5)
    wide = s.some(0.04, 0.12)
    s.part("foot", "limb", (long / links, wide), angle=-90, swing=20, taper=0.9, colour="main")
    chain = s.chain("stem", links - 1, (long * (1 - 1 / links), wide * 0.9), "foot", (1, 0), angle=s.some(-12, 12),
                    swing=15, bend=s.some(-15, 15), thin=0.8)  # fmt: skip
    base = s.point(s.one("foot of the stem", "base", "cut end"), "foot")
    top = s.point(s.one("top", "tip of the stem", "stem tip"), chain[-1], 1, 0)
    paired, word = s.chance(), s.one("leaf", "bough", "frond")
    size, lean = (s.some(0.25, 0.6), s.some(0.07, 0.25)), s.some(35, 80)
    shape = "limb" if word == "bough" else "polygon"
    more: dict[str, Any] = {} if shape == "limb" else {"outline": s.profile(0.4, ends=(0.1, 0.08))}
    joints = []
    for number, link in enumerate(chain):
        joint = s.point(f"{ORDINALS[number]} joint", link)
        joints.append(joint)
        own = (size[0] * (1 - 0.6 * number / links), size[1])
        where: dict[str, Any] = {"at": (0, 0), "swing": 12, "colour": "leaf", "z": -1}
        if paired:
            name = f"{{side}} {ORDINALS[number]} {word}"
            s.part(name, shape, own, link, angle=lean, sides="mirror", **where, **more)
        else:
            name = f"{ORDINALS[number]} {word}"
            s.part(name, shape, own, link, angle=lean if number % 2 else -lean, **where, **more)
        s.edge(joint, s.point(s.of(name, "tip"), name, 0.96, 0))
    s.edge(base, *joints, top)
    if s.chance():
        s.part("fruit", "disc", (None, s.some(0.12, 0.3)), chain[-1], (1, 0), colour="fruit", z=1)


def cactus(s: Sketch) -> None:
    """A trunk with arms, or a mushroom: a trunk with a cap."""
    s.paint("main", "second", "spot")
    tall, wide = s.some(0.6, 1.3), s.some(0.15, 0.4)
    s.part("trunk", "polygon", (tall, wide), angle=-90, swing=8, outline=s.profile(0.3, ends=(0.7, 0.6)))
    foot = s.point(s.one("foot", "bottom of the trunk"), "trunk", 0.03, 0)
    if s.chance(0.4):
        cap = s.some(0.5, 1.1)
        size = (s.some(0.25, 0.6), cap)
        s.part("cap", "polygon", size, "trunk", (0.9, 0), swing=12, z=1, colour="second",
               outline=[[0, -0.96], [0.25, -1], [0.7, -0.75], [0.95, -0.35], [1, 0], [0.95, 0.35], [0.7, 0.75],
                        [0.25, 1], [0, 0.96], [-0.1, 0.4], [-0.1, -0.4]])  # fmt: skip
        top = s.point(s.of("cap", "top"), "cap", 0.97, 0)
        s.edge(foot, s.point("{side} rim of the cap", "cap", 0.08, 0.9), top)
        for number in range(s.count(1, 4)):
            name = f"{ORDINALS[number]} spot"
            place = (0.2 + 0.2 * number, s.some(-0.5, 0.5))
            s.part(name, "disc", (None, cap * s.some(0.08, 0.16)), "cap", place, colour="spot", z=2)
            s.edge(top, s.point(name, name))
        return
    top = s.point("top", "trunk", 0.9, 0)
    s.edge(foot, top)
    for number in range(s.count(2, 4)):
        side = 1 if number % 2 else -1
        name = f"{ORDINALS[number]} arm"
        size = (s.some(0.4, 0.9), wide * s.some(0.4, 0.8))
        chain = s.chain(name, 2, size, "trunk", (0.25 + 0.15 * number, 0.5 * side), angle=side * s.some(60, 100),
                        swing=14, bend=-side * s.some(20, 85), thin=0.95)  # fmt: skip
        joint = s.point(f"{name} bend", chain[1])
        s.edge(foot, joint, s.point(s.of(name, "tip"), chain[1], 1, 0))
    if s.chance():
        s.part("blossom", "polygon", (0.2, 0.2), "trunk", (1, 0), pivot=(0.1, 0), outline=s.star_outline(5, 0.5),
               colour="spot", z=2)  # fmt: skip
        s.edge(top, s.point("blossom", "blossom", 0.5, 0))
