"""Body plans seen from above: insects, spiders, crabs and lizards; winged insects; stars and octopuses."""

import math
from typing import Any

from cape.data.sketch import ORDINALS, Number, Sketch

_RANKS = {1: ("",), 2: ("front", "hind"), 3: ("front", "middle", "hind"), 4: ORDINALS[:4], 5: ORDINALS[:5]}


def crawler(s: Sketch) -> None:
    """A body with two to five pairs of legs; claws, feelers and a tail as it comes."""
    s.paint("main", "second", "leg")
    long, wide = s.some(0.3, 0.7), s.some(0.2, 0.6)
    s.part("body", "polygon", (long, wide), angle=-90, swing=25, outline=s.profile(0.4, ends=(0.45, 0.4)))
    size = (s.some(0.15, 0.35), s.some(0.15, 0.35))
    s.part("head", "ellipse", size, "body", (0.96, 0), pivot=(0.08, 0), swing=15, z=1, colour="second")
    head = s.point(s.one("head", "middle of the head", "mouth"), "head", 0.75, 0)
    middle = s.point(s.one("middle of the body", "middle of the back", "centre of the shell"), "body", 0.5, 0)
    s.edge(head, middle)
    s.part("{side} eye", "disc", (None, s.some(0.04, 0.09)), "head", (0.6, 0.6), colour="dark", z=2, sides="mirror")
    if s.chance(0.4):
        s.edge(head, s.point("{side} eye", "{side} eye"))
    if s.chance(0.6):
        feeler = s.one("feeler", "antenna")
        chain = s.chain(f"{{side}} {feeler}", 2, (s.some(0.25, 0.8), 0.035), "head", (0.85, 0.4), angle=s.some(15, 60),
                        swing=15, bend=s.some(-40, 40), thin=0.8, colour="leg", z=-1, sides="mirror")  # fmt: skip
        s.edge(head, s.point(s.of(f"{{side}} {feeler}", "tip"), chain[-1], 1, 0))
    _legs(s, middle, long)
    _claws(s, head)
    if s.chance(0.55):
        size = (s.some(0.3, 0.9), wide * s.some(0.5, 1.4))
        s.part("abdomen", "polygon", size, "body", (0.06, 0), angle=180, swing=20, z=1, colour="second",
               outline=s.profile(0.4, ends=(0.35, s.some(0.1, 0.5))))  # fmt: skip
        s.edge(middle, s.point(s.one("abdomen end", "end of the abdomen", "rear end"), "abdomen", 0.96, 0))
    elif s.chance(0.7):
        chain = s.chain("tail", s.count(2, 4), (s.some(0.5, 1.2), wide * 0.4), "body", (0.05, 0), angle=180, swing=25)
        points = [s.point(s.of("tail", "base"), chain[0], 0.2), s.point(s.of("tail", "tip"), chain[-1], 1, 0)]
        s.edge(middle, *points)


def _legs(s: Sketch, middle: str, long: float) -> None:
    pairs = s.count(2, 5)
    links = 2 if pairs > 3 else s.count(2, 3)
    size = (long * s.some(1.0, 2.2), s.some(0.035, 0.09))
    joint, end = s.one("knee", "joint", "elbow"), s.one("foot", "tip")
    fan, bend = s.some(50, 110), s.some(-45, 50)
    for pair, rank in enumerate(_RANKS[pairs]):
        share = pair / (pairs - 1)
        leg = f"{{side}} {rank} leg"
        chain = s.chain(leg, links, size, "body", (0.85 - 0.7 * share, 0.6), angle=90 + fan * (share - 0.5), swing=18,
                        bend=bend * (1 if share >= 0.5 else -1), colour="leg", z=-1, sides="mirror")  # fmt: skip
        points = [s.point(f"{leg} {joint}", chain[1])] if pairs < 5 else []
        points.append(s.point(f"{leg} {end}", chain[-1], 1, 0))
        s.edge(middle, *points)
        s.group(leg, points)


def _claws(s: Sketch, head: str) -> None:
    if not s.chance(0.4):
        return
    claw = s.one("claw", "pincer")
    arm = s.chain(
        f"{{side}} {claw} arm",
        2,
        (s.some(0.4, 0.8), 0.09),
        "body",
        (0.9, 0.5),
        angle=s.some(40, 80),
        swing=18,
        bend=s.some(-80, -20),
        thin=0.9,
        colour="leg",
        z=-1,
        sides="mirror",
    )
    size = (s.some(0.2, 0.4), s.some(0.12, 0.22))
    jaw = [[0, -0.3], [0.35, -1], [1, -0.35], [0.5, -0.1], [0.95, 0.35], [0.35, 1], [0, 0.3]]
    s.part(f"{{side}} {claw}", "polygon", size, arm[-1], (0.95, 0), swing=20, outline=jaw, sides="mirror")
    s.edge(
        head,
        s.point(f"{{side}} {claw} joint", arm[1]),
        s.point(s.of(f"{{side}} {claw}", "base"), f"{{side}} {claw}"),
        s.point(s.of(f"{{side}} {claw}", "tip"), f"{{side}} {claw}", 0.95, -0.35),
    )


