"""`cape test` of a whole-body model: AP and AR of people, part by part."""

import inspect
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from cape.commands import invocation
from cape.errors import UsageError
from cape.files import write_atomically

if TYPE_CHECKING:
    from cape.data.people import PersonCrops
    from cape.persons import PersonModel

OF_PEOPLE = ("detections", "flip", "batch_size")
"""Parameters of `cape test` that only a whole-body model has a use for."""
OF_ALL = (
    *("annotations", "config", "checkpoint", "cfg_options", "allow_pickle"),
    *("device", "json_file", "table_file"),
)
"""Those that mean the same to every kind of model."""


def refuse(
    given: Mapping[str, object], command: Callable[..., None], *, kind: Literal["fewshot", "people", "lifting"]
) -> None:
    """Refuse what was asked for and means nothing to the model.

    Args:
        given: The values of the command's parameters.
        command: `cape test`, whose defaults ask for nothing.
        kind: Which page the model is.

    Raises:
        UsageError: Such a flag was given.
    """
    for name, parameter in inspect.signature(command).parameters.items():
        if name in OF_ALL or given[name] == parameter.default or _means(name, kind):
            continue
        annotation = get_args(parameter.annotation)[1]
        flag = (annotation.param_decls or [f"--{name.replace('_', '-')}"])[0]
        names = {"people": "a whole-body model", "lifting": "a lifter", "fewshot": "a few-shot model or a baseline"}
        expected = f"flags that mean something to {names[kind]}"
        raise UsageError("test", expected=expected, got=flag, fix="Leave it out.")


def _means(name: str, kind: str) -> bool:
    """Whether a parameter means something to one kind of model."""
    if kind == "lifting":
        return name == "flip"
    return name == "workers" or (name in OF_PEOPLE) == (kind == "people")


def person_changes(
    data: Path, *, detections: str | None = None, flip: bool | None = None, options: list[str] | None = None
) -> dict[str, object]:
    """What flags change in the config of a whole-body model.

    Args:
        data: Folder that its paths are relative to.
        detections: A file of person boxes; none for the annotated ones; None for what the config says.
        flip: Whether the mirrored picture is evaluated, too; None for what the config says.
        options: KEY=VALUE.

    Raises:
        UsageError: An option that is none, or the folder is missing.
    """
    from cape.configuration import parse_options
    from cape.persons import DETECTIONS

    if not data.is_dir():
        raise UsageError(
            "--data", expected="the folder that the config's paths are relative to", got=str(data), fix="Check it."
        )
    changes: dict[str, object] = {**parse_options(options or []), "data_root": str(data)}
    if detections is not None:
        changes[DETECTIONS] = None if detections == "none" else str(Path(detections).absolute())
    if flip is not None:
        changes["model.flip_test"] = flip
    return changes


def score_people(
    loaded: "PersonModel", *, batch_size: int, workers: int, json_file: Path | None, table_file: Path | None
) -> None:
    """Predict everybody of the config's evaluation, print the table, and write the files that were asked for.

    Raises:
        CapeError: Something about the data is wrong.
    """
    from cape.commands.console import print_table, progress, say
    from cape.evaluation.report import grid
    from cape.evaluation.wholebody import table_of
    from cape.persons import predict_people

    crops = loaded.crops()
    samples = predict_people(loaded.model, crops, batch_size=batch_size, workers=workers, progress=progress)
    figures = loaded.figures(samples, crops)
    table, notes = table_of(figures, name=loaded.name), _notes(loaded, crops)
    print_table(*table)
    for note in notes:
        say(note)
    if json_file is not None:
        facts = {"method": loaded.name, "kind": loaded.kind, "people": len(samples), "notes": notes}
        known = {name: None if math.isnan(value) else value for name, value in figures.items()}  # JSON has no NaN
        content = {"command": invocation(), **facts, "figures": known}
        write_atomically(json_file, json.dumps(content, indent=1) + "\n")
    if table_file is not None:
        text = [f"Command:\n\n    {invocation()}", grid(table), "\n".join(f"- {note}" for note in notes)]
        write_atomically(table_file, "\n\n".join(text) + "\n")


def _notes(loaded: "PersonModel", crops: "PersonCrops") -> list[str]:
    """What the figures rest on."""
    source = crops.source
    pictures = len({source.record(index)["img_path"] for index in range(len(crops))})
    boxes = "detected boxes" if source.detected else "annotated boxes, with which figures are above those of a detector"
    notes = [
        f"{len(crops)} people in {pictures} pictures, {boxes}; AP and AR in per cent, over similarities .5 to .95."
    ]
    if foreign := getattr(source, "foreign", 0):
        notes.append(f"{foreign} detections of other pictures were left out.")
    flip = "averaged with the mirrored picture" if loaded.model.flip_test else "without the mirrored picture"
    part = loaded.model.intervention
    if part is None:
        return [*notes, f"Logits are {flip}; there is no intervention."]
    count = f"all with a score above {part.threshold:g}" if part.threshold is not None else f"{part.test_count:g}"
    return [*notes, f"Logits are {flip}; keypoints replaced in each person: {count}, by the score {part.score!r}."]
