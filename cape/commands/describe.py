"""`cape describe`: parameters and MACs of a model, part by part."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cape.commands import invocation, run
from cape.errors import UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from rich.table import Table

    from cape.complexity import Complexity, Part, Stage
    from cape.complexity_wholebody import WholeBodyComplexity, WholeBodyPart

PROMPT = {"keypoints": 17, "shots": 1, "text_tokens": 60}
"""Of a few-shot model, what is counted unless flags say otherwise."""
STAGES: tuple[tuple["Stage", str], ...] = (("prompt", "once per prompt"), ("query", "per query picture"))


def describe(
    config: Annotated[
        str, typer.Argument(help="A config file (Python, executed: trust it), or the name of a shipped one.")
    ],
    keypoints: Annotated[
        int | None, typer.Option(min=1, help=f"Keypoints of the prompt ({PROMPT['keypoints']}); few-shot models alone.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(min=1, help=f"Support pictures ({PROMPT['shots']}); few-shot models alone.")
    ] = None,
    text_tokens: Annotated[
        int | None,
        typer.Option(min=1, help=f"Tokens of all keypoint names ({PROMPT['text_tokens']}); few-shot models alone."),
    ] = None,
    cfg_options: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE, e.g. model.width=64; repeat it for several.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here, exact.")] = None,
) -> None:
    """Count a model, nothing of which is computed or downloaded: as it is, and as the paper counts.

    Of a few-shot model, the support pictures and names of a prompt are encoded once; each further picture costs the
    second block alone. Of a whole-body model, one person in one view is counted; of a lifter, one frame.

    Example: cape describe configs/cape_flf_split1.py --keypoints 17
    """
    import torch

    from cape.commands.console import print_table, say
    from cape.commands.describe_lifting import lifting_json, lifting_summary, lifting_table
    from cape.complexity import describe as count
    from cape.complexity_lifting import describe_lifting
    from cape.complexity_wholebody import describe_whole_body
    from cape.configuration import load_config, parse_options
    from cape.engine import make_model
    from cape.models.lifting import Lifting
    from cape.models.wholebody import WholeBodyPose

    if json_file is not None:
        check_writable(json_file)
    settings = load_config(config, parse_options(cfg_options or []))
    with torch.device("meta"):
        model = make_model(settings)
    given = {"keypoints": keypoints, "shots": shots, "text_tokens": text_tokens}
    asked = {name: value for name, value in given.items() if value is not None}
    if isinstance(model, WholeBodyPose):
        _refuse(asked, config, "a whole-body model")
        body = describe_whole_body(model)
        print_whole_body(body)
        lines, figures = whole_body_summary(body), whole_body_json(body)
    elif isinstance(model, Lifting):
        _refuse(asked, config, "a lifter")
        lifter = describe_lifting(model)
        print_table(*lifting_table(lifter))
        lines, figures = lifting_summary(lifter), lifting_json(lifter)
    else:
        found = count(model, **{**PROMPT, **asked})
        print_complexity(found)
        lines, figures = summary(found), to_json(found)
    for line in lines:
        say(line)
    if json_file is not None:
        write_atomically(json_file, json.dumps({"command": invocation(), **figures}, indent=1) + "\n")


def _refuse(asked: dict[str, int], config: str, kind: str) -> None:
    """No flag about a prompt goes with a model that takes none."""
    for name, value in asked.items():
        raise UsageError(
            f"--{name.replace('_', '-')}", expected=f"none: {config} is {kind}, which takes no prompt",
            got=str(value), fix="Leave it out.",
        )  # fmt: skip


def print_complexity(found: "Complexity") -> None:
    """A row per part, the stages apart, the paper's convention on the right. Fits 80 columns."""
    from rich.console import Console
    from rich.text import Text

    table = _table("+ MMACs a\nkeypoint")
    for stage, title in STAGES:
        table.add_row(Text(title, style="bold"))
        for part in found.parts:
            if part.stage == stage:
                table.add_row(*map(Text, _cells(_name(part, found), part)))
        table.add_section()
    table.add_row(*map(Text, _cells("total", found.total())))
    Console().print(table)


