"""Inference: the heavy half once per picture, the cheap half per pair."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import default_collate

from cape.data.corruption import CLEAN, Corruption
from cape.data.episodes import Episodes, Pairs, PoseTable
from cape.data.transforms import from_crop, to_crop
from cape.data.variation import resized
from cape.errors import UsageError
from cape.evaluation.pck import Scores, score_pairs
from cape.features import Progress, encode_crops, read_crops, silent
from cape.models.baselines import Baseline, Center, Copy, Support, Turned, appearance_at
from cape.models.fewshot import FewShotPose, poses
from cape.structures import Episode, Found, Pose, Shown, Tokens, View


class Encoded(NamedTuple):
    """Features of the pictures of pairs."""

    row: Int64[np.ndarray, "M"]
    """Where an instance's features lie in the two."""
    query: Float[Tensor, "_ C H W"]
    support: Float[Tensor, "_ C H W"]
    """The same, unless a corruption occludes."""


def predict_pairs(
    baseline: Baseline,
    table: PoseTable,
    pairs: Int64[np.ndarray, "N _"],
    *,
    features: Float[Tensor, "M C H W"] | None = None,
    shown: Float[Tensor, "M C H W"] | None = None,
    turned: Support | None = None,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> Float[np.ndarray, "N K 2"]:
    """Predictions in pixels of each query's original picture.

    A pair whose supports show nothing gets the middle of the crop: the protocol scores it 0 whatever is predicted.

    Args:
        baseline: The method.
        table: All instances; the queries' points in it are never shown to the method.
        pairs: Rows of S supports and a query, as indices into the table.
        features: Of each instance of the table; only the methods that look at pictures get them.
        shown: Those of the supports, where they are others.
        turned: What `Turned` knows of each instance, of `features.encode_turned`.
        batch_size: Pairs at once; None chooses by what a pair weighs.
        progress: Shows the progress of the methods that look at pictures.
    """
    if not baseline.needs_pictures:
        features, shown, progress = None, None, silent
    visible = torch.from_numpy(table.visible)
    known = turned if isinstance(baseline, Turned) else _as_shown(table, features if shown is None else shown)
    if known is None:
        raise UsageError("turned", expected="the turned supports", got="none", fix="Encode them: `encode_turned`.")
    found = torch.full((len(pairs), *table.points.shape[1:]), 0.5)
    usable = torch.from_numpy(table.visible[pairs[:, :-1]].any(axis=(1, 2))).nonzero()[:, 0]
    batches = usable.split(batch_size or _batch_size(baseline, table, pairs, features)) if len(usable) else ()
    with torch.inference_mode():
        for rows in progress(batches, "predicting"):
            supports, query = torch.from_numpy(pairs)[rows].tensor_split([-1], dim=1)
            # Pairs come category by category: most batches need fewer keypoints than the table's widest.
            width = 1 + int(visible[supports].flatten(0, 1).any(dim=0).nonzero().max())
            feature = None if features is None else features[query[:, 0].to(features.device)]
            support = _support(known, supports, width, found.device if feature is None else feature.device)
            found[rows, :width] = baseline(support, feature).cpu()
    return from_crop(found.double().numpy(), table.crop[pairs[:, -1]])


def _as_shown(table: PoseTable, features: Float[Tensor, "M C H W"] | None) -> Support:
    """Every instance as a support of one view."""
    points, visible = torch.from_numpy(to_crop(table.points, table.crop)).float(), torch.from_numpy(table.visible)
    appearance = None
    if features is not None:
        with torch.inference_mode():
            appearance = appearance_at(points.to(features.device), features)[:, None]
    return Support(points[:, None], visible[:, None], appearance)


def _support(known: Support, supports: Int64[Tensor, "B S"], width: int, device: torch.device) -> Support:
    """The views of some supports, one shot after the other, with the first keypoints alone."""

    def of(field: Tensor) -> Tensor:
        return field[supports.to(field.device)].flatten(1, 2).to(device)

    return Support(
        of(known.points)[:, :, :width],
        of(known.visible)[:, :, :width],
        None if known.appearance is None else of(known.appearance)[:, :, :width],
        None if known.doubt is None else of(known.doubt),
    )


def _batch_size(baseline: Baseline, table: PoseTable, pairs: Int64[np.ndarray, "N _"], features: Tensor | None) -> int:
    """About 160 MB for the largest tensor."""
    if features is None or isinstance(baseline, Copy | Center):
        return 8192
    weight = (pairs.shape[1] - 1) * table.points.shape[1] * baseline.maps * features.shape[-2] * features.shape[-1]
    return max(1, min(64, 40_000_000 // weight))


def score_predictions(
    predicted: Float[np.ndarray, "N K 2"], table: PoseTable, pairs: Int64[np.ndarray, "N _"]
) -> Scores:
    """Scores by the official protocol.

    Args:
        predicted: Pixels of each query's original picture.
        table: All instances.
        pairs: Rows of S supports and a query, as indices into the table.
    """
    supports, query = pairs[:, :-1], pairs[:, -1]
    valid = table.visible[supports].all(axis=1) & table.visible[query]
    return score_pairs(predicted, table.points[query], valid, table.side[query])


class Located(NamedTuple):
    """What a model finds in a batch of pairs, and what it finds it by."""

    labels: Episode
    rows: Int64[np.ndarray, "B"]
    """Which pairs."""
    pairs: Int64[np.ndarray, "B _"]
    """Their instances."""
    tokens: Tokens
    query: Float[Tensor, "B C H W"]
    found: Found


def locate_episodes(
    model: FewShotPose,
    episodes: Episodes,
    *,
    rows: Int64[np.ndarray, "_"] | None = None,
    batch_size: int = 60,
    pictures: int = 16,
    workers: int = 0,
    progress: Progress = silent,
    corruption: Corruption = CLEAN,
    encoded: Encoded | None = None,
) -> Iterator[Located]:
    """Evaluation episodes in order, each picture encoded once and each prompt compiled once.

    The official code encodes support and query anew for each of the 60,000 pairs of a split, though they share 2,000
    pictures and 4,000 prompts. Category by category, so that the features of one category alone are held at a time.

    Args:
        model: In evaluation mode, or it is put there.
        episodes: With pairs, grouped by category as `official_pairs` gives them.
        rows: Which pairs, ascending; None: all.
        batch_size: Pairs at once; a multiple of the 15 queries of an episode compiles each prompt once.
        pictures: Pictures encoded at once.
        workers: Processes that decode pictures.
        progress: Shows the progress.
        corruption: Of the prompts. The labels, and so what is scored, are the clean ones.
        encoded: The pictures, encoded before with this corruption; None: they are encoded here.

    Yields:
        Batches of pairs.
    """
    model.eval()
    device = next(model.parameters()).device
    table = pairs_of(episodes).table
    rows = np.arange(len(table)) if rows is None else rows
    categories = episodes.table.category[table[rows, -1]]
    blocks = np.split(rows, np.flatnonzero(np.diff(categories)) + 1)
    for block in progress(blocks, "evaluating"):
        known = encoded or _encode(model, episodes, table[block], corruption, pictures=pictures, workers=workers)
        prompts, asked = np.unique(table[block, :-1], axis=0, return_inverse=True)
        first = np.unique(asked, return_index=True)[1]
        width = len(episodes.source.categories[int(episodes.table.category[prompts[0, 0]])].skeleton)
        compiled = _compile(model, episodes, block[first], known, corruption, width=width, workers=workers)
        for places in np.split(np.arange(len(block)), range(batch_size, len(block), batch_size)):
            batch = block[places]
            labels = default_collate([resized(episodes.labels(int(row)), width) for row in batch])
            with torch.inference_mode():
                tokens = Tokens(*(field[torch.from_numpy(asked[places])] for field in compiled))
                query = known.query[known.row[table[batch, -1]]]
                found = model.locate(query, tokens, labels.adjacency.to(device), labels.parts.to(device))
            yield Located(labels, batch, table[batch], tokens, query, found)


def predict_episodes(
    model: FewShotPose, episodes: Episodes, *, rows: Int64[np.ndarray, "_"] | None = None, batch_size: int = 60,
    pictures: int = 16, workers: int = 0, progress: Progress = silent, corruption: Corruption = CLEAN,
    encoded: Encoded | None = None,
) -> Iterator[tuple[Episode, list[Pose]]]:  # fmt: skip
    """Batches of `labels` with their poses; else as `locate_episodes`."""
    for each in locate_episodes(
        model, episodes, rows=rows, batch_size=batch_size, pictures=pictures, workers=workers, progress=progress,
        corruption=corruption, encoded=encoded,
    ):  # fmt: skip
        yield each.labels, poses(each.found, each.tokens.mask, torch.from_numpy(each.rows))


def _compile(
    model: FewShotPose,
    episodes: Episodes,
    rows: Int64[np.ndarray, "_"],
    known: Encoded,
    corruption: Corruption,
    *,
    width: int,
    workers: int,
    at_once: int = 4,
) -> Tokens:
    """The prompts of some pairs of one category, each for all its queries."""
    source, device = episodes.source, next(model.parameters()).device
    clicks = corruption.clicks(source.instances, episodes.table)
    # Pictures that are turned are encoded once, however many prompts share them
    used = np.unique(pairs_of(episodes).table[rows, :-1])
    turned = _turned(model, episodes, rows, clicks, corruption, width=width, workers=workers, at_once=at_once)
    found = []
    for some in np.split(rows, range(at_once, len(rows), at_once)):
        supports = pairs_of(episodes).table[some, :-1]
        labels = default_collate([resized(episodes.labels(int(row)), width) for row in some])
        if turned is None:
            image = known.support[known.row[supports]]
            support = View(image, *(field.to(device) for field in _clicked(clicks, supports, width)[1:]))
        else:
            places = torch.from_numpy(np.searchsorted(used, supports)).to(device)
            support = Shown(*(field[places].flatten(1, 2) for field in turned))
        category = int(episodes.table.category[supports[0, 0]])
        texts = [corruption.texts(source, category, each) for each in supports.tolist()]
        names = list(zip(*((each + ("",) * width)[:width] for each in texts), strict=True))
        with torch.inference_mode():
            found.append(model.prompt(support, names, labels.mask.to(device), labels.mirror.to(device)))
    return Tokens(*(torch.cat(field) for field in zip(*found, strict=True)))


def _turns(model: FewShotPose, episodes: Episodes) -> bool:
    """Whether supports are seen in turns, which features of a bank cannot be."""
    return model.prior.turns and episodes.bank is None


def _turned(
    model: FewShotPose,
    episodes: Episodes,
    rows: Int64[np.ndarray, "_"],
    clicks: PoseTable,
    corruption: Corruption,
    *,
    width: int,
    workers: int,
    at_once: int,
) -> Shown | None:
    """What every support of some pairs of one category shows in every turn, by instance; None without turns."""
    if not _turns(model, episodes):
        return None
    device, found = next(model.parameters()).device, []
    used = np.unique(pairs_of(episodes).table[rows, :-1])
    mirror = resized(episodes.labels(int(rows[0])), width).mirror.to(device)
    for some in np.split(used, range(at_once, len(used), at_once)):
        image = read_crops(episodes.source, some.tolist(), model.visual.size, workers=workers, corruption=corruption)
        points, visible, to_pixels = (field.to(device) for field in _clicked(clicks, some[:, None], width)[1:])
        with torch.inference_mode():
            view = View(image[:, None].to(device), points, visible, to_pixels)
            found.append(model.look(view, mirror.expand(len(some), -1)))
    return Shown(*(torch.cat(field) for field in zip(*found, strict=True)))


def _clicked(table: PoseTable, prompts: Int64[np.ndarray, "B S"], width: int) -> View:
    """Support views without pictures."""
    flat = prompts.ravel()
    points = torch.from_numpy(to_crop(table.points[flat], table.crop[flat])[:, :width]).float()
    visible = torch.from_numpy(table.visible[flat][:, :width])
    blank = View(torch.zeros(len(flat), 3, 0, 0), points, visible, torch.zeros(len(flat), 2, 3))
    return View(*(field.unflatten(0, prompts.shape) for field in blank))


def pairs_of(episodes: Episodes) -> Pairs:
    """The pairs of an evaluation.

    Raises:
        UsageError: The episodes are random.
    """
    if episodes.pairs is None:
        raise UsageError(
            "evaluation", expected="episodes with pairs", got="random episodes", fix="Give Episodes its `pairs`."
        )
    return episodes.pairs


def _encode(
    model: FewShotPose,
    episodes: Episodes,
    table: Int64[np.ndarray, "N _"],
    corruption: Corruption,
    *,
    pictures: int,
    workers: int,
) -> Encoded:
    """The pictures of some pairs: once each, and once more those of supports that are occluded and not turned."""
    turns = _turns(model, episodes)  # then supports are encoded in their turns, not here
    used, supports = np.unique(table[:, -1] if turns else table), np.unique(table[:, :-1])
    row = np.zeros(len(episodes.source.instances), dtype=np.int64)
    row[used] = np.arange(len(used))
    if episodes.bank is not None:
        if corruption.occludes:
            raise UsageError(
                "occluded", expected="episodes that read pictures", got="a bank of features", fix="Leave out `bank`."
            )
        query = episodes.bank.image[torch.from_numpy(used), 0].float().to(next(model.parameters()).device)
        return Encoded(row, query, query)

    def encode(indices: list[int], damage: Corruption) -> Float[Tensor, "M C H W"]:
        return encode_crops(
            episodes.source, indices, model.visual, batch_size=pictures, workers=workers, corruption=damage
        )

    query = encode(used.tolist(), CLEAN)
    if turns or not corruption.occludes:
        return Encoded(row, query, query)
    support = query.clone()
    support[row[supports]] = encode(supports.tolist(), corruption)
    return Encoded(row, query, support)


def predict_all(
    model: FewShotPose,
    episodes: Episodes,
    *,
    workers: int = 0,
    progress: Progress = silent,
    corruption: Corruption = CLEAN,
    encoded: Encoded | None = None,
) -> tuple[Float[np.ndarray, "N K 2"], Float[np.ndarray, "N K 2"]]:
    """Refined points and proposals of all evaluation episodes, in pixels of each query's original picture."""
    table = pairs_of(episodes).table
    refined = np.full((len(table), episodes.keypoints, 2), 0.5)
    proposals = refined.copy()
    batches = predict_episodes(
        model, episodes, workers=workers, progress=progress, corruption=corruption, encoded=encoded
    )
    for labels, found in batches:
        rows, width = [pose.pair for pose in found], labels.mask.shape[1]
        refined[rows, :width] = torch.stack([pose.points for pose in found]).double().cpu().numpy()
        proposals[rows, :width] = torch.stack([pose.proposals for pose in found]).double().cpu().numpy()
    crop = episodes.table.crop[table[:, -1]]
    return from_crop(refined, crop), from_crop(proposals, crop)
