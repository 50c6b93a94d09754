"""The analyses of CIGPose's paper for a trained whole-body model: each a table, a figure, and what they rest on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from cape.data.occluders import Fill, OccludedCrops, choose_anchors, covered
from cape.data.people import PersonCrops
from cape.errors import UsageError
from cape.evaluation.interventions import (
    PARTS_OF,
    auroc_interval,
    enrichment,
    harder,
    intervention_frequency,
    mean_interval,
    principal_axes,
    same_keypoint_auroc,
    spread,
)
from cape.evaluation.report import Table
from cape.features import Progress, silent
from cape.figures import Cloud, bar_chart, box_plot, line_charts, scatter_panels
from cape.models.wholebody import WholeBodyPose
from cape.persons import Embedded, Looked, embed_people, look, truth_of

LIMBS = ("arms", "legs")
"""Of Fig. 3 (a)."""
_PAPER_7 = {"face": 0.67, "torso": 0.16, "arms": 0.24, "hands": 0.90, "legs": 0.89, "feet": 1.36}
_DOTS = 200


class Analysis(NamedTuple):
    """One result."""

    name: str
    tables: dict[str, Table]
    """By the sentence above."""
    figures: dict[str, bytes]
    """PNG files by name."""
    notes: list[str]


class Subjects(NamedTuple):
    """The people of an analysis, as one network sees them."""

    crops: PersonCrops
    seen: Embedded
    points: np.ndarray
    """The truth in pixels of the crops, [M, K, 2]."""
    visibility: np.ndarray
    """COCO's, [M, K]; 0 outside the crop, too."""
    size: tuple[int, int]

    @property
    def there(self) -> np.ndarray:
        """Keypoints that are labelled and inside the crop."""
        return self.visibility > 0

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """Table 7's of the skeleton; of an unknown one all keypoints together."""
        count = self.points.shape[1]
        return PARTS_OF.get(count, {"all": tuple(range(count))})

    @property
    def body(self) -> list[int]:
        """Keypoints of which the visibility tells hidden from seen."""
        return list(range(min(17, self.points.shape[1])))


def subjects(
    model: WholeBodyPose, crops: PersonCrops, *, batch_size: int, workers: int, progress: Progress = silent
) -> Subjects:
    """Look at everybody once; the rest of all analyses starts from F.

    Raises:
        CapeError: The boxes are detections, or a picture cannot be read.
    """
    truth = truth_of(crops)
    seen = embed_people(model, crops, batch_size=batch_size, workers=workers, progress=progress)
    points = seen.to_crop(truth.points, model.size)
    inside = ((points >= 0) & (points < np.array(model.size))).all(axis=-1)
    return Subjects(crops, seen, points, np.where(inside, truth.visibility, 0), model.size)


