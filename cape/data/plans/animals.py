"""Body plans of animals and people: four-legged from the side, upright from the front, bird, fish, serpent."""

from typing import Any

from cape.data.sketch import Sketch


def quadruped(s: Sketch) -> None:
    """An animal with two or three pairs of legs, facing right."""
    s.frame = "subject"
    s.paint("main", "second", "feet")
    long, deep = s.some(0.75, 1.25), s.some(0.3, 0.62)
    s.part("trunk", "polygon", (long, deep), angle=s.some(-12, 8), swing=5, outline=s.profile(0.4, ends=(0.55, 0.5)))
    head = _head(s, deep)
    back = s.point(s.one("withers", "shoulders", "top of the shoulders"), "trunk", s.some(0.7, 0.8), -0.45)
    rump = s.point(s.one("rump", "croup", "hip"), "trunk", 0.1, -0.35)
    if s.chance(0.4):
        size = (s.some(0.18, 0.4), s.some(0.25, 0.5))
        s.part("hump", "ellipse", size, "trunk", (s.some(0.3, 0.6), -0.5), angle=-90, pivot=(0.3, 0), z=-1)
        s.edge(back, s.point(s.one("hump", "top of the hump"), "hump", 0.97, 0))
    s.edge(*head, back, rump)
    s.group("head", head)
    if s.chance(0.85):
        size, angle = (s.some(0.15, 0.75), s.some(0.05, 0.16)), s.some(110, 230)
        tail = s.chain(
            "tail", s.count(1, 3), size, "trunk", (0.03, -0.3), angle=angle, swing=30, thin=s.some(0.6, 1), z=-1
        )
        s.edge(rump, s.point(s.of("tail", s.one("tip", "end")), tail[-1], 1, 0))
    names = [("hind", 0.1), ("front", 0.87)]
    if s.chance(0.15):
        names.insert(1, ("middle", 0.48))
    joint, end = s.one("knee", "elbow", "middle joint"), s.one("hoof", "paw", "foot")
    links, size = s.count(2, 3), (s.some(0.3, 0.95), s.some(0.09, 0.2))
    for name, u in names:
        leg = f"{{side}} {name} leg"
        bend = s.some(5, 35) if name == "hind" else s.some(-25, 15)
        chain = s.chain(
            leg, links, size, "trunk", (u, 0.4), angle=s.some(75, 100), swing=25, bend=bend, z=1, sides="depth"
        )
        width = size[1] * 0.9
        s.part(f"{leg} foot", "limb", (width, width * 0.8), chain[-1], (1, 0), angle=-85, colour="feet", z=1,
               sides="depth")  # fmt: skip
        points = [s.point(f"{{side}} {name} {joint}", chain[1])]
        if links == 3:
            points.append(s.point(f"{{side}} {name} {s.one('ankle', 'fetlock')}", chain[2]))
        points.append(s.point(f"{{side}} {name} {end}", f"{leg} foot"))
        s.edge(rump if u < 0.5 else back, *points)
        s.group(leg, points)


def _head(s: Sketch, deep: float) -> list[str]:
    neck = (s.some(0.12, 0.75), deep * s.some(0.35, 0.6))
    lean = s.some(-75, -15)
    s.part("neck", "limb", neck, "trunk", (0.93, -0.2), angle=lean, swing=20, taper=s.some(0.6, 0.95), z=1)
    size = (s.some(0.22, 0.42), max(0.2, deep * s.some(0.4, 0.75)))
    s.part("head", "limb", size, "neck", (1, 0), angle=-lean + s.some(-15, 40), swing=15, taper=s.some(0.4, 0.9), z=2)
    s.part("nose", "disc", (None, size[1] * 0.3), "head", (1.1, 0), colour="dark", z=3)
    s.part("eye", "disc", (None, s.some(0.05, 0.09)), "head", (s.some(0.15, 0.4), -0.4), colour="dark", z=4)
    found = [s.point(s.one("nose", "muzzle", "snout tip"), "nose"), s.point("eye", "eye")]
    if s.chance(0.2):
        trunk = s.chain("proboscis", 3, (s.some(0.4, 0.8), size[1] * 0.4), "head", (1.05, 0.2), angle=s.some(20, 70),
                        swing=25, bend=s.some(-25, 20), z=2)  # fmt: skip
        found.insert(0, s.point(s.of("trunk", "tip"), trunk[-1], 1, 0))
    if s.chance(0.75):
        ear, wide = s.one("ellipse", "polygon"), s.some(0.07, 0.25)
        more = {"outline": [[0, -1], [1, -0.1], [1, 0.1], [0, 1]]} if ear == "polygon" else {"pivot": (0.05, 0)}
        s.part("{side} ear", ear, (s.some(0.12, 0.42), wide), "head", (0, -0.6), angle=s.some(-140, -70), swing=20,
               colour="second", z=3, sides="depth", **more)  # fmt: skip
        s.edge("eye", s.point(s.of("{side} ear", "tip"), "{side} ear", 0.95, 0))
    if s.chance(0.35):
        horn = s.one("horn", "antler", "feeler")
        chain = s.chain(f"{{side}} {horn}", 2, (s.some(0.2, 0.5), 0.06), "head", (0.2, -0.8), angle=s.some(-110, -50),
                        swing=8, bend=s.some(-50, 50), colour="feet", z=2, sides="depth")  # fmt: skip
        s.edge("eye", s.point(s.of(f"{{side}} {horn}", "tip"), chain[-1], 1, 0))
    return found


