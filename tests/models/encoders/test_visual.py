"""The visual encoder: shapes of several families, packaged weights that really classify, clear refusals."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cape import compat
from cape.data.samples import sample_pictures
from cape.data.transforms import Square, normalise, warp
from cape.errors import DependencyError, UsageError
from cape.features import encode_crops
from cape.models.encoders import visual
from cape.models.encoders.visual import PACKAGED, VisualEncoder, load_pretrained


@pytest.mark.parametrize(
    ("name", "strides", "channels", "grid"),
    [
        ("efficientnet_lite0", (16, 32), 112 + 320, 16),
        ("efficientnet_lite0", (32,), 320, 8),
        ("resnet10t", (8, 16, 32), 128 + 256 + 512, 32),
        ("swinv2_cr_tiny_ns_224", (32,), 768, 7),
        ("vit_tiny_patch16_224", (16, 32), 192, 14),
    ],
)
def test_one_channels_first_map(name: str, strides: tuple[int, ...], channels: int, grid: int) -> None:
    encoder = VisualEncoder(name=name, strides=strides).eval()
    side = 224 if "224" in name else 256
    with torch.inference_mode():
        feature = encoder(torch.randn(2, 3, side, side))
    assert feature.shape == (2, channels, grid, grid)
    assert encoder.channels == channels


@pytest.mark.parametrize(
    "name",
    [
        *("efficientnet_lite0", "resnet18", "mobilenetv3_small_050", "mobilenetv2_050"),
        *("convnext_atto", "vit_tiny_patch16_224", "swinv2_tiny_window8_256"),
    ],
)
def test_cells_are_centred_where_the_grid_says(name: str) -> None:
    """The picture's influence on a cell, its gradient, has its centre of mass at (i + 0.5) / n: within 0.2 cells.

    Without the shift an EfficientNet is half a cell off, 8 px of 256: PCK@0.2 of `nearest` falls by 8 points.
    """
    torch.manual_seed(0)
    encoder = VisualEncoder(name=name, strides=(16,)).eval()
    side = encoder.size
    cells = side // 16
    weight = torch.zeros(side, side)
    middle = cells // 2
    for _ in range(8):
        image = torch.randn(1, 3, side, side, requires_grad=True)
        feature = encoder(image)[0, :, middle, middle]
        (feature * torch.randn_like(feature)).sum().backward()
        weight += image.grad[0].square().sum(0)
    # Attention and squeeze layers see the whole picture a little; what stands out is the cell itself.
    weight = (weight - weight.median()).clamp_min(0) ** 2
    pixel = torch.arange(side) / side
    found = torch.stack([(weight.sum(0) * pixel).sum(), (weight.sum(1) * pixel).sum()]) / weight.sum()
    off = found * cells - (middle + 0.5)
    assert off.abs().max() < 0.2, f"off by {off.tolist()} cells"


def test_channels_last_networks_are_permuted() -> None:
    """Swin-V2 of timm gives [B, H, W, C]; 96 channels on a 64-cell grid would pass a sloppy check."""
    encoder = VisualEncoder(name="swinv2_tiny_window8_256", strides=(16, 32)).eval()
    with torch.inference_mode():
        feature = encoder(torch.randn(1, 3, 256, 256))
    assert feature.shape == (1, 384 + 768, 16, 16)


def test_unit_length_makes_inner_products_mean_cosines() -> None:
    encoder = VisualEncoder(unit_length=True).eval()
    with torch.inference_mode():
        feature = encoder(torch.randn(1, 3, 256, 256))
    torch.testing.assert_close(feature.norm(dim=1), torch.ones(1, 16, 16))
    torch.testing.assert_close(feature[:, :112].norm(dim=1), torch.full((1, 16, 16), 0.5**0.5))


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_weights_know_a_cat(name: str) -> None:
    """Tensors mapped in the wrong order, wrong input statistics or a wrong epsilon would not."""
    encoder = load_pretrained(VisualEncoder(name=name))
    import timm  # not before: `compat` has to make it importable

    classifier = timm.create_model(name, bn_eps=visual.TENSORFLOW_EPSILON).eval()
    classifier.load_state_dict(visual._packaged_state(name))
    picture = sample_pictures().picture(0)
    view = normalise(warp(picture, Square(225, 150, 300), size=224))[None]
    with torch.inference_mode():
        top = classifier(view * encoder.scale + encoder.shift).argmax().item()
    assert top in range(281, 286), "ImageNet's five cats"
    own, whole = encoder.network.state_dict(), classifier.state_dict()
    assert all(torch.equal(value, whole[key]) for key, value in own.items())


def test_views_are_converted_to_the_network_s_statistics() -> None:
    encoder = VisualEncoder(name="efficientnet_lite0")
    grey = normalise(torch.full((4, 4, 3), 127, dtype=torch.uint8).numpy())
    torch.testing.assert_close(grey * encoder.scale + encoder.shift, torch.zeros(3, 4, 4), atol=1e-6, rtol=0)


def test_unknown_name_suggests_others() -> None:
    with pytest.raises(UsageError, match="efficientnet"):
        VisualEncoder(name="efficientnet_lite99")


def test_no_weights_says_what_to_fetch_and_where_it_is_looked_for(refused) -> None:
    from huggingface_hub import constants

    words = ["timm/resnet10t.c3_in1k", "--download", "hf download", constants.HF_HUB_CACHE]
    with refused(UsageError, *words):
        load_pretrained(VisualEncoder(name="resnet10t"))
    with refused(UsageError, *words):  # the tests' sockets are closed
        load_pretrained(VisualEncoder(name="resnet10t"), download=True)


def test_published_weights_come_out_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through timm's own filter: here the position embedding of another picture size."""
    compat.prepare()
    import timm

    torch.manual_seed(3)
    state = timm.create_model("vit_tiny_patch16_224", num_classes=1000).state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "model.safetensors")
    asked = []

    def cached(repository: str, file: str, *, local_files_only: bool) -> str:
        asked.append((repository, file, local_files_only))
        return str(tmp_path / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", cached)
    encoder = load_pretrained(VisualEncoder(name="vit_tiny_patch16_224", options={"img_size": 160}))
    assert asked == [("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", "model.safetensors", True)]
    own = encoder.network.state_dict()
    assert torch.equal(own["blocks.0.attn.qkv.weight"], state["blocks.0.attn.qkv.weight"])
    assert own["pos_embed"].shape == (1, 101, 192) and own["pos_embed"].abs().sum() > 0


@pytest.mark.parametrize("name", ["resnet10t", "swinv2_cr_tiny_ns_224", "vit_tiny_patch16_224", "convnext_atto"])
def test_timm_s_own_weights_load_and_run(name: str, tmp_path: Path) -> None:
    """What a user has on disk: the state dict of the whole network, class head included."""
    compat.prepare()
    import timm

    state = {key: value.contiguous() for key, value in timm.create_model(name).state_dict().items()}
    save_file(state, tmp_path / "timm.safetensors")
    encoder = load_pretrained(VisualEncoder(name=name), weights=tmp_path / "timm.safetensors")
    source = sample_pictures()
    feature = encode_crops(source, [0, 1], encoder)
    assert feature.shape[:2] == (2, encoder.channels) and torch.isfinite(feature).all()
    assert all(torch.equal(value, state[key]) for key, value in encoder.network.state_dict().items())


def test_own_weights_round_trip_and_misfits(tmp_path: Path) -> None:
    trained, fresh = VisualEncoder(name="resnet10t"), VisualEncoder(name="resnet10t")
    state = {key: value.contiguous() for key, value in trained.network.state_dict().items()}
    save_file(state, tmp_path / "own.safetensors")
    load_pretrained(fresh, weights=tmp_path / "own.safetensors")
    assert all(torch.equal(value, state[key]) for key, value in fresh.network.state_dict().items())
    assert not fresh.training

    del state["conv1.0.weight"]
    save_file(state, tmp_path / "short.safetensors")
    with pytest.raises(UsageError, match=r"conv1\.0\.weight"):
        load_pretrained(fresh, weights=tmp_path / "short.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"\x80\x04not safetensors")
    for name in ("junk.safetensors", "absent.safetensors"):
        with pytest.raises(UsageError, match="a safetensors file"):
            load_pretrained(fresh, weights=tmp_path / name)


def test_a_tampered_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = PACKAGED["efficientnet_lite0"]._replace(sha256="0" * 64)
    monkeypatch.setitem(PACKAGED, "efficientnet_lite0", changed)
    with pytest.raises(DependencyError, match="SHA-256"):
        load_pretrained(VisualEncoder())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = PACKAGED["efficientnet_lite0"]._replace(distribution="no-such-distribution")
    monkeypatch.setitem(PACKAGED, "efficientnet_lite0", changed)
    with pytest.raises(DependencyError, match="no-such-distribution"):
        load_pretrained(VisualEncoder())
