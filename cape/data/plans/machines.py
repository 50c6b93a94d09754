"""Body plans of machines: vehicles from the side, jointed arms and cranes, aircraft from above, wheels with blades."""

from cape.data.plans.crawlers import rim
from cape.data.sketch import ORDINALS, Sketch


def vehicle(s: Sketch) -> None:
    """A car, a lorry, a tractor or a train, facing right."""
    s.frame = "subject"
    s.paint("main", "second", "glass", "wheel")
    long, tall = s.some(0.9, 1.6), s.some(0.2, 0.5)
    corner = s.some(0.2, 0.9)
    outline = [[0, -corner], [0.04, -1], [0.95, -1], [1, -s.some(-0.4, 0.9)], [1, 1], [0, 1]]
    s.part("hull", "polygon", (long, tall), swing=3, outline=outline)
    front = s.point(s.one("front bumper", "front end", "nose"), "hull", 0.97, 0.8)
    rear = s.point(s.one("rear bumper", "rear end", "tail"), "hull", 0.02, 0.8)
    size, u, lean = (s.some(0.2, 0.55), long * s.some(0.25, 0.6)), s.some(0.25, 0.75), s.some(0.4, 1)
    s.part("cab", "polygon", size, "hull", (u, -0.9), angle=-90, colour="second", z=1,
           outline=[[0, -1], [1, -lean], [1, s.some(0.3, 0.9)], [0, 1]])  # fmt: skip
    s.part("window", "box", (0.5, s.some(0.3, 0.6)), "cab", (0.3, 0), relative=True, colour="glass", z=2)
    roof = s.point(s.one("top of the roof", "roof", "roof edge"), "cab", 0.95, 0.1 - lean)
    s.edge(rear, roof, front)
    wheels = s.count(2, 4)
    big = s.some(0.2, 0.42)
    names = {2: ("rear", "front"), 3: ("rear", "middle", "front"), 4: ORDINALS[:4]}[wheels]
    uneven = s.some(0.5, 1) if s.chance(0.3) else 1
    shape, hubs = s.one("wheel", "disc"), []
    word = s.one("wheel hub", "wheel")
    for number, name in enumerate(names):
        wide = min(big, 0.9 * long / wheels) * (uneven if number == wheels - 1 else 1)
        share = 0.17 + 0.66 * number / (wheels - 1)
        s.part(f"{name} wheel", shape, (None, wide), "hull", (share, 1), angle=180, swing=180, colour="wheel", z=3)
        s.part(f"{name} hub", "disc", (None, wide * 0.4), f"{name} wheel", colour="second", z=4)
        hubs.append(s.point(f"{name} {word}", f"{name} hub"))
    s.edge(rear, *hubs, front)
    if s.chance(0.5):
        kind = s.one("chimney", "mast", "antenna")
        s.part(
            kind,
            "limb",
            (s.some(0.2, 0.6), s.some(0.04, 0.1)),
            "hull",
            (s.some(0.1, 0.9), -0.8),
            angle=-90,
            swing=15,
            z=-1,
            colour="second",
        )
        s.edge(roof, s.point(s.of(kind, "top"), kind, 1, 0))
    if s.chance(0.35):
        arm = s.chain("boom", 2, (s.some(0.6, 1.3), 0.1), "hull", (0.8, -0.7), angle=s.some(-70, -30), swing=25,
                      bend=s.some(30, 110), colour="second", z=2)  # fmt: skip
        s.part(
            "shovel",
            "polygon",
            (0.25, 0.22),
            arm[-1],
            (0.95, 0),
            z=2,
            swing=30,
            outline=[[0, -1], [1, -0.9], [0.4, 1], [0, 1]],
        )
        s.edge(front, s.point("boom joint", arm[1]), s.point(s.one("shovel", "shovel hinge"), "shovel", 0.05, 0),
               s.point(s.of("shovel", "tip"), "shovel", 0.93, -0.85))  # fmt: skip


def jointed_arm(s: Sketch) -> None:
    """An industrial arm or a crane on a base, with a tool at its end."""
    s.paint("main", "second", "joint", "tool")
    s.part("base", "polygon", (s.some(0.15, 0.4), s.some(0.3, 0.7)), angle=-90, swing=3, colour="second",
           outline=[[0, -1], [1, -s.some(0.4, 0.8)], [1, 0.5], [0, 1]])  # fmt: skip
    base = s.point(s.one("base", "foot", "middle of the base"), "base", 0.3, 0)
    links = s.count(2, 4)
    size = (s.some(1.2, 2.0), s.some(0.1, 0.22))
    turn = 1 if s.chance() else -1
    chain = s.chain(
        "link",
        links,
        size,
        "base",
        (0.9, 0),
        angle=turn * s.some(-50, -5),
        swing=25,
        bend=turn * s.some(20, 70),
        thin=s.some(0.75, 0.95),
    )
    words = {2: ("shoulder", "elbow"), 3: ("shoulder", "elbow", "wrist")}.get(links, ORDINALS)
    joints = []
    for number, link in enumerate(chain):
        knob = f"{words[number]} joint"
        s.part(knob, "disc", (None, size[1] * s.some(0.7, 1.2)), link, colour="joint", z=2)
        joints.append(s.point(knob, knob))
    tool = s.one("gripper", "hook", "drill")
    tip = s.point("tool mount", chain[-1], 1, 0)
    s.edge(base, *joints, tip)
    if tool == "gripper":
        s.part("{side} finger", "polygon", (s.some(0.2, 0.4), 0.1), chain[-1], (1, 0.3), angle=s.some(10, 40), swing=20,
               outline=[[0, -1], [0.6, 1], [1, 0.6], [0.6, 0.2], [0, 0.6]], colour="tool", z=-1,
               sides="mirror")  # fmt: skip
        s.edge(tip, s.point(s.of("{side} finger", "tip"), "{side} finger", 0.95, 0.6))
    else:
        s.part(tool, "limb", (s.some(0.2, 0.5), 0.08), chain[-1], (1, 0), angle=turn * 45, swing=25, colour="tool", z=1,
               taper=0.25 if tool == "drill" else 1.3)  # fmt: skip
        s.edge(tip, s.point(s.of(tool, "tip"), tool, 1, 0))


