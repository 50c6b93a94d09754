"""`cape test`: evaluate a few-shot model on the official protocol, a whole-body model on people, a lifter on motion."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from cape.commands import invocation, run
from cape.commands.lifting import lifting_changes, score_lifting
from cape.commands.persons import person_changes, refuse, score_people
from cape.errors import UsageError
from cape.files import check_writable, write_atomically

if TYPE_CHECKING:
    from cape.contenders import Contender, Facts
    from cape.data.corruption import Corruption
    from cape.data.mp100 import MP100
    from cape.evaluation.report import SplitReport


def test(
    annotations: Annotated[
        Path,
        typer.Option(
            "--annotations",
            "--data",
            help="Folder of the annotation files, the one above annotations/ and images/, or one COCO file; "
            "of a whole-body model or a lifter the folder that its config's paths are relative to.",
        ),
    ],
    config: Annotated[
        str | None,
        typer.Argument(
            help="A trained model's config file (Python, executed), the name of a shipped one, or, without CHECKPOINT, "
            "cape-lite or a .safetensors file that says what model it is of."
        ),
    ] = None,
    checkpoint: Annotated[Path | None, typer.Argument(help="Its weights, safetensors.")] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="copy, center, nearest, near, align, turned, or all; repeat it for several. All but the first two "
            "need pictures."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="1 to 5, or all (default: the config's split, 1 for baselines alone).")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(min=1, help="Support pictures of an episode (default: the config's, or 1).")
    ] = None,
    subset: Annotated[
        Literal["val", "test"], typer.Option(help="test (200 episodes a category) or val (100).")
    ] = "test",
    held_out: Annotated[
        str | None,
        typer.Option(
            help="Test on human_body, human_face, vehicle or furniture, out of all files of the split; "
            "a model has to be trained with the same flag."
        ),
    ] = None,
    categories: Annotated[
        list[str] | None,
        typer.Option(help="These categories alone, by name or id, from whichever file of the split; repeatable."),
    ] = None,
    box: Annotated[
        Literal["truth", "none"],
        typer.Option(help="truth: crops around the boxes; none: whole pictures, of support and query alike."),
    ] = "truth",
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
    text_pack: Annotated[
        str | None,
        typer.Option(
            help="mp100, synonyms, typos, other_language (German), a JSON file, or none (default: as the config says)."
        ),
    ] = None,
    corrupt: Annotated[
        str | None,
        typer.Option(
            help="Damage the prompts. Names: synonyms, typos, other_language, drop, shuffle, wrong_category, empty; "
            "support: jitter, wrong_clicks, unclicked, occluded."
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="The share that --corrupt damages, 0 to 1 (default: 0.25).")
    ] = None,
    cfg_options: Annotated[list[str] | None, typer.Option(help="KEY=VALUE in the config, as for training.")] = None,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Read a checkpoint that is a pickle (its tensors alone).")
    ] = False,
    backbone: Annotated[str, typer.Option(help="timm network of baselines that need pictures.")] = "efficientnet_lite0",
    backbone_weights: Annotated[
        Path | None, typer.Option(help="Its weights, safetensors (default: those an installed package carries).")
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Let libraries fetch pretrained weights.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode pictures.")] = 0,
    detections: Annotated[
        str | None,
        typer.Option(help="Of a whole-body model: a file of person boxes, or none for the annotated ones."),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip", help="Of a whole-body model or a lifter: mirrored, too (default: its config)."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Of a whole-body model: people at once.")] = 32,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
    table_file: Annotated[
        Path | None, typer.Option("--table", help="Write the tables here as Markdown, the command above them.")
    ] = None,
    scores_file: Annotated[
        Path | None, typer.Option("--scores", help="Write every pair's scores here (.npz), for paired comparisons.")
    ] = None,
) -> None:
    """Score a trained model or training-free baselines on the official episodes of MP-100 (or files like its own).

    The pairs are those of every published MP-100 number since POMNet, bit for bit; the digest printed with them
    proves it. A category with fewer than shots + 15 instances cannot be sampled and is listed as skipped. Each picture
    is encoded once and each support set once, so a split costs its pictures, not its 60,000 pairs.

    With the config of a whole-body model (CIGPose, RTMPose): AP and AR over the people of the config's evaluation, for
    the whole body and its parts. With a lifter's (SEAL-pose): errors of 3D poses and of their structure.

    Example: cape test cape_lite outputs/cape_lite_split1_seed0/checkpoints/best.safetensors --data mp100_mini

    Example: cape test cape-lite --data mp100_mini --categories honeybee_body

    Example: cape test --annotations mp100/annotations --baseline copy --split all

    Example: cape test cigpose_lite best.safetensors --data wholebody_mini --no-flip

    Example: cape test lift_lite_simple_baseline best.safetensors --data pose3d_mini
    """
    given = dict(locals())
    from cape.commands.console import print_reports
    from cape.contenders import Facts, load_baselines, load_trained
    from cape.data.corruption import CLEAN, Corruption
    from cape.lifters import load_lifting_model
    from cape.persons import load_people_model

    for target in (json_file, table_file, scores_file):
        if target is not None:
            check_writable(target)
    kind = "fewshot" if config is None else _kind(config, cfg_options)
    refuse(given, test, kind=kind)
    if config is not None and kind == "lifting":
        lifts = lifting_changes(annotations, flip=flip, options=cfg_options)
        lifter = load_lifting_model(config, checkpoint, lifts, allow_pickle=allow_pickle, device=device)
        score_lifting(lifter, json_file=json_file, table_file=table_file)
        return
    if config is not None and kind == "people":
        changes = person_changes(annotations, detections=detections, flip=flip, options=cfg_options)
        loaded = load_people_model(config, checkpoint, changes, allow_pickle=allow_pickle, device=device)
        score_people(loaded, batch_size=batch_size, workers=workers, json_file=json_file, table_file=table_file)
        return
    _check_flags(config, baseline, corrupt, rate, text_pack=text_pack, more=bool(cfg_options or allow_pickle))
    damage = CLEAN if corrupt is None else Corruption(kind=corrupt, rate=0.25 if rate is None else rate)
    facts, entries = Facts(held_out=held_out), []
    if baseline:
        entries += [
            load_baselines(baseline, backbone=backbone, weights=backbone_weights, download=download, device=device)
        ]
    if config is not None:
        options = [*(cfg_options or []), *([] if text_pack is None else [f"text_pack={text_pack}"])]
        options += [] if held_out is None else [f"held_out={held_out}"]
        trained = load_trained(config, checkpoint, options, allow_pickle=allow_pickle, download=download, device=device)
        facts, entries = trained.facts, [*entries, trained]
    numbers, shots = _splits(split, facts), shots or facts.shots
    look = any(each.looks for each in entries)
    if not look and (images or backbone_weights or download):
        raise UsageError(
            "--images, --backbone-weights, --download", expected="a method that looks at pictures",
            got=", ".join(baseline or []), fix="Add --baseline nearest or align, or leave the flag out.",
        )  # fmt: skip

    reports: list[SplitReport] = []
    kept: dict[int, dict[str, np.ndarray]] = {}
    for number in numbers:
        data = facts.source(
            annotations, split=number, pattern=pattern, subset=subset, strict=not lenient,
            pictures=(images or "auto") if look else None, categories=categories or None,
        )  # fmt: skip
        mine, kept[number] = _score(data, entries, damage, box=box, shots=shots, episodes=episodes, workers=workers)
        reports += mine
    order = list(dict.fromkeys(report.method for report in reports))
    reports.sort(key=lambda report: order.index(report.method))

    print_reports(reports)
    _write(reports, kept, json_file=json_file, table_file=table_file, scores_file=scores_file)


def _kind(config: str, options: list[str] | None) -> Literal["fewshot", "people", "lifting"]:
    """Which page a config's model is."""
    from cape.configuration import kind_of, load_config, parse_options
    from cape.shipped import is_weights

    if is_weights(config):
        return "fewshot"
    return kind_of(load_config(config, parse_options(options or [])))


