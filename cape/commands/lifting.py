"""`cape test` of a lifter: errors of its poses and of their structure."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from cape.commands import invocation
from cape.errors import UsageError
from cape.files import write_atomically

if TYPE_CHECKING:
    from cape.lifters import LiftingModel


def lifting_changes(data: Path, *, flip: bool | None, options: list[str] | None) -> dict[str, object]:
    """What flags change in the config of a lifter.

    Args:
        data: Folder that its paths are relative to.
        flip: Whether mirrored points are lifted, too; None for what the config says.
        options: KEY=VALUE.

    Raises:
        UsageError: An option that is none, or the folder is missing.
    """
    from cape.configuration import parse_options

    if not data.is_dir():
        raise UsageError(
            "--data", expected="the folder that the config's paths are relative to", got=str(data), fix="Check it."
        )
    changes: dict[str, object] = {**parse_options(options or []), "data_root": str(data)}
    if flip is not None:
        changes["model.flip_test"] = flip
    return changes


def score_lifting(loaded: "LiftingModel", *, json_file: Path | None, table_file: Path | None) -> None:
    """Predict all frames of the config's evaluation, print the table, and write the files that were asked for.

    Raises:
        CapeError: Something about the data is wrong.
    """
    from cape.commands.console import print_table, progress, say
    from cape.evaluation.lifting import figures_of, table_of
    from cape.evaluation.report import grid
    from cape.lifters import predict_lifts

    data = loaded.data()
    poses = predict_lifts(loaded.model, data, progress=progress)
    figures = figures_of(poses, data.skeleton, root=data.root)
    table, notes = table_of(figures, name=loaded.name), _notes(loaded, len(poses.found))
    print_table(*table)
    for note in notes:
        say(note)
    if json_file is not None:
        known = {name: None if math.isnan(value) else value for name, value in figures.items()}  # JSON has no NaN
        content = {"command": invocation(), "method": loaded.name, "frames": len(poses.found), "notes": notes}
        write_atomically(json_file, json.dumps({**content, "figures": known}, indent=1) + "\n")
    if table_file is not None:
        text = [f"Command:\n\n    {invocation()}", grid(table), "\n".join(f"- {note}" for note in notes)]
        write_atomically(table_file, "\n\n".join(text) + "\n")


def _notes(loaded: "LiftingModel", frames: int) -> list[str]:
    """What the figures rest on."""
    flip = "averaged with the mirrored points'" if loaded.model.flip_test else "without the mirrored points"
    notes = [
        f"{frames} frames, each counted once; MPJPE and its relatives in mm, PCK at 150 mm, AUC and the structure in "
        f"per cent, in the paper's definition; poses {flip}."
    ]
    if loaded.model.judges:
        notes.append("tau: Kendall's, between the energy of a frame's pose and its error.")
    return notes
