"""Body plans with the viewer's left and right: faces and masks, upper and lower garments, shoes."""

from cape.data.sketch import Sketch


def face(s: Sketch) -> None:
    """A face or a mask from the front: human, animal or made up."""
    s.paint("main", "second", "eye", "hair")
    tall, wide = s.some(0.8, 1.3), s.some(0.65, 1.2)
    s.part("head", "polygon", (tall, wide), angle=-90, swing=6, outline=s.profile(0.35, ends=(0.3, 0.4)))
    chin, top = s.point("chin", "head", 0.03, 0), s.point(s.one("top of the head", "forehead"), "head", 0.9, 0)
    v, u, size = s.some(0.3, 0.55), s.some(0.5, 0.68), s.some(0.1, 0.28)
    s.part("{side} eye", "ellipse", (size, size * s.some(0.4, 1)), "head", (u, v), pivot=(0.5, 0), angle=90, swing=12,
           rigid=True, colour="eye", z=1, sides="mirror")  # fmt: skip
    s.part("{side} pupil", "disc", (None, size * 0.35), "{side} eye", (0.5, 0), colour="dark", z=2, sides="mirror")
    eye = s.point("{side} eye", "{side} pupil")
    long = s.some(0.12, 0.45)
    s.part(
        "nose",
        "polygon",
        (long, s.some(0.08, 0.3)),
        "head",
        (u - 0.02, 0),
        angle=180,
        swing=5,
        colour="second",
        z=3,
        outline=[[0, -0.3], [0.8, -1], [1, -0.5], [1, 0.5], [0.8, 1], [0, 0.3]],
    )
    nose = s.point(s.one("nose tip", "tip of the nose"), "nose", 0.95, 0)
    size = (s.some(0.2, 0.6), s.some(0.04, 0.2))
    s.part(
        "mouth", "ellipse", size, "head", (s.some(0.12, 0.2), 0), pivot=(0.5, 0), angle=90, swing=6, colour="hair", z=1
    )
    corners = [s.point(f"{side} mouth corner", "mouth", u, 0) for side, u in (("left", 0.03), ("right", 0.97))]
    s.edge(top, eye, nose, chin)
    s.edge(corners[0], nose, corners[1])
    if s.chance(0.6):
        size = (s.some(0.15, 0.35), s.some(0.04, 0.09))
        s.part(
            "{side} brow",
            "limb",
            size,
            "head",
            (u + 0.12, 0.15),
            angle=s.some(70, 105),
            swing=10,
            colour="hair",
            z=2,
            rigid=True,
            taper=0.6,
            sides="mirror",
        )
        s.edge(eye, s.point(f"{s.one('outer end', 'tip')} of the {{side}} eyebrow", "{side} brow", 1, 0))
    _trimmings(s, top, chin)


def _trimmings(s: Sketch, top: str, chin: str) -> None:
    if s.chance(0.75):
        ear, size, u = s.one("ear", "horn"), (s.some(0.2, 0.65), s.some(0.12, 0.35)), s.some(0.45, 0.9)
        s.part(f"{{side}} {ear}", "polygon", size, "head", (u, 0.55), angle=s.some(20, 110), swing=12, colour="second",
               z=-1, outline=s.profile(0.4, ends=(0.6, s.some(0.05, 0.5))), sides="mirror")  # fmt: skip
        s.edge(top, s.point(s.of(f"{{side}} {ear}", "tip"), f"{{side}} {ear}", 0.95, 0))
    if s.chance(0.4):
        s.part("beard", "polygon", (s.some(0.2, 0.5), s.some(0.2, 0.6)), "head", (0.06, 0), angle=180, swing=10, z=-1,
               outline=s.profile(0.3, ends=(0.7, 0.1)), colour="hair")  # fmt: skip
        s.edge(chin, s.point(s.of("beard", "tip"), "beard", 0.95, 0))
    if s.chance(0.4):
        s.part("{side} cheek spot", "disc", (None, s.some(0.08, 0.18)), "head", (0.32, 0.5), colour="second", z=1,
               sides="mirror")  # fmt: skip
        s.edge(chin, s.point("{side} cheek", "{side} cheek spot"))
    if s.chance(0.35):
        s.part("hat", "polygon", (s.some(0.25, 0.7), s.some(0.5, 1.0)), "head", (0.94, 0), swing=8, z=4, colour="hair",
               outline=[[0, -1], [0.15, -1], [0.2, -0.6], [1, -s.some(0.05, 0.7)], [1, 0.1], [0.2, 0.6], [0.15, 1],
                        [0, 1]])  # fmt: skip
        s.edge(top, s.point(s.of("hat", "top"), "hat", 0.95, 0))