def _check_flags(
    config: str | None, baseline: list[str] | None, corrupt: str | None, rate: float | None, *,
    text_pack: str | None, more: bool,
) -> None:  # fmt: skip
    """Refuse flags of few-shot tests that do not go together."""
    if not baseline and config is None:
        raise UsageError("test", expected="CONFIG CHECKPOINT, or --baseline", got="neither", fix="Name what to score.")
    if corrupt is None and rate is not None:
        raise UsageError("--rate", expected="--corrupt with it", got="none", fix="Say what to damage, or leave it out.")
    if config is None and (text_pack is not None or more):
        raise UsageError(
            "--text-pack, --cfg-options, --allow-pickle", expected="a trained model", got=", ".join(baseline or []),
            fix="Give CONFIG CHECKPOINT, or leave the flag out.",
        )  # fmt: skip


def _write(
    reports: "list[SplitReport]", kept: dict[int, dict[str, np.ndarray]], *, json_file: Path | None,
    table_file: Path | None, scores_file: Path | None,
) -> None:  # fmt: skip
    """The files that were asked for."""
    from cape.evaluation.report import markdown
    from cape.runs import write_scores

    command = invocation()
    if json_file is not None:
        content = {"command": command, "reports": [report.to_json() for report in reports]}
        write_atomically(json_file, json.dumps(content, indent=1) + "\n")
    if table_file is not None:
        write_atomically(table_file, markdown(reports, command=command))
    if scores_file is not None:
        write_scores(scores_file, kept)