def biped(s: Sketch) -> None:
    """A person, a bear or a robot that stands and faces us."""
    s.frame = "subject"
    s.paint("main", "second", "skin", "feet")
    wide = s.some(0.28, 0.6)
    s.part("trunk", "polygon", (s.some(0.5, 0.9), wide), angle=-90, swing=9, outline=s.profile(0.4, ends=(0.7, 0.75)))
    s.part("neck", "limb", (s.some(0.05, 0.25), wide * s.some(0.2, 0.4)), "trunk", (0.98, 0), swing=8, z=-1,
           colour="skin")  # fmt: skip
    shape, size = s.one("ellipse", "box", "polygon"), (s.some(0.25, 0.55), s.some(0.25, 0.6))
    more: dict[str, Any] = {"outline": s.profile(0.5, ends=(0.4, 0.4))} if shape == "polygon" else {}
    s.part("head", shape, size, "neck", (0.9, 0), pivot=(0.06, 0), swing=14, colour="skin", z=2, **more)
    s.part("{side} eye", "disc", (None, s.some(0.05, 0.09)), "head", (s.some(0.5, 0.65), s.some(0.35, 0.5)),
           colour="dark", z=3, sides="mirror")  # fmt: skip
    top = s.point(s.one("top of the head", "crown"), "head", 0.97, 0)
    chin, neck = s.point("chin", "head", 0.04, 0), s.point(s.one("neck", "throat"), "trunk", 0.95, 0)
    s.edge(top, chin, neck)
    if s.chance(0.4):
        s.edge(chin, s.point("{side} eye", "{side} eye"))
    if s.chance(0.4):
        kind, up = s.one("ear", "horn", "antenna"), s.some(10, 70)
        s.part(f"{{side}} {kind}", "limb", (s.some(0.12, 0.35), s.some(0.05, 0.14)), "head", (0.85, 0.55), angle=up,
               swing=10, taper=s.some(0.3, 1.3), z=1, sides="mirror")  # fmt: skip
        s.edge(top, s.point(s.of(f"{{side}} {kind}", "tip"), f"{{side}} {kind}", 1, 0))
    pelvis = s.point(s.one("pelvis", "crotch", "waist"), "trunk", 0.08, 0)
    s.edge(neck, pelvis)
    pairs = s.count(2, 2) if s.chance(0.15) else 1
    for pair in range(pairs):
        which = "" if pairs == 1 else ("upper ", "lower ")[pair]
        _limb(s, f"{{side}} {which}arm", neck, 0.9 - 0.25 * pair, (f"{{side}} {which}", "shoulder", "elbow", "hand"))
    if s.chance(0.9):
        _limb(s, "{side} leg", pelvis, 0.05, ("{side} ", "hip", "knee", s.one("ankle", "foot")))
    if s.chance(0.25):
        tail = s.chain("tail", 3, (s.some(0.4, 0.9), 0.12), "trunk", (0.1, 0), angle=s.some(100, 150), swing=25, z=-3,
                       bend=s.some(-40, 20))  # fmt: skip
        s.edge(pelvis, s.point(s.of("tail", "tip"), tail[-1], 1, 0))


def _limb(s: Sketch, name: str, root: str, u: float, words: tuple[str, str, str, str]) -> None:
    side, upper, middle, end = words
    leg = "leg" in name
    size = (s.some(0.5, 1.3), s.some(0.1, 0.2))
    angle, swing, bend = (s.some(160, 178), 15, s.some(0, 15)) if leg else (s.some(95, 165), 45, s.some(-50, 15))
    at = (u, 0.55 if leg else 0.8)
    colour = s.one("main", "second", "skin")
    chain = s.chain(name, 2, size, "trunk", at, angle=angle, swing=swing, bend=bend, colour=colour, z=0 if leg else 3,
                    sides="mirror")  # fmt: skip
    if leg:
        s.part(f"{name} foot", "limb", (0.16, 0.12), chain[-1], (1, 0), angle=-70, swing=15, colour="feet", z=1,
               sides="mirror")  # fmt: skip
    else:
        s.part(f"{name} hand", "disc", (None, size[1] * s.some(0.8, 1.5)), chain[-1], (1, 0), colour="skin", z=4,
               sides="mirror")  # fmt: skip
    places = [(chain[0], 0, 0), (chain[1], 0, 0), (chain[1], 1, 0)]
    named = zip((upper, middle, end), places, strict=True)
    points = [s.point(f"{side}{word}", *place) for word, place in named]
    s.edge(root, *points)
    s.group(name, points)