def upper_garment(s: Sketch) -> None:
    """A shirt, a coat or a dress, laid out flat."""
    s.paint("main", "second", "trim")
    tall, wide, waist, hem = s.some(0.6, 1.3), s.some(0.45, 0.8), s.some(0.5, 0.95), s.some(0.6, 1.6)
    s.part(
        "front",
        "polygon",
        (tall, wide),
        angle=-90,
        swing=6,
        outline=[
            [0, -hem],
            [0.45, -waist],
            [0.85, -0.9],
            [1, -0.85],
            [1.04, -0.3],
            [0.95, 0],
            [1.04, 0.3],
            [1, 0.85],
            [0.85, 0.9],
            [0.45, waist],
            [0, hem],
        ],
    )
    collar = s.point("{side} end of the collar", "front", 1.01, 0.36)
    armpit = s.point("{side} armpit", "front", 0.78, 0.78)
    corner = s.point(s.one("{side} end of the hem", "{side} bottom corner"), "front", 0.02, hem * 0.92)
    s.edge(collar, armpit, corner)
    s.edge("left" + corner.removeprefix("{side}"), "right" + corner.removeprefix("{side}"))
    s.edge("left end of the collar", "right end of the collar")
    if s.chance(0.6):
        waistline = s.point("{side} end of the waist", "front", 0.45, waist * 0.93)
        s.edge(armpit, waistline, corner)
    links = s.count(0, 2)
    if links:
        size = (s.some(0.2, 0.45) * (1 if links == 1 else 1.8), wide * s.some(0.25, 0.5))
        sleeve = s.chain("{side} sleeve", links, size, "front", (0.93, 0.75), angle=s.some(95, 160), swing=20,
                         bend=s.some(-15, 25), thin=s.some(0.75, 1), z=-1, colour="second", sides="mirror")  # fmt: skip
        elbow = s.point("{side} elbow", sleeve[1]) if links == 2 else None
        s.edge(collar, elbow, s.point(s.one("{side} cuff", "{side} sleeve end"), sleeve[-1], 1, 0))
    if s.chance(0.35):
        size = (s.some(0.25, 0.45), wide * s.some(0.4, 0.7))
        s.part("hood", "polygon", size, "front", (0.95, 0), outline=s.profile(0.3, ends=(0.9, 0.4)), z=-1, swing=8)
        s.edge(collar, s.point(s.of("hood", "top"), "hood", 0.95, 0))
    if s.chance(0.4):
        s.part("pocket", "box", (0.16, 0.16), "front", (0.55, -0.4), colour="trim", z=1)
        s.edge(corner, s.point(s.one("pocket", "middle of the pocket"), "pocket", 0.5, 0))
    for number in range(s.count(0, 3)):
        name = f"{('lower', 'middle', 'upper')[number]} button"
        s.part(name, "disc", (None, 0.06), "front", (0.2 + 0.25 * number, 0.05), colour="dark", z=2)
        s.edge(corner, s.point(name, name))


