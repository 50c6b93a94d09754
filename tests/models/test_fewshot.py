"""The few-shot page: modes, missing modalities, gradients, parameter counts of the paper."""

import networks
import pytest
import torch

from cape.errors import PromptError, UsageError
from cape.models import CMAA, FewShotPose, KeypointDecoder, Matching, VisualEncoder
from cape.structures import Episode


@pytest.fixture(scope="module")
def batch() -> Episode:
    return networks.two_episodes()


def build(**changes) -> FewShotPose:
    torch.manual_seed(0)
    return FewShotPose(**{**networks.SMALL, **changes})


def speaking(model: FewShotPose) -> FewShotPose:
    """Refinement starts as the identity; make every layer say something of its own."""
    for *_, last in model.decoder.offsets:
        torch.nn.init.normal_(last.weight, std=0.1)
    return model


def test_modes(batch: Episode) -> None:
    model = speaking(build()).eval()
    points = model(*batch)
    assert points.shape == (2, *batch.mask.shape, 2)
    poses = model(*batch, mode="predict")
    assert [pose.pair for pose in poses] == batch.pair.tolist()
    torch.testing.assert_close(poses[1].points, points[-1, 1])
    assert (points[0] - points[-1]).abs().max() > 1e-3, "layers that agree could not tell which one was returned"
    losses = model(*batch, mode="loss")
    assert set(losses) == {"loss_heatmap", "loss_proposal", "loss_offset_0", "loss_offset_1"}
    assert all(value.isfinite() and value > 0 for value in losses.values())


def test_a_training_step_of_mmengine(batch: Episode) -> None:
    from mmengine.optim import OptimWrapper

    model = build()
    before = {name: value.clone() for name, value in model.named_parameters()}
    logged = model.train_step(batch, OptimWrapper(torch.optim.Adam(model.parameters(), lr=1e-3)))
    assert "loss" in logged
    assert any(not torch.equal(value, before[name]) for name, value in model.named_parameters())


@pytest.mark.parametrize("missing", [None, "support", "text"])
def test_every_trainable_parameter_gets_a_gradient(batch: Episode, missing: str | None) -> None:
    model = build(**({} if missing is None else {missing: None})).train()
    speaking(model)  # behind zeros nothing would learn in the first step
    sum(model(*batch, mode="loss").values()).backward()
    silent = [name for name, each in model.named_parameters() if each.grad is None or each.grad.abs().sum() == 0]
    assert silent == []


def test_without_text_the_names_do_not_matter(batch: Episode) -> None:
    model = build(text=None).eval()
    other = batch._replace(names=[("x",) * 2 for _ in batch.names])
    assert torch.equal(model(*batch), model(*other))


def test_without_support_the_support_picture_does_not_matter(batch: Episode) -> None:
    model = build(support=None).eval()
    other = batch._replace(support=batch.support._replace(image=torch.randn_like(batch.support.image)))
    assert torch.equal(model(*batch), model(*other))


def test_a_prompt_keeps_what_pictures_show_at_unit_length(batch: Episode) -> None:
    """Readers and priors take dot products for cosine similarities."""
    tokens = build().eval().prompt(batch.support, batch.names, batch.mask)
    assert tokens.shown.any() and not tokens.shown.all()
    torch.testing.assert_close(tokens.appearance.norm(dim=-1), tokens.shown.float())


def test_gamma_zero_is_the_visual_model_bit_for_bit(batch: Episode) -> None:
    fused = build(alignment={"gamma": 0.0, "norm": "none"}).eval()
    visual = build(text=None).eval()
    visual.load_state_dict({k: v for k, v in fused.state_dict().items() if k in visual.state_dict()})
    assert torch.equal(fused(*batch), visual(*batch))


