"""Confidence heads: budgets of the paper's table, contracts of shared heads, and what they say untrained."""

import pytest
import torch
from torch import nn

from cape.errors import UsageError
from cape.models.heads.confidence import GapHead, SampledHead, SpatialHead, TokenHead
from cape.structures import Confidence, Evidence

KINDS = {
    "gap": lambda **options: GapHead(**{"keypoints": 5, "channels": 12, **options}),
    "spatial": lambda **options: SpatialHead(**{"keypoints": 5, "channels": 12, **options}),
    "token": lambda **options: TokenHead(**{"width": 8, "cues": 3, **options}),
    "token_deep": lambda **options: TokenHead(**{"width": 8, "cues": 3, "hidden": 16, "context": True, **options}),
    "token_cues": lambda **options: TokenHead(**{"width": 0, "cues": 3, **options}),
    "sampled": lambda **options: SampledHead(**{"channels": 12, "cues": 3, **options}),
    "sampled_fixed": lambda **options: SampledHead(**{"channels": 12, "cues": 3, "keypoints": 5, "context": True}),
}
SHARED = ("token", "token_deep", "token_cues", "sampled")


def evidence(count: int = 4, keypoints: int = 5, seed: int = 0) -> Evidence:
    make = torch.Generator().manual_seed(seed)
    return Evidence(
        torch.randn(count, keypoints, 8, generator=make),
        torch.randn(count, 12, 6, 4, generator=make),
        torch.rand(count, keypoints, 2, generator=make),
        torch.randn(count, keypoints, 3, generator=make),
        torch.ones(count, keypoints, dtype=torch.bool),
    )


def rows(seen: Evidence, order: torch.Tensor) -> Evidence:
    """Its keypoints in another order, or some of them."""
    return Evidence(*(each if name == "feature" else each[:, order] for name, each in seen._asdict().items()))


def stirred(head: nn.Module) -> nn.Module:
    """Weights that are not near zero."""
    torch.manual_seed(3)
    for each in head.parameters():
        nn.init.normal_(each, std=0.5)
    return head