def bird(s: Sketch) -> None:
    """A bird from the side: long-legged, long-necked, big-billed, crested or none of these."""
    s.frame = "subject"
    s.paint("main", "second", "beak")
    long, deep = s.some(0.7, 1.1), s.some(0.35, 0.65)
    s.part("body", "polygon", (long, deep), angle=s.some(-50, 0), swing=8, outline=s.profile(0.3, ends=(0.15, 0.35)))
    lean = s.some(-40, 30)
    neck = s.chain("neck", s.count(1, 3), (s.some(0.1, 0.8), deep * 0.4), "body", (0.93, -0.1), angle=lean - 20,
                   swing=15, bend=s.some(-20, 25), thin=0.85, z=1)  # fmt: skip
    head = s.some(0.2, 0.38)
    s.part("head", "disc", (None, head), neck[-1], (1, 0), angle=s.some(0, 60), swing=15, z=2)
    size = (s.some(0.12, 0.6), head * s.some(0.3, 0.6))
    outline = [[0, -1], [0.6, s.some(-0.7, -0.3)], [1, s.some(-0.2, 0.8)], [0.5, 0.6], [0, 1]]
    s.part("beak", "polygon", size, "head", (0.85, 0), outline=outline, colour="beak", z=1, angle=s.some(-5, 20))
    s.part("eye", "disc", (None, s.some(0.06, 0.09)), "head", (0.3, -0.3), colour="dark", z=3)
    tip = s.point(s.of(s.one("beak", "bill"), "tip"), "beak", 0.97, outline[2][1])
    eye = s.point("eye", "eye")
    if s.chance(0.35):
        s.part("crest", "limb", (s.some(0.15, 0.4), 0.07), "head", (-0.3, -0.7), angle=s.some(-170, -90), swing=15,
               taper=s.some(0.4, 1.4), colour="second", z=1)  # fmt: skip
        s.edge(eye, s.point(s.of("crest", "tip"), "crest", 1, 0))
    wing, size = s.profile(0.5, ends=(0.3, 0.1)), (s.some(0.5, 1.1), s.some(0.25, 0.45))
    s.part("wing", "polygon", size, "body", (0.72, -0.2), angle=s.some(165, 250), swing=25, outline=wing,
           colour="second", z=3)  # fmt: skip
    joint = s.point(s.one("wing joint", "base of the wing", "shoulder"), "wing", 0.03, 0)
    s.edge(tip, eye, joint, s.point(s.of("wing", "tip"), "wing", 0.97, 0))
    s.part("tail", "polygon", (s.some(0.25, 0.8), s.some(0.15, 0.4)), "body", (0.1, 0), angle=s.some(160, 200),
           swing=12, outline=[[-0.15, -0.4], [1, -1], [s.some(0.75, 1.05), 0], [1, 1], [-0.15, 0.4]], z=-1)  # fmt: skip
    s.edge(joint, s.point(s.of("tail", s.one("tip", "end")), "tail", 0.74, 0))
    foot = _bird_legs(s)
    s.edge(joint, *foot)


def _bird_legs(s: Sketch) -> list[str]:
    size = (s.some(0.15, 0.9), s.some(0.04, 0.07))
    chain = s.chain("{side} leg", 2, size, "body", (s.some(0.35, 0.5), 0.5), angle=s.some(95, 120), swing=20,
                    bend=s.some(-40, 0), thin=0.9, colour="beak", z=-1, sides="depth")  # fmt: skip
    s.part(
        "{side} foot",
        "limb",
        (s.some(0.12, 0.25), 0.05),
        chain[-1],
        (1, 0),
        pivot=(0.25, 0),
        angle=s.some(-85, -60),
        swing=10,
        colour="beak",
        z=-1,
        sides="depth",
    )
    found = [s.point("{side} knee", chain[1])] if size[0] > 0.45 else []
    return [*found, s.point("{side} foot", "{side} foot", 0.25, 0)]


