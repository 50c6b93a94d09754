"""The whole-body page: interventions, both paths, the flip test by hand, places in the picture, and RTMPose's head."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import InstanceData
from torch import nn

from cape import compat
from cape.codecs import simcc_points
from cape.errors import CapeError, DataError, UsageError
from cape.models.wholebody import WholeBodyPose
from cape.released import convert
from cape.structures import SimCC

BACKBONE = {"type": "mmpose.CSPNeXt", "widen_factor": 0.0625, "deepen_factor": 0.01, "out_indices": (4,)}
SIZE = (64, 96)


def page(*, train: int = 2, test: int = 1, score: str = "supervised", **options) -> WholeBodyPose:
    torch.manual_seed(1)
    parts = {
        "skeleton": "coco",
        "size": SIZE,
        "backbone": BACKBONE,
        "embedding": {"channels": 64, "width": 16, "query": 8},
        "intervention": {"train": train, "test": test, "score": score},
        "graph": {},
    }
    model = WholeBodyPose(**{**parts, **options})
    for parameter in model.parameters():  # at the official start all keypoints look alike
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return model


def images(count: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(seed))


def samples(count: int = 3) -> list[SimpleNamespace]:
    """What the page reads of mmpose's samples: the crop covers 128 x 192 pixels around (100, 200)."""
    target = SimCC(*(torch.rand(count, 1, 17, 2 * side) for side in SIZE))
    return [
        SimpleNamespace(
            metainfo={"input_center": np.array([100.0, 200.0]), "input_scale": np.array([128.0, 192.0])},
            gt_instances=InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1)),
            gt_instance_labels=InstanceData(
                keypoint_x_labels=x,
                keypoint_y_labels=y,
                keypoint_weights=(torch.arange(17)[None] % 4 > 0).float(),
            ),
        )
        for x, y in zip(*target, strict=True)
    ]


def test_none_replaced_is_the_observed_path() -> None:
    model = page(test=0).eval()
    tokens = model.embed(images())
    intervened, chosen = model.intervene(tokens)
    assert torch.equal(intervened, tokens) and not chosen.any()
    target = SimCC(torch.rand(3, 17, 128), torch.rand(3, 17, 192))
    assert model.losses(tokens, target, torch.ones(3, 17))["loss_counterfactual"] == 0


def test_all_replaced_knows_no_picture() -> None:
    model = page(test=17).eval()
    for first, second in zip(model(images(seed=1)), model(images(seed=2)), strict=True):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("score", ["random", "supervised", "norm", "head"])
def test_every_score_replaces_exactly_n(score: str) -> None:
    model = page(score=score).eval()
    intervened, chosen = model.intervene(model.embed(images()))
    assert (chosen.sum(dim=1) == 1).all()
    assert torch.equal(intervened[chosen], model.intervention.canonical.weight.expand(3, -1, -1)[chosen])
    assert (model.initial is not None) == (score in ("random", "supervised"))


def test_what_learns_the_score_does_not_see_the_length_of_embeddings() -> None:
    for score, blind in (("supervised", True), ("random", False), ("norm", False)):
        model = page(score=score).eval()
        tokens = torch.randn(3, 17, 16)
        same = torch.allclose(model.confounders(5 * tokens), model.confounders(tokens), atol=1e-5)
        found = model.confounders(tokens)
        assert torch.equal(model.requires_grad_(False).confounders(tokens), found), "frozen, it says the same"
        assert same == blind, score


@pytest.mark.parametrize("score", ["random", "supervised", "norm", "head"])
def test_what_learns(score: str) -> None:
    """Everything that is trainable, in one step; random initial predictors are not."""
    model = page(score=score).train()
    losses = model(images(), samples(), mode="loss")
    sum(losses.values()).backward()
    dead = [name for name, each in model.named_parameters() if each.requires_grad and each.grad is None]
    dead += [name for name, each in model.named_parameters() if each.grad is not None and not each.grad.any()]
    assert not dead
    if score == "random":
        assert not any(each.requires_grad for each in model.initial.parameters())
    assert ("loss_initial" in losses) == (score == "supervised")


def test_supervising_the_score_does_not_change_the_embeddings() -> None:
    model = page().train()
    tokens = model.embed(images()).detach().requires_grad_()
    target = SimCC(torch.rand(3, 17, 128), torch.rand(3, 17, 192))
    model.losses(tokens, target, torch.ones(3, 17))["loss_initial"].backward()
    assert tokens.grad is None and model.initial.x.weight.grad.any()


def test_the_observed_path_teaches_without_learning() -> None:
    """Gradients stay as they are where its logits are constants (specification §10, check 4)."""
    gradients = []
    for constant in (False, True):
        model = page().train()
        tokens = model.embed(images())
        if constant:
            taught = SimCC(*(axis.clone() for axis in model.observe(tokens)))
            model.observe = lambda *_, taught=taught: taught
        target = SimCC(torch.ones(3, 17, 128), torch.ones(3, 17, 192))
        sum(model.losses(tokens, target, torch.ones(3, 17)).values()).backward()
        gradients.append({name: each.grad for name, each in model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])


