"""Inference: the heavy half once per picture, the cheap half per pair."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cape.data.episodes import Pairs, PoseTable, Source
from cape.data.transforms import crop_square, from_crop, normalise, to_crop, warp
from cape.errors import UsageError
from cape.evaluation.pck import Scores, score_pairs
from cape.models.baselines import Align, Center, Copy, Nearest, Support
from cape.models.encoders.visual import VisualEncoder, load_pretrained

Progress = Callable[[Iterable, str], Iterable]
"""Wraps an iterable that has a length, with a label: `tqdm`-like. The default shows nothing."""


def silent(items: Iterable, label: str) -> Iterable:
    """A `Progress` that shows nothing."""
    del label
    return items


class _Crops(Dataset):
    """The official crops of chosen instances, for a DataLoader."""

    def __init__(self, source: Source, indices: Sequence[int], size: int) -> None:
        self.source, self.indices, self.size = source, indices, size

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> Tensor:
        index = self.indices[item]
        square = crop_square(self.source.instances[index].box)
        return normalise(warp(self.source.picture(index), square, size=self.size))


def encode_crops(
    source: Source,
    indices: Sequence[int],
    encoder: VisualEncoder,
    *,
    batch_size: int = 16,
    workers: int = 0,
    progress: Progress = silent,
) -> Float[Tensor, "M C H W"]:
    """Features of the official crop of each instance, in the order of `indices`, on the encoder's device.

    Raises:
        PictureError: A picture is missing or corrupt.
    """
    device = next(encoder.parameters()).device
    loader = DataLoader(_Crops(source, indices, encoder.size), batch_size=batch_size, num_workers=workers)
    with torch.inference_mode():
        return torch.cat([encoder(images.to(device)) for images in progress(loader, "encoding pictures")])


def load_encoder(
    name: str, *, weights: str | Path | None = None, download: bool = False, device: str = "auto"
) -> VisualEncoder:
    """The frozen backbone of the baselines that look at pictures.

    Raises:
        UsageError: An unknown name or device, or no weights for it.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = load_pretrained(VisualEncoder(name=name, unit_length=True), weights=weights, download=download)
    try:
        encoder = encoder.to(torch.device(device))
        with torch.inference_mode():
            encoder(torch.zeros(1, 3, encoder.size, encoder.size, device=device)).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # torch's words for a device that is not there, and timm's for a picture that the network does not take
        raise UsageError(
            f"backbone {name} on {device}",
            expected=f"a device of this machine, and a network that takes pictures of {encoder.size} px",
            got=str(error)[:300],
            fix="Try cpu; if that fails too, another backbone.",
        ) from error
    return encoder


def encode_pairs(
    source: Source, pairs: Pairs, encoder: VisualEncoder, *, workers: int = 0, progress: Progress = silent
) -> Float[Tensor, "M C H W"]:
    """Features for all M instances of a source; those that no pair names stay zero."""
    used = np.unique(pairs.table)
    found = encode_crops(source, used.tolist(), encoder, workers=workers, progress=progress)
    features = found.new_zeros((len(source.instances), *found.shape[1:]))
    features[torch.from_numpy(used).to(found.device)] = found
    return features


def predict_pairs(
    baseline: Copy | Center | Nearest | Align,
    table: PoseTable,
    pairs: Int64[np.ndarray, "N _"],
    *,
    features: Float[Tensor, "M C H W"] | None = None,
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
        batch_size: Pairs at once; None chooses by what a pair weighs.
        progress: Shows the progress of the methods that look at pictures.
    """
    if not baseline.needs_pictures:
        features, progress = None, silent
    points = torch.from_numpy(to_crop(table.points, table.box)).float()
    visible = torch.from_numpy(table.visible)
    device = points.device if features is None else features.device
    found = torch.full((len(pairs), *points.shape[1:]), 0.5)
    shown = torch.from_numpy(table.visible[pairs[:, :-1]].any(axis=(1, 2))).nonzero()[:, 0]
    batches = shown.split(batch_size or _batch_size(baseline, table, pairs, features)) if len(shown) else ()
    with torch.inference_mode():
        for rows in progress(batches, "predicting"):
            supports, query = torch.from_numpy(pairs)[rows].tensor_split([-1], dim=1)
            # Pairs come category by category: most batches need fewer keypoints than the table's widest.
            width = 1 + int(visible[supports].flatten(0, 1).any(dim=0).nonzero().max())
            support = Support(
                points=points[supports, :width].to(device),
                visible=visible[supports, :width].to(device),
                feature=None if features is None else features[supports.to(device)],
            )
            feature = None if features is None else features[query[:, 0].to(device)]
            found[rows, :width] = baseline(support, feature).cpu()
    return from_crop(found.double().numpy(), table.box[pairs[:, -1]])


def _batch_size(
    baseline: Copy | Center | Nearest | Align,
    table: PoseTable,
    pairs: Int64[np.ndarray, "N _"],
    features: Tensor | None,
) -> int:
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
    return score_pairs(predicted, table.points[query], valid, table.box[query, 2:].max(axis=1))
