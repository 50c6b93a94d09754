"""Body plans that fit nowhere else: hands, two-wheelers, string instruments, and assemblies of no known kind."""

from typing import Any

from cape.data.sketch import Sketch

_NOUNS = (
    "arm", "bar", "blade", "cone", "crank", "fin", "flap", "foot", "handle", "hook", "horn", "knob", "lever", "lobe",
    "nozzle", "panel", "peg", "pipe", "plate", "rod", "shield", "spike", "stalk", "strut", "tab", "tail", "tongue",
    "tube", "wedge", "wing",
)  # fmt: skip


def hand(s: Sketch) -> None:
    """A hand, a paw or a glove with three to five fingers."""
    s.paint("main", "nail", "cuff")
    long, wide = s.some(0.4, 0.7), s.some(0.4, 0.65)
    s.part("palm", "polygon", (long, wide), angle=-90, swing=12, z=1, outline=s.profile(0.25, ends=(0.6, 0.8)))
    wrist = s.point(s.one("wrist", "heel of the hand"), "palm", 0.04, 0)
    size, links = (s.some(0.35, 0.85), wide * s.some(0.18, 0.27)), s.count(2, 3)
    names = {3: ("index", "middle", "little"), 4: ("index", "middle", "ring", "little"), 2: ("index", "little")}
    fingers = names[s.count(2, 4)]
    for number, name in enumerate(fingers):
        share = number / (len(fingers) - 1)
        own = (size[0] * (1.1 - 1.4 * (share - 0.45) ** 2), size[1])
        chain = s.chain(f"{name} finger", links, own, "palm", (0.93, -0.75 + 1.5 * share), angle=-18 + 36 * share,
                        swing=12, bend=s.some(-4, 4), thin=0.9, z=2)  # fmt: skip
        s.edge(wrist, s.point(s.of(f"{name} finger", "base"), chain[0]), s.point(f"{name} finger joint", chain[1]),
               s.point(s.of(f"{name} finger", "tip"), chain[-1], 1, 0))  # fmt: skip
    thumb = s.chain("thumb", 2, (size[0] * 0.85, size[1] * 1.2), "palm", (0.35, -0.7), angle=s.some(-75, -40), swing=15,
                    bend=s.some(0, 30), thin=0.9)  # fmt: skip
    s.edge(wrist, s.point("thumb joint", thumb[1]), s.point(s.of("thumb", "tip"), thumb[1], 1, 0))
    if s.chance(0.6):
        size = (s.some(0.12, 0.5), wide * s.some(0.7, 1.1))
        s.part("cuff", "box", size, "palm", (0.05, 0), angle=180, swing=20, colour="cuff")
        s.edge(wrist, s.point(s.one("middle of the cuff", "sleeve end"), "cuff", 0.9, 0))


def two_wheeler(s: Sketch) -> None:
    """A bicycle, a motorcycle, a scooter or a barrow: wheels that bars hold together, facing right."""
    s.frame = "subject"
    s.paint("main", "second", "wheel")
    long, big = s.some(0.8, 1.3), s.some(0.35, 0.7)
    s.part("base", "bone", (long, 1.0), swing=4)
    front = big * (s.some(0.4, 1.3) if s.chance(0.4) else 1)
    shape = s.one("wheel", "ring", "disc")
    word = s.one("hub", "axle", "wheel centre")
    hubs = []
    for name, u, wide in (("rear", 0, big), ("front", 1, front)):
        # Both stand on the ground, whatever their sizes.
        more: dict[str, Any] = {"pivot": (0.5, 0)} if shape == "ring" else {}
        size = (wide if shape == "ring" else None, wide)
        place = (u, big - wide)
        s.part(f"{name} wheel", shape, size, "base", place, angle=180, swing=180, colour="wheel", z=-1, **more)
        s.part(f"{name} hub", "disc", (None, big * 0.18), "base", place, colour="second", z=2)
        hubs.append(s.point(f"{name} {word}", f"{name} hub"))
    thick = s.some(0.05, 0.14)
    post = s.some(0.3, 0.7)
    s.part("post", "limb", (post, thick), "base", (s.some(0.35, 0.5), 0), angle=s.some(-120, -85), swing=4, z=1)
    s.part("fork", "limb", (s.some(0.5, 0.95), thick), "base", (1, big - front), angle=s.some(-125, -95), swing=4, z=1)
    for name, start, place, target in (
        ("lower bar", "post", (0.05, 0), (0.35, 0)),
        ("upper bar", "post", (0.8, 0), (0.8, 0)),
    ):
        s.part(name, "limb", (None, thick), start, place, end_part="fork", end=target)
    s.part("rear stay", "limb", (None, thick * 0.8), "post", (0.05, 0), end_part="base", end=(0, 0))
    size = (s.some(0.2, 0.4), s.some(0.08, 0.18))
    s.part("saddle", "limb", size, "post", (1, 0), pivot=(0.6, 0), angle=100, swing=6, taper=0.5, colour="second", z=2)
    s.part("handlebar", "limb", (s.some(0.15, 0.4), thick), "fork", (1, 0), angle=s.some(-60, 60), swing=12, z=2,
           colour="second")  # fmt: skip
    saddle = s.point(s.one("saddle", "seat"), "saddle", 0.4, 0)
    grip = s.point(s.one("handlebar grip", "handlebar end"), "handlebar", 0.95, 0)
    crank = s.point(s.one("crank", "foot of the post", "bottom bracket"), "post", 0.02, 0)
    head = s.point(s.one("top of the fork", "steering head"), "fork", 1, 0)
    s.edge(hubs[0], crank, saddle)
    s.edge(crank, hubs[1], head, grip)
    if s.chance(0.4):
        box = s.one("basket", "box", "trunk")
        s.part(box, "box", (s.some(0.15, 0.35), s.some(0.2, 0.4)), "base", (s.some(-0.15, 0.1), -big * 0.9), angle=-90,
               colour="second", z=1)  # fmt: skip
        s.edge(saddle, s.point(f"middle of the {box}", box, 0.5, 0))


