"""Body plans of things: seats and tables, lamps, hand tools, tongs, vessels."""

from typing import Any

from cape.data.sketch import ORDINALS, Sketch


def furniture(s: Sketch) -> None:
    """A chair, a stool, a table or a shelf from the front, its legs in perspective by their skew."""
    s.paint("main", "second", "leg")
    wide, thick = s.some(0.5, 1.1), s.some(0.06, 0.25)
    s.part("seat", "box", (thick, wide), angle=-90, swing=4)
    seat = s.one("seat", "top", "board")
    s.point(f"{{side}} front corner of the {seat}", "seat", 0.08, 0.94)
    s.edge(f"left front corner of the {seat}", f"right front corner of the {seat}")
    size, splay, end = (s.some(0.3, 0.9), s.some(0.04, 0.13)), s.some(-3, 14), s.one("foot", "end")
    rows = [("front", 0.85, 1.0, -1)] + ([("rear", s.some(0.4, 0.65), 0.82, -2)] if s.chance(0.7) else [])
    for row, v, share, z in rows:
        leg = f"{{side}} {row} leg"
        s.part(leg, "limb", (size[0] * share, size[1]), "seat", (0.1, v), angle=180 - splay, swing=5, colour="leg", z=z,
               taper=s.some(0.5, 1.1), shade=0.7 if z < -1 else 1.0, sides="mirror")  # fmt: skip
        s.edge(f"{{side}} front corner of the {seat}", s.point(s.of(leg, end), leg, 1, 0))
    if s.chance(0.3):
        s.part("rail", "limb", (None, 0.05), "left front leg", (0.55, 0), end_part="right front leg", end=(0.55, 0),
               colour="leg", z=0)  # fmt: skip
        s.edge(f"{{side}} front corner of the {seat}", s.point("middle of the rail", "rail", 0.5, 0))
    if s.chance(0.65):
        size, outline = (s.some(0.3, 0.9), wide * s.some(0.6, 1.05)), s.profile(0.2, ends=(0.8, s.some(0.2, 1)))
        s.part("back", "polygon", size, "seat", (0.8, 0), swing=7, outline=outline, z=-1, colour="second")
        top = s.point(s.one("top of the back", "middle of the headrest"), "back", 0.96, 0)
        s.edge(f"{{side}} front corner of the {seat}", top)
    if s.chance(0.35):
        chain = s.chain(
            "{side} armrest",
            2,
            (s.some(0.3, 0.5), 0.08),
            "seat",
            (0.8, 0.92),
            angle=s.some(-5, 15),
            swing=5,
            bend=-80,
            z=2,
            colour="leg",
            sides="mirror",
        )
        s.edge(f"{{side}} front corner of the {seat}", s.point("{side} armrest", chain[1]))
    if s.chance(0.4):
        s.part("drawer", "box", (0.25, wide * 0.5), "seat", (0, 0), angle=180, colour="second", z=2)
        s.part("knob", "disc", (None, 0.07), "drawer", (0.5, 0), colour="dark", z=3)
        s.edge(f"{{side}} front corner of the {seat}", s.point(s.one("drawer knob", "knob"), "knob"))


def lamp(s: Sketch) -> None:
    """A lamp or a lantern: a foot, a bent pole, one or two shades."""
    s.paint("main", "shade", "bulb")
    s.part("foot", "polygon", (s.some(0.06, 0.2), s.some(0.3, 0.7)), angle=-90, swing=3,
           outline=[[0, -1], [0.5, -0.95], [1, -0.5], [1, 0.5], [0.5, 0.95], [0, 1]])  # fmt: skip
    foot = s.point(s.one("foot", "base", "stand"), "foot", 0.4, 0)
    shades = s.count(1, 3)
    outline = [[0, -s.some(0.2, 0.6)], [1, -1], [1, 1], [0, s.some(0.2, 0.6)]]
    for number in range(shades):
        which = "" if shades == 1 else ("lower ", "middle ", "upper ")[number]
        side = 1 if number % 2 else -1
        links = s.count(2, 3)
        pole = s.chain(
            f"{which}pole",
            links,
            (s.some(0.7, 1.4) * (1 + 0.2 * number), s.some(0.04, 0.08)),
            "foot",
            (0.9, 0),
            angle=side * s.some(0, 35),
            swing=14,
            bend=side * s.some(5, 50),
            thin=0.95,
        )
        s.part(f"{which}shade", "polygon", (s.some(0.2, 0.4), s.some(0.25, 0.5)), pole[-1], (0.97, 0), swing=20, z=3,
               angle=side * s.some(10, 80), outline=outline, colour="shade")  # fmt: skip
        s.part(f"{which}bulb", "disc", (None, 0.14), f"{which}shade", (1.0, 0), colour="bulb", z=2)
        joint = s.point(f"{which}pole joint", pole[1])
        neck = s.point(s.of(f"{which}shade", "top"), f"{which}shade", 0.04, 0)
        s.edge(foot, joint, neck, s.point(s.of(f"{which}shade", "rim"), f"{which}shade", 0.95, 0.9))
        if s.chance(0.5):
            s.edge(neck, s.point(f"{which}bulb", f"{which}bulb", 0.7, 0))


