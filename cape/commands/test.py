"""`cape test`: evaluate on the official few-shot protocol."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cape.commands import invocation, run
from cape.errors import UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.evaluation.report import SplitReport


def test(
    annotations: Annotated[
        Path,
        typer.Option(help="Folder of the annotation files, the one above annotations/ and images/, or one COCO file."),
    ],
    baseline: Annotated[
        list[str],
        typer.Option(
            help="copy, center, nearest, align, or all; repeat it for several. nearest and align need pictures."
        ),
    ],
    split: Annotated[str, typer.Option(help="1 to 5, or all.")] = "1",
    shots: Annotated[int, typer.Option(min=1, help="Support pictures of an episode.")] = 1,
    subset: Annotated[
        Literal["val", "test"], typer.Option(help="test (200 episodes a category) or val (100).")
    ] = "test",
    pattern: Annotated[
        str | None,
        typer.Option(
            help="Annotation file name; {split} and {subset} are filled in, * matches anything "
            "(default: *split{split}_{subset}.json*)."
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Picture folder (default: images/ beside the annotations).")
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(min=1, help="Episodes a category instead of the official number: quicker, no longer official."),
    ] = None,
    lenient: Annotated[
        bool,
        typer.Option("--lenient", help="Leave out missing pictures and bad records (counted) instead of stopping."),
    ] = False,
    backbone: Annotated[str, typer.Option(help="timm network of nearest and align.")] = "efficientnet_lite0",
    backbone_weights: Annotated[
        Path | None, typer.Option(help="Its weights, safetensors (default: those an installed package carries).")
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Let timm fetch the backbone's weights.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode pictures.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
    table_file: Annotated[
        Path | None, typer.Option("--table", help="Write the tables here as Markdown, the command above them.")
    ] = None,
) -> None:
    """Score training-free baselines on the official episodes of MP-100 (or of any files named like its own).

    The pairs are those of every published MP-100 number since POMNet, bit for bit; the digest printed with them
    proves it. A category with fewer than shots + 15 instances cannot be sampled and is listed as skipped.

    Example: cape test --annotations mp100/annotations --baseline copy --split all
    """
    from cape.commands.console import print_reports, progress
    from cape.data.episodes import EPISODES, official_pairs, pose_table
    from cape.data.mp100 import MP100, PATTERN
    from cape.evaluation.report import make_report, markdown
    from cape.inference import encode_pairs, load_encoder, predict_pairs, score_predictions
    from cape.models.baselines import BASELINES

    methods = list(BASELINES) if "all" in baseline else list(dict.fromkeys(baseline))
    unknown = [method for method in methods if method not in BASELINES]
    if unknown:
        raise UsageError(
            "--baseline", expected=f"{', '.join(BASELINES)} or all", got=unknown[0], fix="Choose one of them."
        )
    if split not in ("1", "2", "3", "4", "5", "all"):
        raise UsageError("--split", expected="1 to 5, or all", got=split, fix="Choose one of them.")
    for target in (json_file, table_file):
        if target is not None:
            check_writable(target)
    encoder = None
    if any(BASELINES[method].needs_pictures for method in methods):
        encoder = load_encoder(backbone, weights=backbone_weights, download=download, device=device)
    elif images or backbone_weights or download:
        raise UsageError(
            "--images, --backbone-weights, --download", expected="a baseline that looks at pictures",
            got=", ".join(methods), fix="Add --baseline nearest or align, or leave the flag out.",
        )  # fmt: skip
    pictures = None if encoder is None else images or "auto"

    reports: list[SplitReport] = []
    for number in [1, 2, 3, 4, 5] if split == "all" else [int(split)]:
        source = MP100(
            root=annotations,
            split=number,
            subset=subset,
            pattern=pattern or PATTERN,
            pictures=pictures,
            strict=not lenient,
        )
        pairs = official_pairs(source.by_category(), shots=shots, episodes=episodes or EPISODES[subset])
        table = pose_table(source.instances)
        features = None if encoder is None else encode_pairs(source, pairs, encoder, workers=workers, progress=progress)
        for method in methods:
            found = predict_pairs(BASELINES[method](), table, pairs.table, features=features, progress=progress)
            scores = score_predictions(found, table, pairs.table)
            reports.append(make_report(scores, source, table, pairs, method=method, split=str(number)))
    reports.sort(key=lambda report: methods.index(report.method))

    print_reports(reports)
    command = invocation()
    if json_file is not None:
        content = {"command": command, "reports": [report.to_json() for report in reports]}
        write_atomically(json_file, json.dumps(content, indent=1) + "\n")
    if table_file is not None:
        write_atomically(table_file, markdown(reports, command=command))


def main(argv: list[str] | None = None) -> int:
    """`python tools/test.py`."""
    return run(test, argv, name="test")