def occlusion(
    models: Mapping[str, WholeBodyPose], people: Subjects, *, sizes: Sequence[float], patches: int, fill: Fill,
    seed: int, batch_size: int, workers: int, progress: Progress = silent,
) -> Analysis:  # fmt: skip
    """Whether the score finds what is hidden (Fig. 3; experiment E1 of the specification, §11).

    Args:
        models: The same network with each score.
        people: The subjects.
        sizes: Sides of the patches, relative to the crop's height.
        patches: How many on each person.
        fill: What they show.
        seed: Of which keypoints they cover.
        batch_size: People at once.
        workers: Processes that decode pictures.
        progress: Shows the progress.
    """
    any_model = next(iter(models.values()))
    anchors = choose_anchors(people.there, people.parts, count=patches, seed=seed)
    centres = np.take_along_axis(people.points, anchors.clip(0)[..., None], axis=1)
    centres = np.where(anchors[..., None] < 0, np.nan, centres)
    clean = {name: look(model, people.seen.tokens).score for name, model in models.items()}
    rows, lines, scores = [], {"any keypoint": {}, "the same keypoint": {}}, clean
    hidden = np.zeros_like(people.there)
    for share in sizes:
        side = share * people.size[1]
        crops = OccludedCrops(people.crops, centres=centres, side=side, fill=fill, seed=seed)
        tokens = embed_people(any_model, crops, batch_size=batch_size, workers=workers, progress=progress).tokens
        hidden = covered(people.points, centres, side) & people.there
        scores = {name: look(model, tokens).score for name, model in models.items()}
        for name, score in scores.items():
            whole = auroc_interval(score, hidden, people.there, seed=seed)
            same = same_keypoint_auroc(score, hidden, people.there)
            change = (score - clean[name])[hidden]
            risen = float((change > 0).mean() + (change == 0).mean() / 2) if hidden.any() else float("nan")
            rows.append([name, f"{share:g}", str(int(hidden.sum())), _interval(whole), f"{same:.2f}", f"{risen:.2f}"])
            for panel, value in (("any keypoint", whole.mean), ("the same keypoint", same)):
                lines[panel].setdefault(name, []).append((share, value))
    heads = ["score", "side", "hidden", "AUROC", "same keypoint", "risen"]
    tables = {"Patches over chosen keypoints:": (heads, rows)}
    tables["Medians of the body keypoints that COCO calls hidden (1) and seen (2):"] = _labelled(clean, people, seed)
    figures = {
        "occlusion": line_charts(lines, across="side of a patch, in heights of the crop", up="AUROC", columns=2),
        "scores": _boxes(clean, scores, hidden, people, sizes[-1]),
    }
    notes = [
        f"{patches} square patches ({fill}) on each of {len(anchors)} people, each over the middle of a labelled "
        f"keypoint, of different parts; the smaller lie within the larger. Seed {seed}.",
        "AUROC: how probably a keypoint under a patch has a higher score than one that is not, of all people together; "
        "the interval resamples people, 200 draws. Same keypoint: compared with the same keypoint of other people "
        "alone, since some keypoints have high scores always. Risen: how often the score of a keypoint is higher under "
        "the patch than in the same picture without it.",
        "Hands and faces have no place in the second table: COCO-WholeBody does not say there what is hidden.",
        f"scores.png: percentiles among the body keypoints of the clean pictures; the patch has side {sizes[-1]:g}.",
    ]
    return Analysis("occlusion", tables, figures, notes)


def _labelled(clean: Mapping[str, np.ndarray], people: Subjects, seed: int) -> Table:
    """What annotators called hidden against what they saw."""
    visibility = people.visibility[:, people.body]
    counted, hidden = np.isin(visibility, (1, 2)), visibility == 1
    rows = []
    for name, score in clean.items():
        mine = score[:, people.body]
        medians = [
            f"{np.median(mine[visibility == flag]):.4f}" if (visibility == flag).any() else "-" for flag in (1, 2)
        ]
        same = same_keypoint_auroc(mine, hidden, counted)
        rows.append([name, *medians, _interval(auroc_interval(mine, hidden, counted, seed=seed)), f"{same:.2f}"])
    first = f"{int(hidden.sum())} hidden"
    return ["score", first, f"{int((visibility == 2).sum())} seen", "AUROC", "same keypoint"], rows


def _boxes(
    clean: Mapping[str, np.ndarray],
    patched: Mapping[str, np.ndarray],
    hidden: np.ndarray,
    people: Subjects,
    side: float,
) -> bytes:
    """Fig. 3: percentiles of the score among clean body keypoints, of limbs and of all."""
    limbs = [each for part in LIMBS for each in people.parts.get(part, ())]
    groups = {}
    for name, score in clean.items():
        known = np.sort(score[:, people.body][people.there[:, people.body]])
        for label, members in (("limbs", limbs), ("body", people.body)):
            flags, under = people.visibility[:, members], hidden[:, members]
            chosen = {
                "seen": score[:, members][flags == 2],
                "hidden, as annotated": score[:, members][flags == 1],
                f"under a patch of {side:g}": patched[name][:, members][under],
            }
            groups[f"{name}: {label}"] = {
                kind: _thinned(100 * np.searchsorted(known, values) / max(1, len(known)))
                for kind, values in chosen.items()
            }
    return box_plot(groups, title="Percentile of the confounder score")


