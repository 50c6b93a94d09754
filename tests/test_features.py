"""Banks of frozen features: the same views, the same features, kept on disk and never stale."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cape.data.drawn import Drawn
from cape.data.episodes import Episodes
from cape.features import encode_crops, encoder_digest, make_bank
from cape.models import VisualEncoder

SIZE = 64


def encoder(seed: int = 0, **options) -> VisualEncoder:
    torch.manual_seed(seed)
    return VisualEncoder(name="resnet10t", strides=(16,), frozen=True, options={"zero_init_last": False}, **options)


def episodes(**options) -> Episodes:
    source = Drawn(seed=1, instances=3, categories=("chair", "arrow"), size=96)
    return Episodes(source=source, size=SIZE, augmentation={"flip": 0.5}, **options)


@pytest.fixture(scope="module")
def net() -> VisualEncoder:
    net = encoder()
    net.size = SIZE
    return net


def test_first_variant_is_the_official_crop(net: VisualEncoder) -> None:
    plain = episodes()
    bank = make_bank(plain, net, variants=3)
    crops = encode_crops(plain.source, range(len(plain.source.instances)), net)
    assert bank.image.shape[:2] == (6, 3) and bank.image.dtype == torch.float16
    torch.testing.assert_close(bank.image[:, 0].float(), crops, atol=2e-2, rtol=2e-3)
    assert (bank.image[:, 1].float() - crops).abs().mean() > 10 * (bank.image[:, 0].float() - crops).abs().mean()


def test_labels_move_with_the_variant(net: VisualEncoder) -> None:
    """Each variant's features are those of the view that its labels belong to."""
    plain = episodes()
    bank = make_bank(plain, net, variants=2, seed=5)
    number = plain.source.instances[4].id
    view = plain.view(4, np.random.default_rng((5, number, 1)))
    assert torch.equal(bank.points[4, 1], view.points) and torch.equal(bank.to_pixels[4, 1], view.to_pixels)
    with torch.inference_mode():
        torch.testing.assert_close(bank.image[4, 1].float(), net(view.image[None])[0], atol=2e-2, rtol=2e-3)


def test_episodes_out_of_a_bank(net: VisualEncoder) -> None:
    plain = episodes()
    banked = episodes(bank=make_bank(plain, net, variants=3))
    seen = set()
    for epoch in range(12):
        banked.set_epoch(epoch)
        episode = banked[1]
        assert episode.query.image.shape == (net.channels, 4, 4) and episode.query.image.dtype == torch.float32
        index = (banked.bank.to_pixels == episode.query.to_pixels).all(-1).all(-1).nonzero()
        assert any(torch.equal(episode.query.points, banked.bank.points[i, v]) for i, v in index)
        seen |= {int(v) for _, v in index}
    assert seen == {0, 1, 2}, "training draws every variant"


def test_kept_files_are_read_and_never_stale(
    net: VisualEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_bank(episodes(), net, variants=2, folder=tmp_path)
    files = sorted(tmp_path.rglob("*.safetensors"))
    assert len(files) == 6 and not list(tmp_path.rglob(".cape-*"))
    with monkeypatch.context() as patch:
        patch.setattr(VisualEncoder, "forward", None)  # to call it would be a TypeError
        again = make_bank(episodes(), net, variants=2, folder=tmp_path)
    assert torch.equal(first.image, again.image)
    files[0].write_bytes(files[0].read_bytes()[:100])
    assert torch.equal(make_bank(episodes(), net, variants=2, folder=tmp_path).image, first.image)
    assert len(files[0].read_bytes()) > 100, "a damaged file is made again"
    other = encoder(seed=1)
    other.size = SIZE
    assert not torch.equal(make_bank(episodes(), other, variants=2, folder=tmp_path).image, first.image)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 12


def test_the_digest_knows_weights_and_settings() -> None:
    digests = {encoder_digest(net) for net in (encoder(), encoder(seed=1), encoder(unit_length=True))}
    assert len(digests) == 3 and encoder_digest(encoder()) in digests


def test_torch_s_generator_is_left_alone(net: VisualEncoder) -> None:
    before = torch.get_rng_state()
    make_bank(episodes(), net, variants=2)
    assert torch.equal(before, torch.get_rng_state())