def _table(last: str) -> "Table":
    """An empty one, with the columns that all models have, and one more."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, head in enumerate(["part", "parameters", "GMACs", "paper's\nparameters", "paper's\nGMACs", last]):
        table.add_column(Text(head), justify="right" if place else "left", no_wrap=True)
    return table


def _name(part: "Part", found: "Complexity") -> str:
    """Of a row, with what it was counted for."""
    if part.stage == "prompt" and part.name == "visual":
        return f"  visual ({found.shots} picture{'s' * (found.shots > 1)})"
    return f"  text ({found.text_tokens} tokens)" if part.name == "text" else f"  {part.name}"


def _cells(name: str, part: "Part") -> list[str]:
    return [
        name,
        _count(part.parameters),
        f"{part.macs / 1e9:.3f}",
        _count(part.paper_parameters),
        f"{part.paper_macs / 1e9:.3f}",
        f"{part.paper_macs_per_keypoint / 1e6:.2f}",
    ]


def _count(parameters: int) -> str:
    return f"{parameters:,}" if parameters else "–"


def summary(found: "Complexity") -> list[str]:
    """What a reader wants to know of the table, and what it rests on."""
    total, prompt, query = found.total(), found.total("prompt"), found.total("query")
    once = f"A prompt costs {prompt.macs / 1e9:.1f} GMACs, once. Each picture then costs {query.macs / 1e9:.1f}:"
    share = sum(part.macs for part in found.parts if part.stage == "query" and part.name == "visual")
    lines = [
        f"Trained: {total.parameters - total.frozen:,} parameters. Frozen: {total.frozen:,}.",
        f"{once} {query.macs / share:.2f} times its",
        f"backbone, and {total.macs / query.macs:.1f} times less than with the prompt encoded anew.",
        f"GMACs: all products, those of attention too, for {found.keypoints} keypoints. The paper's:",
        "modules alone, as its profiler sees them; apart from that, what a keypoint adds.",
    ]
    if total.paper_parameters > total.parameters:
        lines.append("The paper's parameters include a class head of Swin-V2 that is not used.")
    if any(part.stage == "prompt" and part.name == "visual" for part in found.parts):
        lines.append("Prompt and query share one visual encoder: its parameters stand with the query.")
    if found.uncounted is not None:
        lines.append(f"Not counted: the text encoder {found.uncounted}, whose architecture is not known.")
    return lines


def to_json(found: "Complexity") -> dict:
    """All figures as whole numbers."""
    totals = [found.total(stage) for stage in ("prompt", "query", None)]
    return {
        **found._asdict(),
        "parts": [part._asdict() for part in found.parts],
        "totals": [{**part._asdict(), "stage": part.stage or "both"} for part in totals],
    }


def print_whole_body(found: "WholeBodyComplexity") -> None:
    """A row per part, the paper's convention on the right. Fits 80 columns."""
    from rich.console import Console
    from rich.text import Text

    table = _table("paper's\nGFLOPs")
    for part in found.parts:
        table.add_row(*map(Text, _whole_body_cells(part)))
    table.add_section()
    table.add_row(*map(Text, _whole_body_cells(found.total())))
    Console().print(table)


def _whole_body_cells(part: "WholeBodyPart") -> list[str]:
    return [
        part.name,
        _count(part.parameters),
        f"{part.macs / 1e9:.3f}",
        _count(part.paper_parameters),
        f"{part.paper_macs / 1e9:.3f}",
        f"{part.paper_flops / 1e9:.3f}",
    ]


def whole_body_summary(found: "WholeBodyComplexity") -> list[str]:
    """What the table rests on."""
    total, named = found.total(), {part.name: part for part in found.parts}
    times = total.macs / named["backbone"].macs
    lines = [
        f"Trained: {total.parameters - total.frozen:,} parameters. Frozen: {total.frozen:,}.",
        f"One person, {found.keypoints} keypoints, {' x '.join(map(str, found.size))} pixels: "
        f"{times:.2f} times the backbone alone.",
        "GMACs: all products. The paper's: those of the official code. Its GFLOPs are",
        "these and what mmengine's counter gives batch norms and poolings.",
    ]
    if found.views > 1:
        lines.append("The flip test runs all of it twice, on two views: twice these GMACs.")
    if "unused" in named:
        lines.append("Unused: layers of RTMPose that the official head keeps, and the paper counts.")
    if "initial" in named and not named["initial"].parameters:
        lines.append("Initial: predictors of the official score, which this config does without.")
    return lines


def whole_body_json(found: "WholeBodyComplexity") -> dict:
    """All figures as whole numbers."""
    parts = [part._asdict() for part in found.parts]
    return {**found._asdict(), "parts": parts, "totals": [found.total()._asdict()]}


def main(argv: list[str] | None = None) -> int:
    """`python tools/describe.py`."""
    return run(describe, argv, name="describe")