def instrument(s: Sketch) -> None:
    """A guitar, a fiddle, a banjo or a paddle with a long neck."""
    s.paint("main", "neck", "metal")
    wide, long = s.some(0.4, 0.75), s.some(0.5, 0.85)
    s.part("body", "polygon", (long, wide), angle=-90, swing=35, outline=s.profile(0.55, ends=(0.4, 0.4)))
    s.part("neck", "box", (s.some(0.3, 1.0), s.some(0.07, 0.14)), "body", (0.85, 0), colour="neck", z=1)
    s.part("head", "polygon", (s.some(0.15, 0.3), s.some(0.12, 0.25)), "neck", (0.98, 0), swing=3, colour="neck", z=2,
           outline=[[0, -0.5], [0.2, -1], [1, -s.some(0.3, 1)], [1, s.some(0.3, 1)], [0.2, 1], [0, 0.5]])  # fmt: skip
    s.part("hole", s.one("disc", "ellipse"), (0.18, s.some(0.12, 0.22)), "body", (0.62, 0), colour="dark", z=1)
    s.part("bridge", "box", (0.06, wide * s.some(0.3, 0.6)), "body", (s.some(0.2, 0.35), 0), colour="metal", z=2)
    end, bridge = s.point(s.one("bottom", "end pin"), "body", 0.02, 0), s.point("bridge", "bridge", 0.5, 0)
    nut = s.point(s.one("nut", "top of the neck"), "neck", 0.97, 0)
    s.edge(
        end, bridge, s.point(s.of("neck", "base"), "neck", 0.2, 0), nut, s.point(s.of("head", "top"), "head", 0.95, 0)
    )
    s.edge(bridge, s.point("{side} end of the bridge", "bridge", 0.5, 0.93))
    for number in range(s.count(1, 2)):
        name = f"{{side}} {('lower', 'upper')[number]} peg"
        s.part(name, "limb", (0.1, 0.05), "head", (0.35 + 0.4 * number, 0.7), angle=90, colour="metal", z=1, rigid=True,
               sides="mirror")  # fmt: skip
        s.edge(nut, s.point(name, name, 1, 0))
    if s.chance(0.6):
        s.edge(bridge, s.point("{side} edge of the body", "body", 0.18, 0.55))


def assembly(s: Sketch) -> None:
    """Parts of any shape, each on an earlier one; whole in itself, or the same on both sides of its middle."""
    s.paint("main", "second", "third", "fourth")
    s.frame = "viewer"
    even = s.chance(0.5)
    nouns = [str(noun) for noun in s.rng.permutation(_NOUNS)]
    core = f"{s.one('round', 'long', 'main', 'hollow')} {s.one('body', 'block', 'case', 'core')}"
    _any_part(s, core, (s.some(0.4, 0.9), s.some(0.2, 0.7)), angle=-90, swing=20)
    middle = s.point(f"middle of the {core}", core, 0.5, 0)
    grown = [(core, middle)]
    for number in range(s.count(2, 5) if even else s.count(3, 7)):
        parent, root = grown[s.count(0, len(grown) - 1)]
        sided = even and ("{side}" in parent or s.chance(0.7))
        noun = nouns[number]
        name = f"{{side}} {noun}" if sided else noun
        fresh = sided and "{side}" not in parent
        at = (s.some(0.15, 0.9), s.some(0.35, 0.6)) if fresh or not even else (s.some(0.85, 0.97), 0)
        lean = s.some(40, 130) if fresh else s.some(-70, 70) if sided or not even else 0
        if not even:
            side = 1 if s.chance() else -1
            at, lean = (at[0], side * at[1]), side * s.some(20, 140)
        more: dict[str, Any] = {"sides": "mirror"} if sided else {}
        size = (s.some(0.25, 0.8), s.some(0.06, 0.3))
        _any_part(s, name, size, parent, at, angle=lean, swing=25, z=s.count(-2, 2), **more)
        tip = s.point(s.of(name, s.one("tip", "end")), name, 0.95, 0)
        if s.chance(0.5):
            s.edge(root, s.point(s.of(name, s.one("root", "hinge", "base")), name, 0.06, 0), tip)
        else:
            s.edge(root, tip)
        grown.append((name, tip))


def _any_part(s: Sketch, name: str, size: tuple[float, float], *where: Any, **more: Any) -> None:
    shape = s.one("polygon", "polygon", "limb", "box", "ellipse")
    if shape == "polygon":
        more["outline"] = s.profile(s.some(0.2, 0.7), ends=(s.some(0.2, 0.7), s.some(0.1, 0.9)))
    elif shape == "limb":
        more["taper"] = s.some(0.4, 1.3)
    s.part(name, shape, size, *where, colour=s.one("main", "second", "third", "fourth"), **more)
