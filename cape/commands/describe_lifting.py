"""`cape describe` of a lifter: its table, and what that rests on."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cape.complexity_lifting import LiftingComplexity


def lifting_table(found: "LiftingComplexity") -> tuple[list[str], list[list[str]]]:
    """A row per part."""
    rows = [[part.name, part.kind, f"{part.parameters:,}", f"{part.macs / 1e6:.3f}"] for part in found.parts]
    return ["part", "kind", "parameters", "MMACs a frame"], rows


def lifting_summary(found: "LiftingComplexity") -> list[str]:
    """What the table rests on."""
    lines = [f"{found.joints} joints; one frame looks at {found.frames}."]
    if len(found.parts) > 1:
        lines.append("The loss-net works in training, and where energies are asked for.")
    else:
        lines.append("There is no loss-net: the baseline.")
    if found.views > 1:
        lines.append("The mirrored points are lifted, too: twice the lifter's work.")
    return lines


def lifting_json(found: "LiftingComplexity") -> dict[str, Any]:
    """All figures as whole numbers."""
    return {**found._asdict(), "parts": [part._asdict() for part in found.parts]}