@pytest.mark.parametrize("missing", [None, "support", "text"])
def test_a_keypoint_that_is_not_asked_for_has_no_influence(batch: Episode, missing: str | None) -> None:
    """Its text, its place in the support and its place in the query may be anything: points and losses stay."""
    model = speaking(build(**({} if missing is None else {missing: None}))).eval()
    asked = batch.mask.clone()
    asked[:, 2] = False
    points = batch.support.points.clone()
    points[:, :, 2] = 0.9 - points[:, :, 2]
    goal = batch.query.points.clone()
    goal[:, 2] = 0.9 - goal[:, 2]
    names = [("something else",) * 2 if row == 2 else name for row, name in enumerate(batch.names)]
    visible = batch.query.visible.clone()
    visible[:, 2] = True
    before = batch._replace(mask=asked, query=batch.query._replace(visible=visible))
    after = before._replace(
        names=names, support=batch.support._replace(points=points), query=before.query._replace(points=goal)
    )
    others = [row for row in range(asked.shape[1]) if row != 2]
    torch.testing.assert_close(model(*after)[:, :, others], model(*before)[:, :, others], atol=1e-6, rtol=0)
    old, new = model(*before, mode="loss"), model(*after, mode="loss")
    assert all(torch.equal(old[name], new[name]) for name in old)
    assert not any(pose.mask[2] for pose in model(*before, mode="predict"))


def test_a_batch_without_a_common_keypoint_is_finite(batch: Episode) -> None:
    model = build()
    losses = model(*batch._replace(mask=torch.zeros_like(batch.mask)), mode="loss")
    assert all(value.isfinite() for value in losses.values())


def test_names_and_points_must_agree(batch: Episode, refused) -> None:
    model = build()
    for names in ([*batch.names, ("tail", "tail")], batch.names[:-1]):
        with refused(PromptError, str(batch.mask.shape[1]), str(len(names))):
            model.prompt(batch.support, names, batch.mask)


@pytest.mark.parametrize("off", [0.04, 0.06])
def test_bounded_refinement_learns_from_what_it_can_reach(batch: Episode, off: float) -> None:
    model = build(decoder={**networks.SMALL["decoder"], "reach": 0.05}).eval()
    tokens = model.prompt(batch.support, batch.names, batch.mask)
    found = model.locate(model.visual(batch.query.image), tokens, batch.adjacency)
    query = batch.query._replace(points=found.match.proposals + torch.tensor([off, 0.0]))
    losses = model.losses(found, query, batch.category)
    assert (losses["loss_offset_0"] > 0) == (off < 0.05)
    assert losses["loss_proposal"] > 0


def test_neither_modality_is_refused() -> None:
    with pytest.raises(UsageError, match="neither"):
        build(support=None, text=None)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_those_of_the_paper_s_ledger() -> None:
    """Specification §3.12, exact; GraphCape-S counts Swin-V2's unused class head, as the paper's tables do."""
    with torch.device("meta"):
        swin = VisualEncoder(name="swinv2_small_window16_256", strides=(32,), norm=True, enlarge=2)
        matching, decoder = Matching(), KeypointDecoder()
        projection = torch.nn.Linear(768, 256)
    assert count(swin) == 48_959_418
    assert sum(count(part) for part in [*matching.layers]) == 1_975_296
    assert count(matching) - 1_975_296 == 197_504
    assert count(decoder) == 5_853_696 + 593_670
    assert count(projection) == 196_864
    class_head, gte = 769_000, 136_776_192
    graphcape = count(swin) + class_head + count(matching) + count(decoder) + 2 * count(projection)
    assert graphcape == 58_742_312
    assert graphcape + gte == 195_518_504
    fused = graphcape + gte + count(projection)
    assert fused + count(CMAA(matrices="none", pairing="none", norm="plain")) == 195_715_369
    assert fused + count(CMAA(pairing="none")) == 195_912_489
    assert fused + count(CMAA()) == 195_912_490
    with torch.device("meta"):
        second = count(Matching()) + count(KeypointDecoder(own_offsets=False))
    assert fused + second == 203_741_864


def test_gte_has_the_parameters_of_the_ledger() -> None:
    from transformers import GteConfig, GteModel

    with torch.device("meta"):
        assert count(GteModel(GteConfig(vocab_size=30_528, type_vocab_size=0))) == 136_776_192