def _splits(asked: str | None, facts: "Facts") -> list[int]:
    """The splits to test on. A trained model is tested on its own: the others' test classes are in its training set."""
    known = {"all": [1, 2, 3, 4, 5], **{str(number): [number] for number in range(1, 6)}}
    if asked is not None and asked not in known:
        raise UsageError("--split", expected="1 to 5, or all", got=asked, fix="Choose one of them.")
    numbers = known[asked or str(facts.split or 1)]
    if facts.split is not None and numbers != [facts.split]:
        raise UsageError(
            "--split", expected=f"{facts.split}, that of the config", got=asked or "",
            fix=f"Leave it out; or, if the model was trained on it, add --cfg-options split={asked}.",
        )  # fmt: skip
    return numbers


def _score(
    data: "MP100", entries: "list[Contender]", damage: "Corruption", *, box: Literal["truth", "none"], shots: int,
    episodes: int | None, workers: int,
) -> "tuple[list[SplitReport], dict[str, np.ndarray]]":  # fmt: skip
    """Each method's report on one split, and the scores of its pairs."""
    from cape.commands.console import progress
    from cape.contenders import notes_on, official_episodes
    from cape.data.episodes import official_pairs, pose_table
    from cape.data.whole import WholePicture
    from cape.evaluation.report import make_report
    from cape.inference import score_predictions
    from cape.runs import grouping

    source = WholePicture(data) if box == "none" else data
    pairs = official_pairs(source.by_category(), shots=shots, episodes=episodes or official_episodes(data))
    table, split = pose_table(source.instances), str(data.split)
    reports, kept = [], grouping(source, pairs)
    for entry in entries:
        for method, found in entry.predict(source, pairs, workers, progress, damage):
            scores = score_predictions(found, table, pairs.table)
            notes = notes_on(data, pairs, damage, box=box, size=entry.size(method))
            reports.append(make_report(scores, source, table, pairs, method=method, split=split, notes=notes))
            kept |= {f"{method}|{figure}": values.astype(np.float32) for figure, values in scores.items()}
    return reports, kept


def main(argv: list[str] | None = None) -> int:
    """`python tools/test.py`."""
    return run(test, argv, name="test")