def hand_tool(s: Sketch) -> None:
    """A handle with a blade, a head, teeth or a brush, and what else it carries."""
    s.paint("main", "metal", "band")
    s.part("handle", "polygon", (s.some(0.4, 1.2), s.some(0.07, 0.2)), angle=s.some(-90, 0), swing=40,
           outline=s.profile(0.4, ends=(0.5, 0.6)))  # fmt: skip
    end, neck = s.point(s.of("handle", "end"), "handle", 0.03, 0), s.point(s.of("handle", "neck"), "handle", 0.8, 0)
    s.edge(end, neck)
    head, lean = s.one("blade", "crossbar", "fork", "paddle"), s.one("straight", "bent")
    size = (s.some(0.3, 0.9), s.some(0.12, 0.35))
    if head == "blade":
        belly = s.some(-0.6, 1)
        s.part(
            "blade",
            "polygon",
            size,
            "handle",
            (0.97, 0),
            angle=s.some(10, 60) if lean == "bent" else 0,
            colour="metal",
            outline=[[0, -0.7], [0.5, -0.8], [1, belly], [0.6, 1], [0, 0.9]],
            swing=4,
        )
        s.edge(
            neck,
            s.point(s.of("blade", "heel"), "blade", 0.08, 0.75),
            s.point(s.of("blade", "tip"), "blade", 0.97, belly),
        )
    elif head == "crossbar":
        s.part(
            "head",
            "polygon",
            size,
            "handle",
            (1, 0),
            pivot=(s.some(0.25, 0.75), 0),
            angle=90,
            swing=3,
            z=1,
            outline=[[0, -s.some(0, 1)], [0.4, -0.9], [1, -1], [1, 1], [0.4, 0.9], [0, 0.2]],
            colour="metal",
        )
        peen = s.point(s.one("peen", "pick end", "back of the head"), "head", 0.04, 0)
        s.edge(peen, neck, s.point(s.one("face of the head", "striking face"), "head", 0.96, 0))
    elif head == "fork":
        s.part("palm", "box", (0.12, size[1] * 2), "handle", (0.98, 0), colour="metal")
        teeth = s.count(2, 5)
        for tooth in range(teeth):
            name = f"{ORDINALS[tooth]} prong"
            v, long = -0.85 + 1.7 * tooth / (teeth - 1), size[0] * (1 - 0.35 * tooth / teeth)
            s.part(name, "limb", (long, 0.06), "palm", (0.8, v), taper=0.6, colour="metal", swing=3)
            s.edge(neck, s.point(s.of(name, "tip"), name, 1, 0))
    else:
        s.part("paddle", "polygon", size, "handle", (0.95, 0), outline=s.profile(0.3, ends=(0.4, 0.6)), colour="metal")
        for name, u, v in (("front edge", 0.97, 0), ("upper edge", 0.5, -0.55), ("lower edge", 0.5, 0.55)):
            s.edge(neck, s.point(f"{name} of the paddle", "paddle", u, v))
    if s.chance(0.4):
        s.part("guard", "box", (0.06, s.some(0.2, 0.5)), "handle", (0.9, 0), pivot=(0.5, 0), colour="band", z=2)
        s.edge(neck, s.point("upper end of the guard", "guard", 0.5, -0.9))
        s.edge(neck, s.point("lower end of the guard", "guard", 0.5, 0.9))
    if s.chance(0.4):
        s.part("ring", "ring", (0.18, 0.18), "handle", (0, 0), pivot=(1, 0), colour="band", z=-1)
        s.edge(end, s.point("hanging ring", "ring", 0.1, 0))


