"""`cape.judging`: scores that mean something, and what somebody's corrections make of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cape.data.drawn import Drawn
from cape.errors import DataError, UsageError
from cape.evaluation.recalibration import MINIMUM
from cape.judging import NEAR, checked
from cape.models.calibration import CalibratedPose
from cape.models.encoders.visual import load_pretrained
from cape.prediction import Prediction
from cape.predictor import Predictor
from cape.prompting import Prompt
from cape.registry import MODELS
from tests.test_predictor import OPTIONS


def make(**options: object) -> Predictor:
    torch.manual_seed(0)
    page: CalibratedPose = MODELS.build({
        "type": "CalibratedPose", "network": {**OPTIONS}, "reader": {"type": "FewShotReader"},
        "head": {"type": "TokenHead", "width": 0, "hidden": 8}, **options,
    })  # fmt: skip
    load_pretrained(page.network.visual)
    torch.nn.init.normal_(page.head.judge.out.weight)
    return Predictor(page, name="test")


class Beasts:
    """Drawn animals, and a predictor that was shown one of them."""

    def __init__(self) -> None:
        source = Drawn(seed=5, instances=10, categories=("quadruped",), occlusion=0.0, truncation=0.0)
        self.predictor = make()
        self.pictures = [source.picture(index) for index in range(10)]
        self.truth = [
            [list(p) if v else None for p, v in zip(each.points, each.visibility > 0, strict=True)]
            for each in source.instances
        ]
        self.boxes = [list(each.box) for each in source.instances]
        self.prompt: Prompt = self.predictor.prompt(images=self.pictures[0], points=self.truth[0], boxes=self.boxes[0])

    def predict(self) -> list[Prediction]:
        return self.predictor(self.prompt, self.pictures[1:], self.boxes[1:])


@pytest.fixture(scope="module")
def beasts() -> Beasts:
    return Beasts()


def test_the_head_changes_scores_and_nothing_else(beasts: Beasts) -> None:
    plain = Predictor(beasts.predictor.model, name="plain")
    assert plain.fingerprint == beasts.predictor.fingerprint, "a prompt is the network's, whatever judges it"
    assert plain.judge.fingerprint == "" != beasts.predictor.judge.fingerprint
    for judged, other in zip(
        beasts.predict(), plain(beasts.prompt, beasts.pictures[1:], beasts.boxes[1:]), strict=True
    ):
        assert np.array_equal(judged.points, other.points) and np.array_equal(judged.covariance, other.covariance)
        assert not np.allclose(judged.scores[judged.asked], other.scores[other.asked])
        assert ((judged.presence > 0) & (judged.presence < 1))[judged.asked].all()
        assert (other.presence[other.asked] == 1).all() and np.isclose(
            other.confidence, other.scores[other.asked].mean()
        )


def test_a_pose_is_as_sure_as_its_keypoints_that_are_shown(beasts: Beasts) -> None:
    pose = beasts.predict()[0]
    weight = pose.presence[pose.asked]
    assert np.isclose(pose.confidence, (weight * pose.scores[pose.asked]).sum() / weight.sum())
    assert pose.to_coco()["score"] == pose.confidence
    assert np.isclose(pose.to_coco()["keypoint_presence"], pose.presence * pose.asked).all()


def test_corrected_keypoints_are_certain(beasts: Beasts) -> None:
    pose = beasts.predict()[0]
    fixed = beasts.predictor.refine(pose, fixed={2: (10.0, 12.0)})
    assert fixed.scores[2] == fixed.presence[2] == 1 and fixed.points[2].tolist() == [10, 12]
    assert (fixed.scores[[0, 1, 3]] < 1).all()


def test_corrections_refit_the_scores_but_not_their_order(beasts: Beasts) -> None:
    before = beasts.predict()
    told, right = checked(before, beasts.truth[1:])
    count = -(-MINIMUM["isotonic"] // len(told))
    try:
        refit = beasts.predictor.recalibrate(before * count, beasts.truth[1:] * count)
        assert refit.keypoints == count * len(told) and refit.after < refit.before
        assert np.isclose(refit.before, np.square(told - right).mean())
        after = beasts.predict()
        scores = np.concatenate([each.scores[each.asked] for each in after])
        was = np.concatenate([each.scores[each.asked] for each in before])
        order = np.argsort(was)
        assert (np.diff(scores[order]) >= 0).all() and not np.allclose(scores, was)
        again, _ = checked(after, beasts.truth[1:])
        assert np.allclose(again, told), "fitted again it starts from what the model says"
        known = np.concatenate([
            each.scores[[place is not None for place in truth] & each.asked]
            for each, truth in zip(after, beasts.truth[1:], strict=True)
        ])  # fmt: skip
        assert abs(known.mean() - right.mean()) < 0.01 < abs(told.mean() - right.mean())
    finally:
        beasts.predictor.judge.curve = None


def test_a_fit_that_does_not_help_is_left_out(beasts: Beasts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that are already right: a rising curve through some of them is worse for the others."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=MINIMUM["isotonic"])
    right = (rng.uniform(size=len(scores)) < scores).astype(np.float64)
    monkeypatch.setattr("cape.judging.checked", lambda *_: (scores, right))
    refit = beasts.predictor.recalibrate([], [])
    assert refit.after > refit.before and beasts.predictor.judge.curve is None


def test_right_is_within_a_fifth_of_the_box(beasts: Beasts) -> None:
    (pose, *_) = beasts.predict()
    side = max(beasts.boxes[1][2:])
    places = pose.points.tolist()
    places[0] = [places[0][0] + 0.99 * NEAR * side, places[0][1]]
    places[1] = [places[1][0] + 1.01 * NEAR * side, places[1][1]]
    places[2] = None
    _, right = checked([pose], [places])
    expected = np.ones(len(places))
    expected[1] = 0
    assert right.tolist() == np.delete(expected, 2).tolist()


def test_few_corrections_tell_nothing(beasts: Beasts) -> None:
    poses = beasts.predict()
    with pytest.raises(DataError, match=str(MINIMUM["isotonic"])):
        beasts.predictor.recalibrate(poses[:1], beasts.truth[1:2])
    assert beasts.predictor.judge.curve is None
    with pytest.raises(UsageError, match="one a prediction"):
        beasts.predictor.recalibrate(poses, beasts.truth[1:3])
    with pytest.raises(UsageError, match="places"):
        beasts.predictor.recalibrate(poses[:1], [beasts.truth[1][:2]])


def test_a_calibrated_model_is_loaded_with_its_head(tmp_path: Path, beasts: Beasts) -> None:
    import json

    from mmengine.config import Config

    import cape
    from cape.checkpoints import save_weights
    from cape.runs import identity

    options = {
        "type": "CalibratedPose", "network": {**OPTIONS}, "reader": {"type": "FewShotReader"},
        "head": {"type": "TokenHead", "width": 0, "hidden": 8},
    }  # fmt: skip
    about = {"run": json.dumps(identity(Config({"model": options})))}
    path = tmp_path / "calibrated.safetensors"
    assert beasts.predictor.judge.page is not None
    save_weights(path, beasts.predictor.judge.page.state_dict(), about=about)
    again = cape.load(path, device="cpu")
    ours, theirs = beasts.predict()[0], again(beasts.prompt, beasts.pictures[1], [beasts.boxes[1]])[0]
    assert np.allclose(ours.points, theirs.points, atol=1e-4) and np.allclose(ours.scores, theirs.scores, atol=1e-5)
    turned = cape.load(path, device="cpu", options={"prior": {"type": "TurnedFit", "rotations": 1}})
    assert turned.model.prior.rotations == 1