def numbers(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def test_the_linear_head_has_the_parameters_of_the_paper() -> None:
    """Table 2: "+0.0 M" on top of RLE's 23.6 M."""
    assert numbers(GapHead(keypoints=17, channels=2048)) == 69_666


@pytest.mark.parametrize("channels", [32, 48, 256])
@pytest.mark.parametrize("cells", [(64, 48), (96, 72), (64, 64)])
def test_the_trunk_is_within_the_budget_whatever_the_network(channels: int, cells: tuple[int, int]) -> None:
    """Specification §3.3: at most 0.085 M without the 1 x 1, and 0.065 G multiplications; measured, not assumed."""
    head = SpatialHead(keypoints=17, channels=channels)
    assert numbers(head) - numbers(head.narrow) <= 85_000
    products = []

    def count(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        each = layer.weight[0].numel()
        products.append(out.numel() * each)

    for layer in head.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer is not head.narrow:
            layer.register_forward_hook(count)
    nothing = torch.zeros(1, 17, 0)
    head(Evidence(nothing, torch.randn(1, channels, *cells), torch.zeros(1, 17, 2), nothing, torch.ones(1, 17) > 0))
    assert 0.05e9 < sum(products) <= 0.065e9


@pytest.mark.parametrize("kind", KINDS)
def test_two_logits_for_each_keypoint_and_every_parameter_learns(kind: str) -> None:
    head = stirred(KINDS[kind]()).train()
    told = head(evidence())
    assert isinstance(told, Confidence) and all(each.shape == (4, 5) for each in told)
    (told.accuracy.square().sum() + told.presence.square().sum()).backward()
    assert all(each.grad is not None and each.grad.any() for each in head.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_untrained_it_says_what_is_usual(kind: str) -> None:
    """About 0.8 of every keypoint: weights are small, the bias is the logit (specification §3.3)."""
    told = KINDS[kind]().eval()(evidence())
    for each in told:
        torch.testing.assert_close(each.sigmoid(), torch.full((4, 5), 0.8), atol=0.03, rtol=0)


@pytest.mark.parametrize("kind", SHARED)
@pytest.mark.parametrize("training", [False, True])
def test_permuting_keypoints_permutes_what_is_said(kind: str, training: bool) -> None:
    head = stirred(KINDS[kind]()).train(training)
    order = torch.tensor([3, 0, 4, 1, 2])
    seen = evidence()
    for once, again in zip(head(seen), head(rows(seen, order)), strict=True):
        torch.testing.assert_close(again, once[:, order])


@pytest.mark.parametrize("kind", SHARED)
@pytest.mark.parametrize("training", [False, True])
def test_padding_does_not_leak(kind: str, training: bool) -> None:
    """Keypoints that nobody asked for, whatever they hold, change nothing: neither words nor statistics."""
    seen = evidence()
    mask = seen.mask.clone()
    mask[:, 3:] = False
    told, kept = [], []
    for filling in (0.0, 1e3):
        cues, tokens = seen.cues.clone(), seen.tokens.clone()
        cues[:, 3:], tokens[:, 3:] = filling, filling
        head = stirred(KINDS[kind]()).train(training)
        told.append(head(seen._replace(cues=cues, tokens=tokens, mask=mask)))
        kept.append([each.clone() for each in head.buffers()])
    for one, other in zip(*told, strict=True):
        torch.testing.assert_close(one[:, :3], other[:, :3])
    for one, other in zip(*kept, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", SHARED)
def test_any_number_of_keypoints_and_empty_masks(kind: str) -> None:
    head = stirred(KINDS[kind]())
    for training in (False, True):
        head.train(training)
        for count in (1, 2, 40):
            seen = evidence(keypoints=count)
            assert all(each.shape == (4, count) and each.isfinite().all() for each in head(seen))
            empty = head(seen._replace(mask=torch.zeros(4, count, dtype=torch.bool)))
            assert all(each.isfinite().all() for each in empty)
        alone = evidence(count=1, keypoints=1)
        assert all(each.isfinite().all() for each in head(alone))


def test_a_batch_of_one_keypoint_leaves_the_statistics() -> None:
    head = TokenHead(width=8, cues=3).train()
    before = head.judge.scale.running_mean.clone()
    head(evidence(count=1, keypoints=1))
    assert torch.equal(head.judge.scale.running_mean, before)


def test_shared_heads_do_not_know_which_keypoint_it_is() -> None:
    """Nothing in them is of the size of K; a fixed skeleton's have one bias for each."""
    assert TokenHead(width=8).bias is None
    fixed = TokenHead(width=8, keypoints=5)
    assert fixed.bias.shape == (5, 2)
    with torch.no_grad():
        fixed.bias[2, 0] = 3.0
    seen = evidence()
    seen = seen._replace(tokens=seen.tokens[:, :1].expand(-1, 5, -1))
    told = fixed.eval()(seen).accuracy
    torch.testing.assert_close(told[:, 2] - told[:, 1], torch.full((4,), 3.0))


def test_the_mean_of_cues_is_that_of_the_pose() -> None:
    head = stirred(TokenHead(width=8, cues=3, context=True)).eval()
    seen = evidence()
    other = seen.cues.clone()
    other[:, 4] += 1.0
    assert not torch.allclose(head(seen).accuracy[:, 0], head(seen._replace(cues=other)).accuracy[:, 0])
    plain = stirred(TokenHead(width=8, cues=3)).eval()
    torch.testing.assert_close(plain(seen).accuracy[:, 0], plain(seen._replace(cues=other)).accuracy[:, 0])


def test_the_map_is_read_at_the_keypoint() -> None:
    """A change of one cell reaches the keypoint that lies in it at most by the mean, and itself fully."""
    head = stirred(SampledHead(channels=1, cues=0)).eval()
    head.norm = nn.Identity()
    feature = torch.zeros(1, 1, 6, 4)
    feature[0, 0, 2, 1] = 24.0
    points = torch.tensor([[[1.5 / 4, 2.5 / 6], [3.5 / 4, 5.5 / 6], [1.5 / 4, 3.0 / 6]]])
    vectors = []
    head.judge.register_forward_pre_hook(lambda _, given: vectors.append(given[0]))
    nothing = torch.zeros(1, 3, 0)
    head(Evidence(nothing, feature, points, nothing, torch.ones(1, 3, dtype=torch.bool)))
    expected = torch.tensor([[[24.0, 1.0], [0.0, 1.0], [12.0, 1.0]]])
    torch.testing.assert_close(vectors[0], expected)


def test_points_outside_the_crop_are_read_at_its_border() -> None:
    head = SampledHead(channels=12, cues=3).eval()
    seen = evidence()
    far = head(seen._replace(points=seen.points * 0 + 40.0)).accuracy
    corner = head(seen._replace(points=seen.points * 0 + 1.0)).accuracy
    torch.testing.assert_close(far, corner)


@pytest.mark.parametrize("kind", KINDS)
def test_of_what_it_is_enough_to_keep_it_says_the_same(kind: str) -> None:
    head = stirred(KINDS[kind]()).eval()
    seen = evidence()._replace(feature=torch.randn(4, 12, 64, 48))
    kept = seen._replace(feature=head.condensed(seen.feature))
    for once, again in zip(head(seen), head(kept), strict=True):
        torch.testing.assert_close(again, once)
    assert kept.feature.numel() <= {"spatial": 4 * 12 * 32 * 24, "gap": 48}.get(kind, 4 * 12 * 64 * 48)


def test_a_small_convolution_may_come_before_the_means_or_after() -> None:
    """What the specification states, 1 x 1 and then the pooling, is what is computed, cheaper."""
    head = stirred(SpatialHead(keypoints=5, channels=12, cells=(4, 3)))
    feature = torch.randn(2, 12, 10, 7)
    other = nn.functional.adaptive_avg_pool2d(head.narrow(feature), (4, 3))
    torch.testing.assert_close(head.narrow(head.condensed(feature)), other, atol=1e-4, rtol=1e-4)


def test_a_head_for_another_kind_of_network_is_refused(refused) -> None:
    for make, words in (
        (lambda: GapHead(keypoints=None, channels=8), "fixed skeleton"),
        (lambda: SpatialHead(keypoints=None, channels=8), "fixed skeleton"),
        (lambda: GapHead(keypoints=5, channels=0), "feature maps"),
        (lambda: SpatialHead(keypoints=5, channels=0), "feature maps"),
        (lambda: SampledHead(channels=0), "feature maps"),
        (lambda: TokenHead(width=0, cues=0), "tokens or cues"),
    ):
        with refused(UsageError, words):
            make()