@pytest.mark.parametrize(("statistics", "steps"), [("train", 2), ("kept", 1)])
def test_statistics_of_the_observed_path(statistics: str, steps: int) -> None:
    model = page(observed_statistics=statistics).train()
    model(images(), samples(), mode="loss")
    assert model.graph.norm.num_batches_tracked == steps


@torch.no_grad()
def test_flip_test_by_hand() -> None:
    model = page().eval()
    pictures = images()
    upright, mirrored = model(pictures), model(pictures.flip(-1))
    swapped = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    logits = SimCC((upright.x + mirrored.x[:, swapped].flip(-1)) / 2, (upright.y + mirrored.y[:, swapped]) / 2)
    points, scores = simcc_points(logits)
    for row, sample in enumerate(model(pictures, samples(), mode="predict")):
        found = sample.pred_instances
        np.testing.assert_allclose(found.keypoints[0], points[row].numpy() * 2 + [100 - 64, 200 - 96], rtol=1e-5)
        np.testing.assert_allclose(found.keypoint_scores[0], scores[row].numpy())
        assert found.keypoints_replaced.sum() == 1, "with one intervention an instance the frequencies sum to one"
    model.flip_test = False
    (first, *_) = model(pictures, samples(), mode="predict")
    np.testing.assert_allclose(first.pred_instances.keypoint_scores[0], simcc_points(upright)[1][0].numpy())


def test_decoding_is_mmposes() -> None:
    compat.load_mmpose()
    from mmpose.codecs import SimCCLabel

    codec = SimCCLabel(input_size=SIZE, sigma=(4.9, 5.66), normalize=False)
    logits = SimCC(torch.randn(2, 17, 128) - 1, torch.randn(2, 17, 192) - 1)
    logits.x[0, 3] -= 9  # no positive score: no place
    points, scores = simcc_points(logits)
    theirs = codec.decode(logits.x.numpy(), logits.y.numpy())
    np.testing.assert_allclose(points.numpy(), theirs[0])
    np.testing.assert_allclose(scores.numpy(), theirs[1])
    assert (points[0, 3] == -0.5).all()


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1))
def test_what_is_encoded_is_decoded_within_a_quarter_of_a_pixel(seed: int) -> None:
    """Specification §10, check 7: two bins a pixel."""
    compat.load_mmpose()
    from mmpose.codecs import SimCCLabel

    codec = SimCCLabel(input_size=SIZE, sigma=(2.83, 3.46), normalize=False)
    truth = np.random.default_rng(seed).uniform(0, np.array(SIZE) - 1, (1, 17, 2))
    labels = codec.encode(truth.astype(np.float32), np.ones((1, 17), dtype=np.float32))
    found, scores = simcc_points(SimCC(*(torch.from_numpy(labels[f"keypoint_{axis}_labels"]) for axis in "xy")))
    assert np.abs(found.numpy() - truth).max() <= 0.25 + 1e-6
    assert (scores == 1).all()


def test_one_keypoint(tmp_path: Path) -> None:
    """A skeleton of one, without edges and groups, in a batch of one: no message, no statistics."""
    (tmp_path / "one.json").write_text('{"names": ["tip"], "edges": []}')
    model = page(skeleton=str(tmp_path / "one.json"), train=1)
    for training in (True, False):
        logits = model.train(training)(images(1))
        assert logits.x.shape == (1, 1, 128) and logits.x.isfinite().all()


def test_rtmpose_is_mmposes() -> None:
    """Without intervention and graph the page is RTMPose: mmpose's own head, and its weights through the converter."""
    compat.load_mmpose()
    from mmpose.models.heads import RTMCCHead

    options = {
        "hidden_dims": 16,
        "s": 8,
        "expansion_factor": 2,
        "act_fn": "SiLU",
        "use_rel_bias": False,
        "dropout_rate": 0.0,
        "drop_path": 0.0,
        "pos_enc": False,
    }
    decoder = {"type": "SimCCLabel", "input_size": SIZE, "sigma": (4.9, 5.66), "normalize": False}
    theirs = RTMCCHead(64, 17, SIZE, (2, 3), final_layer_kernel_size=7, gau_cfg=options, decoder=decoder).eval()
    ours = page(intervention=None, graph=None, head={"bias": False}).eval()
    state = {f"head.{key}": value for key, value in theirs.state_dict().items()}
    state |= {f"backbone.{key}": value for key, value in ours.backbone.state_dict().items()}
    ours.load_state_dict(convert("rtmpose", state).state)
    feature = ours.backbone(images())
    for mine, other in zip(ours(images()), theirs(feature), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"size": (60, 96)}, UsageError, "multiples of 32"),
        ({"skeleton": "coko"}, CapeError, "coco"),
        ({"train": 18}, UsageError, "at most 17"),
    ],
)
def test_what_does_not_fit(options: dict, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        page(**options)


def test_samples_without_labels() -> None:
    broken = samples()
    broken[1].gt_instance_labels = InstanceData()
    with pytest.raises(DataError, match="SimCC labels"):
        page().train()(images(), broken, mode="loss")


def test_no_visible_keypoint_and_a_batch_of_one() -> None:
    blind = samples(1)
    blind[0].gt_instance_labels.keypoint_weights = torch.zeros(1, 17)
    losses = page().train()(images(1), blind, mode="loss")
    assert losses["loss_keypoint"] == losses["loss_counterfactual"] == 0
    sum(losses.values()).backward()