def fish(s: Sketch) -> None:
    """A fish, a shark or a whale from the side."""
    s.frame = "subject"
    s.paint("main", "second", "fin")
    links = s.count(1, 3)
    deep, long = s.some(0.25, 0.75), s.some(0.7, 1.1)
    s.part("body", "polygon", (long, deep), angle=s.some(-8, 8), swing=8, z=1,
           outline=s.profile(0.35, ends=(0.35, s.some(0.1, 0.5))))  # fmt: skip
    rear = s.chain("rear", links, (s.some(0.15, 0.7), deep * 0.38), "body", (0.05, 0), angle=180, swing=14, thin=0.7)
    fork = [[-0.1, -0.2], [1, -1], [s.some(0.35, 1.0), 0], [s.some(0.6, 1), 1], [-0.1, 0.2]]
    s.part("tail fin", "polygon", (s.some(0.2, 0.4), s.some(0.3, 0.75)), rear[-1], (0.9, 0), swing=15, outline=fork,
           colour="fin", z=-1)  # fmt: skip
    s.part("eye", "disc", (None, s.some(0.05, 0.1)), "body", (0.85, -0.25), colour="dark", z=3)
    snout, eye = s.point(s.one("snout", "mouth", "nose"), "body", 0.98, 0), s.point("eye", "eye")
    lobes = [s.point(f"{name} tip of the tail fin", "tail fin", u * 0.97, v * 0.95)
             for name, (u, v) in (("lower", fork[1]), ("upper", fork[3]))]  # fmt: skip
    base = s.point(s.of("tail fin", "base"), rear[-1], 0.95, 0)
    s.edge(snout, eye, base, lobes[0])
    s.edge(base, lobes[1])
    fins = [("back fin", -0.6, -100, -1), ("belly fin", 0.6, 100, -1), ("side fin", 0.1, 140, 2)]
    for name, v, angle, z in fins:
        if name == "back fin" or s.chance(0.7):
            u, lean = s.some(0.35, 0.65), s.some(0.2, 1)
            s.part(name, "polygon", (s.some(0.15, 0.45), s.some(0.15, 0.4)), "body", (u, v), angle=angle + 20, z=z,
                   outline=[[-0.1, -0.9], [1, -lean], [1, 0.2 - lean], [0, 0.9]], swing=15, colour="fin")  # fmt: skip
            tip = s.point(s.of(name, "tip"), name, 0.95, 0.1 - lean)
            s.edge(eye, tip)
    if s.chance(0.25):
        lure = s.one("barbel", "horn", "lure")
        s.part(lure, "limb", (s.some(0.2, 0.5), 0.05), "body", (0.95, 0), angle=s.some(-60, 50), swing=15, colour="fin")
        s.edge(snout, s.point(s.of(lure, "tip"), lure, 1, 0))


def serpent(s: Sketch) -> None:
    """A snake, a worm, a caterpillar or an eel, of many links."""
    s.frame = "viewer"
    s.paint("main", "second")
    links = s.count(5, 9)
    width, length, bow = s.some(0.07, 0.2), s.some(1.4, 2.2), s.some(-30, 30)
    thin = s.some(0.86, 1.0)
    s.part("head", "polygon", (width * s.some(1.3, 2.4), width * s.some(1, 1.7)), angle=s.some(-60, 60), swing=30, z=2,
           outline=s.profile(0.3, ends=(0.6, 0.4)))  # fmt: skip
    chain = s.chain("link", links, (length, width), "head", (0.1, 0), angle=180, swing=35, bend=bow, thin=thin, z=1)
    word = s.one("bend", "joint", "ring", "body point")
    snout = s.point(s.one("snout", "mouth", "tip of the head"), "head", 0.96, 0)
    wanted = range(1, links, s.count(1, 2))
    words = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
    joints = [s.point(f"{words[i]} {word}", chain[link]) for i, link in enumerate(wanted)]
    if s.chance(0.6):
        s.part("{side} eye", "disc", (None, width * 0.3), "head", (0.6, 0.5), colour="dark", z=3, sides="mirror")
        s.edge(snout, s.point("{side} eye", "{side} eye"))
    if s.chance(0.4):
        s.part("{side} feeler", "limb", (s.some(0.15, 0.35), 0.03), "head", (0.85, 0.4), angle=35, swing=20,
               colour="second", sides="mirror")  # fmt: skip
        s.edge(snout, s.point(s.of("{side} feeler", "tip"), "{side} feeler", 1, 0))
    if s.chance(0.4):
        for link in chain[1:-1]:
            s.part(
                f"{{side}} foot of {link}",
                "limb",
                (width * 0.9, width * 0.35),
                link,
                (0.5, 0.6),
                angle=90,
                swing=15,
                colour="second",
                z=0,
                sides="mirror",
            )
    s.edge(snout, *joints, s.point(s.of("tail", s.one("tip", "end")), chain[-1], 1, 0))