def tongs(s: Sketch) -> None:
    """Two arms about a pivot: pliers, shears, compasses, nutcrackers."""
    s.paint("main", "metal", "screw")
    s.part("screw", "disc", (None, s.some(0.08, 0.2)), angle=-90, swing=50, colour="screw", z=5)
    pivot = s.point(s.one("pivot", "screw", "hinge"), "screw")
    jaw, wide = s.one("jaw", "blade", "point"), s.some(0.09, 0.22)
    gap, curve = s.some(8, 30), s.some(-0.5, 1)
    # Written as parts of the hinge, in pairs, so that both open alike.
    s.part(f"{{side}} {jaw}", "polygon", (s.some(0.3, 0.9), wide), "screw", (0, 0), angle=gap, swing=8, sides="mirror",
           rigid=True, outline=[[-0.1, -0.8], [0.5, -0.6], [1, curve - 0.3], [1, curve], [0.5, 1], [-0.1, 0.8]],
           colour="metal")  # fmt: skip
    s.edge(pivot, s.point(s.of(f"{{side}} {jaw}", "tip"), f"{{side}} {jaw}", 0.97, curve - 0.15))
    if s.chance(0.85):
        links = s.count(1, 2)
        grip = s.chain("{side} handle", links, (s.some(0.5, 1.1), wide * 0.8), "screw", (0, 0), angle=180 - gap * 0.8,
                       swing=8, bend=s.some(-25, 25), thin=0.95, rigid=True, sides="mirror", z=1)  # fmt: skip
        bend = s.point("{side} handle bend", grip[1]) if links == 2 else None
        s.edge(pivot, bend, s.point(s.of("{side} handle", "end"), grip[-1], 1, 0))
    if s.chance(0.3):
        s.part("crosspiece", "limb", (None, 0.05), f"left {jaw}", (0.45, 0), end_part=f"right {jaw}", end=(0.45, 0),
               colour="screw", z=-1)  # fmt: skip
        s.edge(pivot, s.point("middle of the crosspiece", "crosspiece", 0.5, 0))


def vessel(s: Sketch) -> None:
    """A jug, a bottle, a vase or a lantern: a bellied body, with lid, spout and handles as it comes."""
    s.paint("main", "second", "band")
    tall, wide = s.some(0.6, 1.2), s.some(0.4, 0.9)
    s.part("body", "polygon", (tall, wide), angle=-90, swing=6, outline=s.profile(0.65, ends=(0.6, s.some(0.3, 0.8))))
    foot = s.point(s.one("bottom", "foot", "middle of the bottom"), "body", 0.03, 0)
    belly = s.point(s.one("middle of the body", "belly", "label"), "body", 0.45, 0)
    s.part("collar", "polygon", (s.some(0.08, 0.4), wide * s.some(0.25, 0.5)), "body", (0.97, 0), colour="second", z=-1,
           outline=[[-0.1, -0.8], [1, -1], [1, 1], [-0.1, 0.8]])  # fmt: skip
    s.edge(foot, belly)
    s.edge(belly, s.point("{side} end of the rim", "collar", 0.92, 0.9))
    both = s.chance(0.3)
    if s.chance(0.5):
        s.part("lid", "ellipse", (0.18, wide * 0.5), "collar", (0.9, 0), pivot=(0.2, 0), colour="band", z=1)
        s.part("button", "disc", (None, 0.1), "lid", (1, 0), colour="dark", z=2)
        s.edge(belly, s.point(s.one("lid knob", "top of the lid"), "button"))
    side, v = ("{side} ", 1) if both else ("", -1)
    more: dict[str, Any] = {"colour": "second", "z": -2} | ({"sides": "mirror"} if both else {})
    size, lean = (s.some(0.5, 0.9), s.some(0.06, 0.1)), s.some(60, 110)
    chain = s.chain(f"{side}handle", 2, size, "body", (s.some(0.65, 0.85), 0.4 * v), angle=lean * v, swing=6,
                    bend=s.some(50, 90) * v, thin=1, **more)  # fmt: skip
    low = s.some(0.15, 0.4)
    # Back to the body, so that the handle is closed.
    s.part(f"{side}handle end", "limb", (None, size[1]), chain[1], (1, 0), end_part="body", end=(low, 0.35 * v), **more)
    s.edge(belly, s.point(s.of(f"{side}handle", "middle"), chain[1], 0.5, 0))
    if not both and s.chance(0.7):
        spout = s.chain("spout", 2, (s.some(0.3, 0.8), 0.15), "body", (s.some(0.3, 0.7), 0.5), angle=s.some(40, 75),
                        bend=s.some(-50, 20), thin=0.7, z=-1)  # fmt: skip
        s.edge(belly, s.point(s.of("spout", "base"), spout[0], 0.35, 0), s.point(s.of("spout", "tip"), spout[-1], 1, 0))