def aircraft(s: Sketch) -> None:
    """An aeroplane, a rocket or a boat from above, with its own left and right."""
    s.paint("main", "wing", "glass")
    long, wide = s.some(0.9, 1.4), s.some(0.12, 0.32)
    s.part("hull", "polygon", (long, wide), angle=-90, swing=40, outline=s.profile(0.25, ends=(0.4, 0.15)), z=2)
    s.part("cockpit", "ellipse", (long * 0.15, wide * 0.5), "hull", (s.some(0.7, 0.8), 0), colour="glass", z=3)
    nose, tail = s.point(s.one("nose", "bow", "front tip"), "hull", 0.97, 0), s.point("tail", "hull", 0.04, 0)
    cockpit = s.point(s.one("cockpit", "canopy"), "cockpit", 0.5, 0)
    s.edge(nose, cockpit, tail)
    for name, u, length, sure in (("wing", s.some(0.4, 0.65), s.some(0.4, 0.9), 1), ("tailplane", 0.08, 0.3, 0.8)):
        if s.chance(sure):
            part, slim, sweep = f"{{side}} {name}", s.some(0.3, 1), s.some(75, 125)
            outline = [[0, -1], [1, -0.2 - slim / 2], [1, -0.2 + slim / 2], [0, 1]]
            root = min(0.5, 0.4 * wide / length + 0.06)
            s.part(part, "polygon", (length, s.some(0.15, 0.4) * (1 if name == "wing" else 0.6)), "hull", (u, 0.4),
                   angle=sweep, swing=6, outline=outline, colour="wing", z=1, sides="mirror")  # fmt: skip
            s.edge(cockpit if name == "wing" else tail, s.point(s.of(part, "root"), part, root, -0.2 * root),
                   s.point(s.of(part, "tip"), part, 0.97, -0.2))  # fmt: skip
    for number in range(s.count(0, 2)):
        name = f"{{side}} {('engine', 'pod')[number]}"
        s.part(name, "limb", (0.16, 0.08), "{side} wing", (0.35 + 0.35 * number, -0.6), angle=-90, rigid=True, z=3,
               colour="glass", sides="mirror")  # fmt: skip
        s.edge(cockpit, s.point(name, name, 0.5, 0))


def rotor(s: Sketch) -> None:
    """A windmill, a propeller on a mast or a clock: hands or blades about a hub."""
    s.mirrored = False
    s.paint("main", "blade", "hub")
    tall = s.some(0.6, 1.2)
    wide = s.some(0.12, 0.5)
    s.part("mast", "polygon", (tall, wide), angle=-90, swing=4, z=-2,
           outline=[[0, -1], [1, -s.some(0.3, 0.9)], [1, 0.4], [0, 1]])  # fmt: skip
    foot = s.point(s.one("foot of the mast", "bottom", "base"), "mast", 0.04, 0)
    hub = s.some(0.1, 0.5)
    s.part("hub", "disc", (None, hub), "mast", (0.95, 0), angle=0, swing=35, colour="hub", z=1)
    centre = s.point(s.one("hub", "axle", "centre"), "hub")
    s.edge(foot, centre)
    blades = s.count(2, 6)
    size, outline = (s.some(0.35, 0.8), s.some(0.08, 0.25)), s.profile(0.6, ends=(0.3, s.some(0.1, 1)))
    word = s.one("blade", "sail", "vane")
    for number in range(blades):
        name, angle = f"{ORDINALS[number]} {word}", 360 * number / blades - 90
        # The first is longer, so that the others can be counted from it.
        own = (size[0] * (1.35 if number == 0 else 1), size[1])
        s.part(name, "polygon", own, "hub", rim(angle, 0.3), angle=angle, outline=outline, colour="blade")
        s.edge(centre, s.point(s.of(name, "tip"), name, 0.96, 0))
    if s.chance(0.5):
        s.part("door", "box", (0.3, 0.4), "mast", (0, 0), relative=True, colour="hub", z=-1)
        s.edge(foot, s.point(s.of("door", "top"), "door", 0.92, 0))