def flyer(s: Sketch) -> None:
    """A winged insect from above: butterfly, dragonfly, bee."""
    s.paint("main", "wing", "spot")
    size = (s.some(0.45, 1.1), s.some(0.08, 0.24))
    s.part("body", "polygon", size, angle=-90, swing=25, outline=s.profile(0.5, ends=(0.2, 0.6)), z=2)
    s.part("head", "disc", (None, s.some(0.13, 0.24)), "body", (1.02, 0), z=3, colour="spot")
    head = s.point("head", "head")
    end = s.point(s.one("abdomen end", "tail end", "end of the body"), "body", 0.03, 0)
    chest = s.point(s.one("thorax", "middle of the thorax", "chest"), "body", 0.75, 0)
    s.edge(head, chest, end)
    if s.chance(0.7):
        s.part("{side} antenna", "limb", (s.some(0.15, 0.5), 0.025), "head", (0.6, 0.4), angle=s.some(10, 50), swing=12,
               taper=1.6, z=1, sides="mirror")  # fmt: skip
        s.edge(head, s.point(s.of("{side} antenna", "tip"), "{side} antenna", 1, 0))
    pairs = s.count(1, 2)
    flap = s.some(40, 90)
    for pair in range(pairs):
        name = "wing" if pairs == 1 else ("forewing", "hindwing")[pair]
        part, outline = f"{{side}} {name}", s.profile(0.5, ends=(0.15, s.some(0.2, 0.8)))
        u = 0.78 - 0.25 * pair
        size = (s.some(0.5, 1.0), s.some(0.18, 0.6))
        s.part(
            part,
            "polygon",
            size,
            "body",
            (u, 0.4),
            angle=flap + 50 * pair,
            swing=16,
            outline=outline,
            colour="wing",
            z=1 - pair,
            sides="mirror",
        )
        points = [s.point(s.of(part, "tip"), part, 0.97, 0)]
        if s.chance(0.6):
            spot = f"{part} spot"
            s.part(spot, "disc", (None, size[1] * 0.35), part, (s.some(0.5, 0.7), 0), colour="spot",
                   z=1 - pair, rigid=True, sides="mirror")  # fmt: skip
            points.insert(0, s.point(f"{part} spot", spot))
        s.edge(chest, *points)
        s.group(part, points)


def star(s: Sketch) -> None:
    """A starfish, an octopus, a jellyfish: arms all round a middle, or on one side of it."""
    s.mirrored = False
    s.paint("main", "second", "arm")
    arms, links = s.count(3, 8), s.count(1, 3)
    wide, fan = s.some(0.25, 0.8), s.chance(0.4)
    if fan:
        s.part("middle", "polygon", (wide, wide * s.some(0.8, 1.6)), angle=-90, swing=25, z=2, pivot=(0.5, 0),
               outline=s.profile(0.3, ends=(0.8, 0.3)))  # fmt: skip
    else:
        s.part("middle", "polygon", (wide, wide), angle=-90, swing=30, z=2, pivot=(0.5, 0),
               outline=s.star_outline(s.count(3, 9), s.some(0, 0.3)))  # fmt: skip
    centre = s.point(s.one("centre", "middle", "mouth"), "middle", 0.5, 0)
    size, slim = (s.some(0.3, 1.1), wide * s.some(0.12, 0.5)), s.some(0.4, 0.95)
    turns = s.some(-60, 60) if links > 1 else 0
    uneven = [s.some(0.4, 1.0) for _ in range(s.count(1, 3))]
    flat = links == 1 and s.chance(0.6)
    more: dict[str, Any] = {"colour": s.one("main", "arm"), "swing": 14 if arms < 7 and fan is False else 8}
    arm, end = s.one("arm", "tentacle", "ray"), s.one("tip", "end")
    outline = s.profile(0.5, ends=(0.5, s.some(0.05, 0.8)))
    for number in range(arms):
        name = f"{ORDINALS[number]} {arm}"
        long = size[0] * uneven[number % len(uneven)] * (1 if number else 1.15)
        if fan:  # below a bell, from one side to the other
            at, angle = (0.12, -0.6 + 1.2 * number / (arms - 1)), 180 + 50 * (0.5 - number / (arms - 1))
        else:
            angle = 360 * number / arms
            along, across = rim(angle, 0.6)
            at = (0.5 + 0.5 * along, across)
        if flat:
            chain = [s.part(name, "polygon", (long, size[1] * 1.5), "middle", at, angle=angle, outline=outline, **more)]
        else:
            chain = s.chain(name, links, (long, size[1]), "middle", at, angle=angle, bend=turns, thin=slim, **more)
        joint = s.point(f"{name} joint", chain[1]) if links > 1 and arms < 7 else None
        s.edge(centre, joint, s.point(s.of(name, end), chain[-1], 0.96, 0))
    # Without a mark no one could tell which arm is the first.
    s.part("mark", "disc", (None, wide * s.some(0.15, 0.3)), "middle", (0.8, 0), colour="second", z=3)
    s.edge(centre, s.point(s.one("mark", "spot", "eye"), "mark"))


def rim(angle: Number, radius: Number) -> tuple[float, float]:
    """A place of a disc."""
    return radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))
