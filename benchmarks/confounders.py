"""What CIGPose's confounder score finds: hidden keypoints, and keypoints that are wrong (specification §11, E1).

Run `python benchmarks/confounders.py --help`. People are drawn, with CrowdPose's 14 keypoints, textures and clutter;
foreign things hide some of them, and which ones is known. A small CIGPose learns on some and is asked about others.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image
from tqdm import tqdm

from cape.commands import main as cape
from cape.data.drawn import Drawn
from cape.evaluation.interventions import auroc, enrichment, mean_interval, same_keypoint_auroc
from cape.files import write_atomically
from cape.persons import column, embed_people, load_people_model, predict_people, rescored, truth_of

NAMES = (
    *(
        f"{side} {joint}"
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ),
    "top of the head",
    "neck",
)
"""CrowdPose's keypoints as the drawn person calls them."""
MODES = ("random", "supervised", "norm", "head")


def draw(folder: Path, name: str, *, count: int, seed: int) -> None:
    """Pictures of people and a CrowdPose file of them."""
    source = Drawn(
        seed=seed, instances=count, categories=("person",), size=192, rotation=20.0, occlusion=0.7, truncation=0.0,
        rich=True,
    )  # fmt: skip
    (category,) = source.categories.values()
    order = [category.texts.index(each) for each in NAMES]
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number, instance in enumerate(tqdm(source.instances, desc=f"draw {name}")):
        file = f"{name}{number}.jpg"
        Image.fromarray(source.picture(number)).save(folder / "images" / file, quality=92)
        images.append({"id": number, "file_name": file, "width": 192, "height": 192, "crowdIndex": 0.0})
        keypoints = np.column_stack([instance.points, instance.visibility])[order]
        x, y, width, height = instance.box.tolist()
        annotations.append(
            {
                "id": number, "image_id": number, "category_id": 1, "bbox": [x, y, width, height], "iscrowd": 0,
                "area": width * height, "keypoints": keypoints.ravel().tolist(), "num_keypoints": len(order),
            }
        )  # fmt: skip
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (folder / f"{name}.json").write_text(json.dumps(content))


def ask(run: Path, data: Path, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, Bool[np.ndarray, "M K"]]:
    """Scores by mode, errors in percent of the box's diagonal, and who is hidden, of the test people."""
    weights = run / "checkpoints" / "best.safetensors"
    loaded = load_people_model("cigpose_drawn", weights, {"data_root": str(data), "seed": seed})
    crops = loaded.crops()
    tokens, truth = embed_people(loaded.model, crops).tokens, truth_of(crops)
    scores = {mode: rescored(loaded.model, mode, seed=seed).confounders(tokens).numpy() for mode in MODES}
    away = np.linalg.norm(column(predict_people(loaded.model, crops), "keypoints") - truth.points, axis=-1)
    return scores, 100 * away / np.linalg.norm(truth.box[:, 2:], axis=-1, keepdims=True), truth.visibility == 1


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=1500, help="people")
    parser.add_argument("--test", type=int, default=400, help="people")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--count", type=int, default=2, help="how many keypoints of 14 a score selects (enrichment)")
    parser.add_argument(
        "--work-dir", type=Path, default=None, help="keeps drawings and runs (default: a folder that goes)"
    )
    parser.add_argument("--out", type=Path, default=None, help="Markdown file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work_dir or Path(temporary)
        data = folder / f"people_{options.train}_{options.test}"
        if not (data / "test.json").is_file():
            draw(data, "train", count=options.train, seed=0)
            draw(data, "test", count=options.test, seed=1)
        lines = table(folder, data, options)
    print("\n".join(lines))
    if options.out is not None:
        write_atomically(options.out, "\n".join(lines) + "\n")


def table(folder: Path, data: Path, options: argparse.Namespace) -> list[str]:
    """One row a mode, the seeds' people together."""
    pooled: dict[str, list[np.ndarray]] = {mode: [] for mode in MODES}
    errors, hidden = [], []
    for seed in options.seeds:
        run = folder / f"seed{seed}"
        if not (run / "checkpoints" / f"epoch_{options.epochs}.safetensors").is_file():
            given = ["--data", str(data), "--seed", str(seed), "--work-dir", str(run)]
            given += ["--cfg-options", f"train_cfg.max_epochs={options.epochs}"]
            if cape(["train", "cigpose_drawn", *given]):
                raise SystemExit(1)
        found, error, covered = ask(run, data, seed)
        errors.append(error)
        hidden.append(covered)
        for mode in MODES:
            pooled[mode].append(found[mode])
    away, covered = np.concatenate(errors), np.concatenate(hidden)
    everywhere = np.ones_like(covered)
    rows = [
        "| score | AUROC for hidden, by seed | the same, keypoint by keypoint | excess error of the selected, % "
        "| selected that are hidden |",
        "| --- | --- | --- | --- | --- |",
    ]
    for mode, parts in pooled.items():
        areas = [auroc(each.ravel(), one.ravel()) for each, one in zip(parts, hidden, strict=True)]
        same = [same_keypoint_auroc(each, one, everywhere[: len(one)]) for each, one in zip(parts, hidden, strict=True)]
        score = np.concatenate(parts)
        gap = mean_interval(enrichment(score, away, everywhere, options.count))
        top = np.argsort(-score, axis=1, kind="stable")[:, : options.count]
        share = np.take_along_axis(covered, top, axis=1).mean()
        rows.append(
            f"| {mode} | {_mean(areas)} | {_mean(same)} | "
            f"{gap.mean:+.2f} ({gap.low:+.2f} to {gap.high:+.2f}) | {100 * share:.1f} % |"
        )
    return [
        "# What the confounder score finds",
        "",
        f"    python benchmarks/confounders.py --train {options.train} --test {options.test} --epochs {options.epochs} "
        f"--seeds {' '.join(map(str, options.seeds))} --count {options.count}",
        "",
        f"{100 * covered.mean():.1f} % of the keypoints are hidden. Errors are in percent of the box's diagonal: "
        f"{away[covered].mean():.2f} of the hidden, {away[~covered].mean():.2f} of the others.",
        "",
        *rows,
    ]


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"


if __name__ == "__main__":
    main()
