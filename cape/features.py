"""Features of frozen encoders: computed once per picture, and kept on disk if asked to."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load, save
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cape.data.corruption import CLEAN, Corruption
from cape.data.episodes import Episodes, Pairs, PoseTable, Source, mirrors
from cape.data.transforms import crop_square, normalise, to_crop, warp
from cape.errors import UsageError
from cape.files import write_atomically
from cape.models.baselines import Support, appearance_at
from cape.models.encoders.visual import VisualEncoder, load_pretrained
from cape.models.turning import doubts, turned_views
from cape.structures import View

Progress = Callable[[Iterable, str], Iterable]
"""Wraps an iterable that has a length, with a label: `tqdm`-like. The default shows nothing."""


def silent(items: Iterable, label: str) -> Iterable:
    """A `Progress` that shows nothing."""
    del label
    return items


class _Crops(Dataset):
    """The official crops of chosen instances, for a DataLoader."""

    def __init__(self, source: Source, indices: Sequence[int], size: int, corruption: Corruption) -> None:
        self.source, self.indices, self.size, self.corruption = source, indices, size, corruption

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> Tensor:
        index = self.indices[item]
        instance = self.source.instances[index]
        crop = warp(self.source.picture(index), crop_square(instance.around), size=self.size)
        return normalise(self.corruption.occluded(crop, instance))


def encode_crops(
    source: Source,
    indices: Sequence[int],
    encoder: VisualEncoder,
    *,
    batch_size: int = 16,
    workers: int = 0,
    progress: Progress = silent,
    corruption: Corruption = CLEAN,
) -> Float[Tensor, "M C H W"]:
    """Features of the official crop of each instance, in the order of `indices`, on the encoder's device.

    Args:
        source: The instances.
        indices: Which of them.
        encoder: The encoder.
        batch_size: Pictures at once.
        workers: Processes that decode pictures.
        progress: Shows the progress.
        corruption: May hide parts of the pictures.

    Raises:
        PictureError: A picture is missing or corrupt.
    """
    device = next(encoder.parameters()).device
    loader = _loader(_Crops(source, indices, encoder.size, corruption), batch_size=batch_size, workers=workers)
    with torch.inference_mode():
        return torch.cat([encoder(images.to(device)) for images in progress(loader, "encoding pictures")])


def read_crops(
    source: Source, indices: Sequence[int], size: int, *, workers: int = 0, corruption: Corruption = CLEAN
) -> Float[Tensor, "M 3 H W"]:
    """The official crop of each instance, as `encode_crops` shows it to its encoder.

    Raises:
        PictureError: A picture is missing or corrupt.
    """
    return torch.cat([*_loader(_Crops(source, indices, size, corruption), workers=workers)])


def _loader(crops: _Crops, *, batch_size: int = 16, workers: int) -> DataLoader:
    # A generator of its own: torch's global one is left as it was, so that training resumes bit for bit.
    return DataLoader(crops, batch_size=batch_size, num_workers=workers, generator=torch.Generator())


def encode_pairs(
    source: Source,
    pairs: Pairs,
    encoder: VisualEncoder,
    *,
    workers: int = 0,
    progress: Progress = silent,
    corruption: Corruption = CLEAN,
) -> Float[Tensor, "M C H W"]:
    """Features for all M instances of a source; those that no pair names stay zero.

    With a corruption that occludes, they are those of the supports, and the queries stay zero.
    """
    used = np.unique(pairs.table[:, :-1] if corruption.occludes else pairs.table)
    found = encode_crops(source, used.tolist(), encoder, workers=workers, progress=progress, corruption=corruption)
    features = found.new_zeros((len(source.instances), *found.shape[1:]))
    features[torch.from_numpy(used).to(found.device)] = found
    return features


def encode_turned(
    source: Source,
    indices: Sequence[int],
    table: PoseTable,
    encoder: VisualEncoder,
    *,
    rotations: int,
    workers: int = 0,
    progress: Progress = silent,
    corruption: Corruption = CLEAN,
) -> Support:
    """What the turned crops of chosen instances show at their keypoints; M rows, those of others stay zero.

    Args:
        source: The instances.
        indices: Which of them.
        table: Their clicks.
        encoder: The encoder.
        rotations: As for `turning.turned_views`.
        workers: Processes that decode pictures.
        progress: Shows the progress.
        corruption: May hide parts of the pictures.
    """
    device, mirror = next(encoder.parameters()).device, torch.from_numpy(mirrors(source, table.points.shape[1]))
    points, visible = torch.from_numpy(to_crop(table.points, table.crop)).float(), torch.from_numpy(table.visible)
    size = (len(table.points), 2 * rotations, table.points.shape[1])
    places, shown = torch.zeros(*size, 2), torch.zeros(size, dtype=torch.bool)
    appearance = torch.zeros(*size, encoder.channels, dtype=torch.half)
    loader = _loader(_Crops(source, indices, encoder.size, corruption), batch_size=1, workers=workers)
    with torch.inference_mode():
        for row, image in zip(indices, progress(loader, "encoding supports"), strict=True):
            view = View(image[None], points[None, [row]], visible[None, [row]], torch.zeros(1, 1, 2, 3))
            view = turned_views(view, mirror[[row]], rotations=rotations)
            feature = encoder(view.image[0].to(device)).cpu()
            places[row], shown[row] = view.points[0], view.visible[0]
            appearance[row] = appearance_at(view.points[0], feature).half()
    return Support(places, shown, appearance, doubts(mirror, rotations=rotations))


class _Variants(Dataset):
    """V views of each instance: the official crop, then augmented ones, each a function of (seed, instance, number)."""

    def __init__(self, episodes: Episodes, variants: int, seed: int) -> None:
        self.episodes, self.variants, self.seed = episodes, variants, seed

    def __len__(self) -> int:
        return len(self.episodes.source.instances)

    def __getitem__(self, item: int) -> View:
        number = self.episodes.source.instances[item].id
        rngs = [np.random.default_rng((self.seed, number, variant)) for variant in range(1, self.variants)]
        views = self.episodes.views(item, [None, *rngs])
        return View(*(torch.stack(field) for field in zip(*views, strict=True)))


def make_bank(
    episodes: Episodes,
    encoder: VisualEncoder,
    *,
    variants: int = 1,
    seed: int = 0,
    folder: Path | None = None,
    workers: int = 0,
    progress: Progress = silent,
) -> View:
    """All views that training may ask for, encoded: leading dimensions M instances and V variants.

    Args:
        episodes: Says how views are made.
        encoder: Frozen.
        variants: Views of an instance, the official crop first.
        seed: Of the augmented ones, with the instance's id: other data sets with the same picture share the files.
        folder: Keeps one file an instance, named by the SHA-256 of the encoder and of the pixels it was shown, so that
            nothing stale is ever read. None keeps nothing.
        workers: Processes that decode pictures.
        progress: Shows the progress.

    Returns:
        A stacked view with half-precision feature maps as `image`, on the CPU.

    Raises:
        PictureError: A picture is missing or corrupt.
        UsageError: It would not fit into this machine's memory.
    """
    identity = encoder_digest(encoder)
    loader = DataLoader(
        _Variants(episodes, variants, seed), batch_size=None, num_workers=workers, generator=torch.Generator()
    )
    bank: Tensor | None = None
    labels: list[View] = []
    for row, pictured in enumerate(progress(loader, "encoding views")):
        name = hashlib.sha256(identity + pictured.image.numpy().tobytes()).hexdigest()
        path = None if folder is None else folder / name[:2] / f"{name}.safetensors"
        feature = _read(path)
        if feature is None:
            feature = _encode(encoder, pictured.image)
            if path is not None:
                write_atomically(path, save({"feature": feature}))
        bank = _room(len(loader), feature) if bank is None else bank
        bank[row] = feature
        labels.append(pictured._replace(image=feature[:0]))
    return View(*(torch.stack(field) for field in zip(*labels, strict=True)))._replace(image=bank)


def _room(instances: int, feature: Float[Tensor, "B C H W"]) -> Float[Tensor, "M B C H W"]:
    """Space for all, asked for at once: a stack of a list would need it twice."""
    needed = instances * feature.nbytes / 2**30
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if needed > 0.8 * present:
        raise UsageError(
            "features",
            expected=f"views that fit into {present:.0f} GiB of memory",
            got=f"{instances} instances with {len(feature)} views each, {needed:.0f} GiB",
            fix="Lower features.variants, or train without a bank (features=None).",
        )
    return feature.new_empty((instances, *feature.shape))


def encoder_digest(encoder: VisualEncoder) -> bytes:
    """SHA-256 of everything that a feature map depends on besides the picture."""
    digest = hashlib.sha256(repr(sorted(encoder.settings.items())).encode())
    for name, value in encoder.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return digest.digest()


def _encode(encoder: VisualEncoder, images: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C H W"]:
    device = next(encoder.parameters()).device
    with torch.inference_mode():
        return encoder(images.to(device)).half().cpu().clone()


def _read(path: Path | None) -> Float[Tensor, "B C H W"] | None:
    """A kept feature map; None if there is none, or a damaged one, which is then made again."""
    try:
        return None if path is None else load(path.read_bytes())["feature"]
    except Exception:  # safetensors raises its own type, a missing file OSError
        return None


def load_encoder(
    name: str, *, weights: str | Path | None = None, download: bool = False, device: str = "auto"
) -> VisualEncoder:
    """The frozen backbone of the baselines that look at pictures.

    Raises:
        UsageError: An unknown name or device, or no weights for it.
    """
    place = find_device(device)
    encoder = load_pretrained(VisualEncoder(name=name, unit_length=True), weights=weights, download=download)
    try:
        with torch.inference_mode():
            encoder.to(place)(torch.zeros(1, 3, encoder.size, encoder.size, device=place))
    except RuntimeError as error:  # timm's words for a picture that the network does not take
        raise UsageError(
            f"backbone {name}",
            expected=f"a network that takes pictures of {encoder.size} px",
            got=str(error)[:300],
            fix="Choose another.",
        ) from error
    return encoder


def find_device(name: str) -> torch.device:
    """The device of a name; "auto" is the GPU where there is one.

    Raises:
        UsageError: This machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"device {name}", expected="a device of this machine", got=str(error)[:300], fix="Try cpu."
        ) from error
    return torch.device(name)
