"""Inference: the heavy half once per picture, the cheap half per pair."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cape.data.episodes import Pairs, PoseTable, Source
from cape.data.transforms import crop_square, from_crop, normalise, to_crop, warp
from cape.errors import UsageError
from cape.evaluation.pck import PairScores, score_pairs
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
    size: int = 256,
    batch_size: int = 16,
    workers: int = 0,
    progress: Progress = silent,
) -> Float[Tensor, "M C H W"]:
    """Features of the official crop of each instance, in the order of `indices`, on the encoder's device.

    Raises:
        PictureError: A picture is missing or corrupt.
    """
    device = next(encoder.parameters()).device
    loader = DataLoader(_Crops(source, indices, size), batch_size=batch_size, num_workers=workers)
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
        return encoder.to(device)
    except (RuntimeError, AssertionError) as error:  # torch raises either for a device that is not there
        raise UsageError(
            "device", expected="auto, cpu or a device of this machine", got=f"{device}: {error}", fix="Use cpu."
        ) from error


def encode_pairs(
    source: Source, pairs: Pairs, encoder: VisualEncoder, *, workers: int = 0, progress: Progress = silent
) -> Float[Tensor, "M C H W"]:
    """Features for all M instances of a source; those that no pair names stay zero."""
    used = np.unique(pairs.table)
    found = encode_crops(source, used.tolist(), encoder, workers=workers, progress=progress)
    features = found.new_zeros((len(source.instances), *found.shape[1:]))
    features[torch.from_numpy(used).to(found.device)] = found
    return features


def score_baseline(
    baseline: Copy | Center | Nearest | Align,
    table: PoseTable,
    pairs: Pairs,
    *,
    features: Float[Tensor, "M C H W"] | None = None,
    progress: Progress = silent,
) -> PairScores:
    """Predict all pairs and score them by the official protocol."""
    supports, query = pairs.table[:, :-1], pairs.table[:, -1]
    seen = features if baseline.needs_pictures else None
    # Without pictures a pair is a few numbers, and the whole evaluation takes a second.
    size, shown = (64, progress) if seen is not None else (8192, silent)
    predicted = predict_pairs(baseline, table, pairs.table, features=seen, batch_size=size, progress=shown)
    valid = table.visible[supports].all(axis=1) & table.visible[query]
    return score_pairs(predicted, table.points[query], valid, table.box[query, 2:].max(axis=1))


def predict_pairs(
    baseline: Copy | Center | Nearest | Align,
    table: PoseTable,
    pairs: Int64[np.ndarray, "N _"],
    *,
    features: Float[Tensor, "M C H W"] | None = None,
    batch_size: int = 64,
    progress: Progress = silent,
) -> Float[np.ndarray, "N K 2"]:
    """Predictions in pixels of each query's original picture.

    Args:
        baseline: The method.
        table: All instances; the queries' points in it are never shown to the method.
        pairs: Rows of S supports and a query, as indices into the table.
        features: Of each instance of the table, for the methods that look at pictures.
        batch_size: Pairs at once.
        progress: Shows the progress.
    """
    points = torch.from_numpy(to_crop(table.points, table.box)).float()
    visible = torch.from_numpy(table.visible)
    device = points.device if features is None else features.device
    batches = [pairs[start : start + batch_size] for start in range(0, len(pairs), batch_size)]
    predicted = []
    with torch.inference_mode():
        for batch in progress(batches, "predicting"):
            shots, query = torch.from_numpy(batch[:, :-1]), torch.from_numpy(batch[:, -1])
            # Pairs come category by category: most batches need fewer keypoints than the table's widest.
            width = 1 + int(visible[shots].flatten(0, 1).any(dim=0).nonzero().max())
            support = Support(
                points=points[shots, :width].to(device),
                visible=visible[shots, :width].to(device),
                feature=None if features is None else features[shots.to(device)],
            )
            feature = None if features is None else features[query.to(device)]
            points_found = baseline(support, feature).cpu()
            predicted.append(F.pad(points_found, (0, 0, 0, table.points.shape[1] - width), value=0.5))
    return from_crop(torch.cat(predicted).double().numpy(), table.box[pairs[:, -1]])
