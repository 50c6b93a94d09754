"""`cape.inference` under damaged prompts: only the prompt is damaged, whatever is evaluated beside it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from cape.data.corruption import CLEAN, KINDS, SUPPORT_KINDS, TEXT_KINDS, Corruption
from cape.data.drawn import Drawn
from cape.data.episodes import Episodes, Pairs, collate_episodes, pose_table
from cape.errors import UsageError
from cape.features import encode_pairs, make_bank
from cape.inference import Encoded, predict_all, predict_episodes, predict_pairs, score_predictions
from cape.models.baselines import Copy, Nearest
from cape.models.fewshot import FewShotPose
from cape.registry import MODELS


def model(**changes: object) -> FewShotPose:
    torch.manual_seed(0)
    options = {
        "width": 32,
        "visual": {"type": "VisualEncoder", "name": "resnet10t", "strides": (16,),
                   "options": {"zero_init_last": False}},
        "support": {"type": "SupportEncoder"},
        "text": {"type": "TextEncoder", "name": "random", "width": 32},
        "matching": {"type": "Matching", "layers": 1, "heads": 4, "hidden": 32, "gate": 16},
        "decoder": {"type": "KeypointDecoder", "layers": 1, "heads": 4,
                    "graph": {"type": "GraphFeedForward", "hidden": 32}},
    }  # fmt: skip
    page = MODELS.build({"type": "FewShotPose", **options, **changes}).eval()
    page.visual.size = 64
    return page


@pytest.fixture(scope="module")
def fused() -> FewShotPose:
    return model()


@pytest.fixture(scope="module")
def episodes() -> Episodes:
    source = Drawn(seed=3, instances=17, categories=("quadruped", "arrow"), size=64)
    return Episodes(source=source, pairs={"shots": 2, "episodes": 3}, size=64)


@pytest.fixture(scope="module")
def predict(fused: FewShotPose, episodes: Episodes) -> Callable[..., np.ndarray]:
    assert episodes.pairs is not None
    query = encode_pairs(episodes.source, episodes.pairs, fused.visual)
    clean = Encoded(np.arange(len(query)), query, query)

    def points(corruption: Corruption = CLEAN, encoded: Encoded | None = clean) -> np.ndarray:
        encoded = None if corruption.occludes and encoded is clean else encoded
        # Proposals: an untrained decoder refines nothing.
        return predict_all(fused, episodes, corruption=corruption, encoded=encoded)[1]

    return points


@pytest.mark.parametrize("kind", KINDS)
def test_rate_0_is_the_clean_evaluation_and_rate_1_is_not(predict: Callable[..., np.ndarray], kind: str) -> None:
    clean = predict()
    np.testing.assert_array_equal(predict(corruption=Corruption(kind=kind, rate=0.0)), clean)
    damaged = predict(corruption=Corruption(kind=kind, rate=1.0))
    assert np.isfinite(damaged).all() and np.abs(damaged - clean).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_the_labels_are_the_clean_ones_and_the_company_does_not_matter(
    fused: FewShotPose, episodes: Episodes, kind: str
) -> None:
    damage = Corruption(kind=kind, rate=0.5)
    whole = {pose.pair: (labels, place, pose)
             for labels, poses in predict_episodes(fused, episodes, corruption=damage)
             for place, pose in enumerate(poses)}  # fmt: skip
    rows = np.arange(2, len(episodes), 7)
    for labels, poses in predict_episodes(fused, episodes, rows=rows, batch_size=4, corruption=damage):
        for place, pose in enumerate(poses):
            expected = episodes.labels(pose.pair)
            width = labels.mask.shape[1]
            assert torch.equal(labels.mask[place], expected.mask[:width])
            assert torch.equal(labels.support.points[place], expected.support.points[:, :width])
            other = whole[pose.pair][2]
            width = min(len(pose.mask), len(other.mask))
            torch.testing.assert_close(pose.proposals[:width], other.proposals[:width], atol=1e-4, rtol=0)


@pytest.mark.parametrize("removed", ["support", "text"])
def test_every_keypoint_keeps_its_own_name_and_click(episodes: Episodes, removed: str) -> None:
    """What is cached is what the model says to the episodes themselves."""
    # Random sentence encoders tell names hardly apart.
    page = model(**({"text": {"type": "TextEncoder"}} | {removed: None}))
    for labels, found in predict_episodes(page, episodes, rows=np.arange(0, len(episodes), 5), batch_size=3):
        alone = page(*collate_episodes([episodes[pose.pair] for pose in found]), mode="predict")
        for one, other in zip(found, alone, strict=True):
            width = labels.mask.shape[1]
            assert torch.equal(one.mask, other.mask[:width])
            torch.testing.assert_close(one.proposals[one.mask], other.proposals[:width][one.mask], atol=1e-3, rtol=0)


@pytest.mark.parametrize("damage", [CLEAN, Corruption(kind="occluded", rate=1.0)], ids=["clean", "occluded"])
def test_turned_supports_are_encoded_once_each(episodes: Episodes, damage: Corruption) -> None:
    """However many prompts share them, and in their turns alone; the answer is that of each episode by itself."""
    pairs = Pairs(np.array([[0, 1, 5], [0, 1, 6], [0, 2, 5], [2, 1, 7]]), {})
    shared = Episodes(source=episodes.source, pairs=pairs, size=64)
    page, seen = model(prior={"type": "TurnedFit", "rotations": 2}), []
    hook = page.visual.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    found = [pose for _, poses in predict_episodes(page, shared, corruption=damage) for pose in poses]
    assert sum(seen) == 4 * 3 + 3
    hook.remove()
    if damage is CLEAN:
        alone = page(*collate_episodes([*shared]), mode="predict")
        for one, other in zip(alone, found, strict=True):
            assert one.pair == other.pair
            torch.testing.assert_close(
                one.proposals[: len(other.mask)], other.proposals[: len(one.mask)], atol=1e-3, rtol=0
            )


def test_without_clicks_the_names_alone_are_asked(episodes: Episodes) -> None:
    """And without either, nothing is: the answer is finite all the same."""
    for damages in (["unclicked"], ["unclicked", "drop"]):
        page = model(text=None) if len(damages) > 1 else model()
        for labels, poses in predict_episodes(page, episodes, corruption=Corruption(kind="unclicked", rate=1.0)):
            for place, pose in enumerate(poses):
                assert torch.equal(pose.mask, labels.mask[place] & (len(damages) == 1))
                assert pose.points.isfinite().all()


def test_kinds_that_do_not_concern_a_model_leave_it(episodes: Episodes) -> None:
    assert episodes.pairs is not None
    for page, kinds in ((model(text=None), TEXT_KINDS), (model(support=None), SUPPORT_KINDS)):
        query = encode_pairs(episodes.source, episodes.pairs, page.visual)
        encoded = Encoded(np.arange(len(query)), query, torch.zeros_like(query) if kinds is SUPPORT_KINDS else query)
        clean = predict_all(page, episodes)[1]
        for kind in kinds:
            found = predict_all(page, episodes, corruption=Corruption(kind=kind, rate=1.0), encoded=encoded)[1]
            np.testing.assert_allclose(found, clean, atol=1e-3)


def test_features_made_before_give_the_same(
    fused: FewShotPose, episodes: Episodes, predict: Callable[..., np.ndarray]
) -> None:
    damage = Corruption(kind="occluded", rate=1.0)
    assert episodes.pairs is not None
    query, support = (
        encode_pairs(episodes.source, episodes.pairs, fused.visual, corruption=each) for each in (CLEAN, damage)
    )
    supports = np.unique(episodes.pairs.table[:, :-1])
    assert support[supports].abs().sum() > 0 and not torch.equal(support[supports], query[supports])
    encoded = Encoded(np.arange(len(query)), query, support)
    np.testing.assert_allclose(predict(corruption=damage, encoded=encoded), predict(corruption=damage), atol=1e-3)


def test_a_bank_shows_no_patches(fused: FewShotPose, episodes: Episodes, refused: Callable) -> None:
    bank = make_bank(episodes, fused.visual)
    banked = Episodes(source=episodes.source, pairs=episodes.pairs, size=64, bank=bank)
    predict_all(fused, banked, corruption=Corruption(kind="jitter", rate=1.0))
    with refused(UsageError, "occluded", "bank"):
        predict_all(fused, banked, corruption=Corruption(kind="occluded", rate=1.0))


def test_baselines_are_asked_with_damaged_clicks_and_pictures(fused: FewShotPose, episodes: Episodes) -> None:
    assert episodes.pairs is not None
    source, table, pairs = episodes.source, pose_table(episodes.source.instances), episodes.pairs.table
    wrong = Corruption(kind="wrong_clicks", rate=1.0).clicks(source.instances, table)
    one, other = (
        score_predictions(predict_pairs(Copy(), each, pairs), table, pairs)["NME"].mean() for each in (table, wrong)
    )
    assert other > 1.1 * one
    damage = Corruption(kind="occluded", rate=1.0)
    features, shown = (encode_pairs(source, episodes.pairs, fused.visual, corruption=each) for each in (CLEAN, damage))
    seen, hidden, alike = (
        predict_pairs(Nearest(), table, pairs, features=features, shown=each) for each in (None, shown, features)
    )
    assert np.abs(seen - hidden).max() > 1
    np.testing.assert_array_equal(seen, alike)