def _thinned(values: np.ndarray) -> np.ndarray:
    """At most `_DOTS`, evenly from the sorted: quartiles and ends stay as they are."""
    if len(values) <= _DOTS:
        return values
    return np.sort(values)[np.linspace(0, len(values) - 1, _DOTS).round().astype(int)]


def enriched(
    looked: Mapping[str, Looked], people: Subjects, *, count: int, dropped: Sequence[float], seed: int
) -> Analysis:
    """Whether what the score selects is what the model gets wrong (Table 5, Eq. 7).

    Args:
        looked: What the network decides with each score.
        people: The subjects.
        count: How many keypoints are selected in each person.
        dropped: Shares of the easiest people that are left out.
        seed: Of the bootstrap.
    """
    rows, bars = [], {}
    for share in (0.0, *dropped):
        label = f"hardest {100 - 100 * share:g} %" if share else "all"
        bars[label] = {}
        for name, each in looked.items():
            error = np.linalg.norm(each.points - people.points, axis=-1)
            kept = harder(error, people.there, dropped=share)
            gaps = enrichment(each.score, error, people.there, count)[kept]
            found = mean_interval(gaps, seed=seed)
            bars[label][name] = found
            more = f"{int((~np.isnan(gaps)).sum())}", f"{error[kept][people.there[kept]].mean():.2f}"
            rows.append([name, label, *more, _interval(found)])
    heads = ["score", "people", "counted", "mean error", "gap"]
    notes = [
        f"Gap: mean error of the {count} keypoints of the highest score minus that of the others, in pixels of the "
        f"crop ({people.size[0]} x {people.size[1]}), over labelled keypoints inside it. 95 % interval over people, "
        f"1000 draws, seed {seed}.",
        "The paper's Table 5, of CIGPose-x on COCO-WholeBody: 8.47 [8.20, 8.72], and 10.14 and 10.45 without the "
        "easiest 30 % and 50 %; whether its pixels are of crops it does not say.",
    ]
    title = f"Error of the {count} selected keypoints minus that of the others"
    return Analysis(
        "enrichment", {"": (heads, rows)}, {"enrichment": bar_chart(bars, up="pixels of the crop", title=title)}, notes
    )


def frequency(looked: Mapping[str, Looked], people: Subjects, *, seed: int) -> Analysis:
    """Which parts are intervened on (Table 7).

    Args:
        looked: What the network decides with each score.
        people: The subjects.
        seed: Of the bootstrap.
    """
    parts = people.parts
    chance = {name: float(each.chosen.mean()) for name, each in looked.items()}
    bars, rows = {}, []
    for part, members in parts.items():
        spans = {
            name: mean_interval(each.chosen[:, list(members)].mean(axis=1), seed=seed) for name, each in looked.items()
        }
        bars[part] = {name: tuple(100 * value for value in span) for name, span in spans.items()}
        paper = [f"{_PAPER_7[part]:.2f}"] if parts is PARTS_OF[133] else []
        rows.append([part, str(len(members)), *(_interval(bars[part][name]) for name in looked), *paper])
    sums = [
        sum(value * len(parts[part]) for part, value in intervention_frequency(each.chosen, parts).items())
        for each in looked.values()
    ]
    rows.append(["sum times K", "", *(f"{100 * value:.1f}" for value in sums)])
    rows[-1] += ["100.0"] if parts is PARTS_OF[133] else []
    heads = ["part", "K", *looked, *(["paper"] if parts is PARTS_OF[133] else [])]
    notes = [
        "How often a keypoint of the part is replaced in a test, in per cent, with 95 % intervals over people "
        f"(1000 draws, seed {seed}).",
        f"A choice by chance replaces each in {100 * next(iter(chance.values())):.2f} % (the dashed line).",
    ]
    title, level = "How often keypoints are replaced", 100 * next(iter(chance.values()))
    figure = bar_chart(bars, up="% of people", title=title, level=level)
    return Analysis("frequency", {"": (heads, rows)}, {"frequency": figure}, notes)