def lower_garment(s: Sketch) -> None:
    """Trousers, shorts or leggings, with braces or a belt as it comes."""
    s.paint("main", "second", "trim")
    wide = s.some(0.35, 0.65)
    s.part("waistband", "polygon", (s.some(0.15, 0.35), wide), angle=-90, swing=6, z=1,
           outline=[[-0.3, -1.05], [1, -s.some(0.75, 1)], [1, 0.85], [-0.3, 1.05]])  # fmt: skip
    waist = s.point(s.one("{side} end of the waist", "{side} end of the belt"), "waistband", 0.9, 0.78)
    s.edge(waist.replace("{side}", "left"), waist.replace("{side}", "right"))
    fork = s.point(s.one("crotch", "fork"), "waistband", -0.2, 0)
    links, size = s.count(1, 2), (s.some(0.3, 1.2), wide * s.some(0.35, 0.5))
    leg = s.chain("{side} leg", links, size, "waistband", (0.1, 0.55), angle=s.some(155, 176), swing=12, sides="mirror",
                  bend=s.some(0, 12), thin=s.some(0.75, 1.15))  # fmt: skip
    knee = s.point("{side} knee", leg[1]) if links == 2 else None
    s.edge(waist, knee, s.point(s.one("{side} hem", "{side} leg end"), leg[-1], 1, 0))
    s.edge(fork, waist)
    if s.chance(0.5):
        s.part("{side} pocket", "box", (0.14, 0.13), "waistband", (0.2, 0.5), angle=180, colour="second", z=2,
               sides="mirror")  # fmt: skip
        s.edge(waist, s.point("{side} pocket", "{side} pocket", 0.5, 0))
    if s.chance(0.35):
        s.part(
            "{side} brace",
            "limb",
            (s.some(0.4, 0.7), 0.06),
            "waistband",
            (0.9, 0.5),
            angle=s.some(-15, 10),
            swing=10,
            colour="trim",
            sides="mirror",
        )
        s.edge(waist, s.point("{side} brace end", "{side} brace", 1, 0))
    if s.chance(0.5):
        s.part("buckle", "disc", (None, 0.1), "waistband", (0.8, 0), colour="trim", z=3)
        s.edge(fork, s.point("buckle", "buckle"))


def shoe(s: Sketch) -> None:
    """A shoe or a boot from the side, its toe to the right."""
    s.paint("main", "second", "sole")
    long = s.some(0.7, 1.1)
    toe, tall = s.some(0.3, 0.9), s.some(0.25, 0.4)
    s.part(
        "foot",
        "polygon",
        (long, tall),
        swing=8,
        outline=[[0, -1], [0.35, -1], [0.6, -s.some(0.2, 0.9)], [0.95, 0.8 - toe], [1, 0.6], [0.97, 1], [0, 1]],
    )
    s.part("sole", "box", (long * 1.02, s.some(0.05, 0.2)), "foot", (0, 1), like="foot", colour="sole", z=-1)
    heel = s.some(0.05, 0.4)
    s.part("heel", "polygon", (heel, long * s.some(0.1, 0.3)), "foot", (0.14, 1), angle=90, colour="sole", z=-2,
           outline=[[-0.1, -1], [1, -0.6], [1, 0.6], [-0.1, 1]])  # fmt: skip
    shaft = s.some(0.12, 0.9)
    s.part("shaft", "polygon", (shaft, long * s.some(0.3, 0.42)), "foot", (0.19, -0.6), angle=-90, swing=9, z=-1,
           outline=[[0, -1], [1, -0.9], [1, s.some(0.7, 1.2)], [0, 1]], colour="second")  # fmt: skip
    tip = s.point(s.one("toe tip", "tip of the toe", "toe"), "foot", 0.96, 0.75)
    back = s.point(s.of("heel", "bottom"), "heel", 0.93, 0)
    ankle = s.point(s.one("ankle", "instep"), "foot", 0.33, -0.85)
    rear = s.point("rear end of the opening", "shaft", 0.95, -0.8)
    s.edge(tip, back, rear, s.point("front end of the opening", "shaft", 0.95, 0.62), ankle, tip)
    s.edge(tip, s.point("middle of the sole", "sole", 0.5, 0.5), back)
    for number in range(s.count(0, 3)):
        name = f"{('first', 'second', 'third')[number]} lace hole"
        s.part(name, "disc", (None, 0.05), "foot", (0.38 + 0.1 * number, -0.35 + 0.2 * number), colour="dark", z=3)
        s.edge(ankle, s.point(name, name))
