"""`cape.observations`: what a frozen network did, once, as official evaluation would score it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate

from cape.data.corruption import CLEAN, Corruption
from cape.data.drawn import Drawn
from cape.data.episodes import Episodes
from cape.data.people import PersonCrops
from cape.data.whole import WholePicture
from cape.errors import DataError
from cape.inference import predict_all, score_predictions
from cape.models.calibration import CalibratedPose
from cape.models.readers.fewshot import CUES
from cape.observations import Observations, identity_of, observe_episodes, observe_people
from cape.registry import MODELS
from cape.structures import Observation
from tests.networks import BODY, SMALL
from tests.people_files import write_people

HEAD = {"type": "TokenHead", "hidden": 8, "context": True}


@pytest.fixture(scope="module")
def page() -> CalibratedPose:
    torch.manual_seed(0)
    network = {"type": "FewShotPose", **SMALL}
    return MODELS.build({
        "type": "CalibratedPose", "network": network, "reader": {"type": "FewShotReader"}, "head": HEAD,
        "threshold": 0.4,
    }).eval()  # fmt: skip


@pytest.fixture(scope="module")
def episodes(page: CalibratedPose) -> Episodes:
    source = Drawn(instances=5, categories=("fish", "chair"), size=96)
    return Episodes(source=source, pairs={"episodes": 2, "queries": 3}, size=page.network.visual.size)


def test_they_are_the_pairs_that_the_reader_would_read(page: CalibratedPose, episodes: Episodes) -> None:
    """The fast way encodes each picture once; reading batch by batch has to tell the same."""
    fast = Observations(observe_episodes(page, episodes)).all
    slow = page.observe(page.read(*default_collate([episodes[row] for row in range(len(episodes))])))
    assert fast.row.tolist() == list(range(len(episodes)))
    for name in ("labelled", "known"):
        assert torch.equal(getattr(fast.outcome, name), getattr(slow.outcome, name)), name
    assert torch.equal(fast.outcome.accuracy, slow.outcome.accuracy)
    assert torch.allclose(fast.evidence.cues, slow.evidence.cues, atol=2e-4)
    assert 0 < fast.outcome.accuracy[fast.outcome.labelled].mean() < 1
    assert torch.equal(fast.group, slow.group) and set(fast.group.tolist()) == set(episodes.source.categories)


@pytest.mark.parametrize("whole", [False, True])
def test_accuracy_is_what_the_protocol_scores(page: CalibratedPose, episodes: Episodes, whole: bool) -> None:
    """Errors are measured by the box, also where the whole picture is looked at."""
    source = WholePicture(episodes.source) if whole else episodes.source
    shown = Episodes(source=source, pairs=episodes.pairs, size=episodes.size)
    seen = Observations(observe_episodes(page, shown)).all
    points, _ = predict_all(page.network, shown)
    table, pairs = shown.table, shown.pairs.table
    away = np.linalg.norm(points - table.points[pairs[:, -1]], axis=-1) / table.side[pairs[:, -1]][:, None]
    labelled = seen.outcome.labelled.numpy()
    width = labelled.shape[1]
    assert np.array_equal(seen.outcome.accuracy.numpy() > 0, (away[:, :width] < 0.4) & labelled)
    scored = score_predictions(points, table, pairs)["PCK@0.20"]
    assert np.isfinite(scored).all()


def test_of_damaged_prompts_there_are_more_rows(page: CalibratedPose, episodes: Episodes) -> None:
    damages = [CLEAN, Corruption(kind="unclicked", rate=1.0)]
    seen = Observations(observe_episodes(page, episodes, damages=damages)).all
    count = len(episodes)
    assert seen.row.tolist() == list(range(2 * count))
    clicked = seen.evidence.cues[..., CUES.index("clicked")]
    assert clicked[:count].max() == 1 and clicked[count:].max() == 0
    assert seen.outcome.labelled[count:].any(), "asked for by their names"
    assert torch.isfinite(seen.evidence.cues).all()


def test_maps_are_kept_for_heads_that_read_them(page: CalibratedPose, episodes: Episodes) -> None:
    assert Observations(observe_episodes(page, episodes)).all.evidence.feature.shape[1] == 0
    options = {"network": {"type": "FewShotPose", **SMALL}, "reader": {"type": "FewShotReader"}}
    sampled = MODELS.build({"type": "CalibratedPose", **options, "head": {"type": "SampledHead", "hidden": 8}}).eval()
    seen = Observations(observe_episodes(sampled, episodes))
    assert seen.all.evidence.feature.shape[1] == sampled.network.visual.channels
    batch = default_collate([seen[0], seen[1]])
    assert isinstance(batch, Observation) and sampled(*batch, mode="loss")["loss_confidence"].isfinite()


def test_without_a_label_there_is_nothing_to_learn(page: CalibratedPose, episodes: Episodes) -> None:
    (first, *_) = observe_episodes(page, episodes)
    blank = first._replace(outcome=first.outcome._replace(labelled=first.outcome.labelled & False))
    with pytest.raises(DataError, match="labelled keypoints"):
        Observations([blank])
    with pytest.raises(DataError, match="0 poses"):
        Observations([])


def test_people_are_observed_as_their_model_predicts_them(tmp_path: Path) -> None:
    write_people(tmp_path, whole=False)
    torch.manual_seed(0)
    page = MODELS.build({
        "type": "CalibratedPose", "network": {**BODY, "flip_test": True}, "reader": {"type": "WholeBodyReader"},
        "head": {"type": "TokenHead"}, "metric": "oks", "sigmas": "coco",
    }).eval()  # fmt: skip
    source = {
        "type": "People", "kind": "coco", "root": str(tmp_path), "annotations": "people.json", "pictures": "images"
    }  # fmt: skip
    crops = PersonCrops(source=source, size=(64, 96))
    seen = Observations(observe_people(page, crops)).all
    assert len(seen.row) == len(crops) and seen.evidence.tokens.shape[1:] == (17, 16)
    accuracy = seen.outcome.accuracy[seen.outcome.labelled]
    assert ((accuracy >= 0) & (accuracy <= 1)).all() and seen.outcome.known.all()


def test_they_are_kept_for_the_next_run(page: CalibratedPose, episodes: Episodes, tmp_path: Path) -> None:
    seen = Observations(observe_episodes(page, episodes))
    path = tmp_path / "seen.safetensors"
    assert Observations.load(path) is None
    seen.save(path)
    again = Observations.load(path)
    assert again is not None
    for ours, theirs in zip(seen.all.evidence + seen.all.outcome, again.all.evidence + again.all.outcome, strict=True):
        assert torch.equal(ours, theirs)
    path.write_bytes(path.read_bytes()[:-9])
    assert Observations.load(path) is None, "a damaged file is made again"


def test_their_name_says_what_they_depend_on(page: CalibratedPose, episodes: Episodes) -> None:
    """Else a head would be taught by another network's answers, or to other thresholds."""
    known = identity_of(page, episodes, [CLEAN], options={})
    assert known == identity_of(page, episodes, [CLEAN], options={})
    others = [identity_of(page, episodes, [Corruption(kind="empty", rate=1.0)], options={})]
    fewer = Episodes(source=episodes.source, pairs={"episodes": 1, "queries": 3}, size=episodes.size)
    others.append(identity_of(page, episodes, [CLEAN], options={"matching.trust": 1.0}))
    others.append(identity_of(page, fewer, [CLEAN], options={}))
    weight = page.network.feature_projection.weight
    with torch.no_grad():
        weight[0, 0] += 1
        others.append(identity_of(page, episodes, [CLEAN], options={}))
        weight[0, 0] -= 1
    target, page.target = page.target, type(page.target)(threshold=0.1)  # type: ignore[call-arg]
    others.append(identity_of(page, episodes, [CLEAN], options={}))
    page.target = target
    assert len({known, *others}) == 6