def embeddings(model: WholeBodyPose, people: Subjects, *, name: str, keypoints: int = 10) -> Analysis:
    """Embeddings before and after the intervention, and after the graph, in two dimensions (Fig. 4).

    The intervention is that of the training, which replaces more than a test does. The paper draws UMAP; these are
    principal components, which need no seed and no further package.

    Args:
        model: With an intervention.
        people: The subjects.
        name: Of its score.
        keypoints: How many get a colour, evenly over the skeleton.

    Raises:
        UsageError: The model does not intervene.
    """
    part = model.intervention
    if part is None or part.canonical is None:
        raise UsageError("model", expected="a model with an intervention", got="one without", fix="Give a CIGPose.")
    tokens = people.seen.tokens
    device = model.mirror.device
    with torch.no_grad():
        part.train()
        pieces = [model.intervene(some.to(device)).tokens for some in tokens.split(64)]
        part.eval()
        after = torch.cat([each.cpu() for each in pieces])
        reasoned = torch.cat([model.refine(each).cpu() for each in pieces])
        canonical = part.canonical.weight.detach().cpu().double().numpy()
    stages = {
        "before: F": tokens.double().numpy(),
        f"after: F', {part.train_count:g} replaced": after.double().numpy(),
        "after the graph: F''": reasoned.double().numpy(),
    }
    there, names = people.there, model.skeleton.names
    chosen = [int(each) for each in np.unique(np.linspace(0, len(names) - 1, keypoints).round().astype(int))]
    panels, rows, plane = {}, [], principal_axes(stages["before: F"][there])
    for place, (title, values) in enumerate(stages.items()):
        axes = plane if place < 2 else principal_axes(values[there])
        clouds = {names[each]: axes(values[there[:, each], each][:_DOTS]) for each in chosen if there[:, each].any()}
        stars = {names[each]: axes(canonical[each]) for each in chosen if there[:, each].any()} if place < 2 else {}
        panels[f"{title} ({100 * axes.share:.0f} % of the variance)"] = Cloud(clouds, stars)
        own = principal_axes(values[there]).share
        rows.append([title, f"{spread(values, there):.3f}", f"{100 * own:.1f}"])
    heads = ["embeddings", "spread", "% in two axes"]
    lengths = [np.linalg.norm(each, axis=-1).mean() for each in (tokens.numpy()[there], canonical)]
    notes = [
        f"{int(there.sum())} labelled keypoints of {len(there)} people; score {name!r}. The first two panels share the "
        "axes of F; stars are canonical embeddings. Principal components, not the UMAP of the paper.",
        f"Mean length: {lengths[0]:.3f} of F, {lengths[1]:.3f} of the canonical embeddings, of which "
        f"{_nearest(stages['before: F'], there, canonical)} lie nearest to the middle of their own keypoint.",
        "Spread: root of the mean squared distance to the middle of the keypoint, over that of the middles to theirs. "
        "% in two axes: of the variance of these embeddings, in their own first two principal components.",
    ]
    figure = scatter_panels(panels, axes_are="first two principal components")
    return Analysis("embeddings", {"": (heads, rows)}, {"embeddings": figure}, notes)


def _nearest(tokens: np.ndarray, there: np.ndarray, canonical: np.ndarray) -> str:
    """How many canonical embeddings are nearest to their own keypoint's middle, by angle: lengths differ too much."""
    seen = np.flatnonzero(there.any(axis=0))
    middles = np.stack([tokens[there[:, each], each].mean(axis=0) for each in seen])
    middles, vectors = middles - middles.mean(axis=0), canonical[seen] - canonical[seen].mean(axis=0)
    middles, vectors = (each / np.linalg.norm(each, axis=1, keepdims=True).clip(1e-12) for each in (middles, vectors))
    return f"{int(((vectors @ middles.T).argmax(axis=1) == np.arange(len(seen))).sum())} of {len(seen)}"


def _interval(values: Sequence[float]) -> str:
    mean, low, high = values
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"
