"""`cape.human`: an untrained whole-body model beside a few-shot one: crops, mapping by clicks, predictions, files."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import BODY, SMALL, write_model

import cape
from cape.data.skeletons import read_skeleton
from cape.errors import DataError, PromptError, UsageError
from cape.human import BodyModel, variance
from cape.predictor import Predictor
from cape.prompting import Prompt
from cape.structures import SimCC

FEW = {"type": "FewShotPose", **SMALL, "prior": {"type": "TurnedFit", "rotations": 2},
       "matching": {**SMALL["matching"], "prior": 12.0}}  # fmt: skip
COCO = read_skeleton("coco").names
NAMES = [name.replace("_", " ") for name in COCO]
BOX = [30.0, 20.0, 80.0, 120.0]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    whole = {**BODY, "skeleton": "coco_wholebody"}
    return {
        "few": write_model(folder / "few.safetensors", FEW),
        "body": write_model(folder / "body.safetensors", BODY),
        "other": write_model(folder / "other.safetensors", BODY, seed=5),
        "whole": write_model(folder / "whole.safetensors", whole),
    }


@pytest.fixture(scope="module")
def predictor(files) -> Predictor:
    return cape.load(files["few"], device="cpu", human=files["body"])


@pytest.fixture(scope="module")
def plain(files) -> Predictor:
    return cape.load(files["few"], device="cpu")


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (160, 140, 3), dtype=np.uint8)


def body_of(predictor: Predictor) -> BodyModel:
    assert predictor.human is not None
    return predictor.human


def places(predictor: Predictor, image: np.ndarray) -> tuple[list, np.ndarray]:
    """Clicks where the model finds each keypoint in a shot of the picture, and how far these lie apart, in boxes.

    In the shot, not the picture: an untrained model finds other places at another resolution.
    """
    shot = predictor.prompt(images=image, points=[[70.0, 80.0]], boxes=BOX).shots[0]
    side = shot.crop.shape[0]
    bodies = body_of(predictor).find([shot.crop.numpy()], [np.array(shot.box) * side])
    points = bodies.points[0] / side * 150 + (-5, 5)  # the square around the box: 150 a side around (70, 80)
    inside = (bodies.raw[0] > 0) & ((points > 0) & (points < (140, 160))).all(axis=1)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1) / 120
    return [place.tolist() if there else None for place, there in zip(points, inside, strict=True)], apart


# ---- crops and points


def test_the_same_points_as_the_page_in_an_evaluation(predictor: Predictor) -> None:
    from types import SimpleNamespace

    from mmengine.structures import InstanceData

    body, image = body_of(predictor), picture()
    found = body.find([image, image], [np.array(BOX), np.array([0.0, 0.0, 140.0, 160.0])])
    record = {"bbox": np.array([[30.0, 20.0, 110.0, 140.0]], dtype=np.float32), "bbox_score": np.ones(1)}
    crop, centre, scale = body.cropper.cut(image, np.array(BOX))
    assert centre.tolist() == [70.0, 80.0] and scale.tolist() == [100.0, 150.0]
    inputs = body.model.data_preprocessor.cast_data(torch.from_numpy(crop).permute(2, 0, 1).float()[None])
    mean, std = body.model.data_preprocessor.mean, body.model.data_preprocessor.std
    sample = SimpleNamespace(
        metainfo={"input_center": centre, "input_scale": scale},
        gt_instances=InstanceData(bboxes=record["bbox"], bbox_scores=record["bbox_score"]),
    )
    (told,) = body.model.predict((inputs - mean) / std, [sample])
    np.testing.assert_allclose(found.points[0], told.pred_instances.keypoints[0], atol=1e-4)
    np.testing.assert_allclose(found.raw[0], told.pred_instances.keypoint_scores[0], atol=1e-5)
    assert found.points.shape == (2, 17, 2) and (np.linalg.eigvalsh(found.covariance) > 0).all()


def test_variance_of_bins_by_hand() -> None:
    x, y = torch.full((1, 1, 8), -9.0), torch.full((1, 1, 4), -9.0)
    x[0, 0, [2, 6]], y[0, 0, 1] = 9.0, 9.0
    found = variance(SimCC(x, y), torch.tensor([[[1.0, 0.5]]]), split_ratio=2.0, beta=10.0)
    torch.testing.assert_close(found, torch.tensor([[[0.5 * (3.0 - 1.0) ** 2 + 1 / 48, 1 / 48]]]))


# ---- which keypoints


def test_names_of_a_person_map_by_themselves(predictor: Predictor) -> None:
    made = predictor.prompt(names=[*NAMES, "ball"])
    assert made.human is not None and made.human.keypoints == (*COCO, "") and made.human.wish is None
    assert "17 of 18 names" in str(made.human) and "ball: few-shot (nothing like it" in str(made.human)


def test_what_is_said_goes_before_what_names_say(predictor: Predictor) -> None:
    assert predictor.prompt(names=NAMES, human=False).human.found == ()
    cat = ["left eye", "right eye", "nose"]
    assert "an animal may have them all" in predictor.prompt(names=cat).human.verdict
    assert predictor.prompt(names=cat, human=True).human.keypoints == ("left_eye", "right_eye", "nose")


def test_sides_that_are_not_said_are_refused(predictor: Predictor) -> None:
    made = predictor.prompt(names=["nose", "eye", "left wrist", "wrist", "left ankle"])
    assert made.human.keypoints == ("nose", "", "left_wrist", "", "left_ankle")
    assert "left_eye, right_eye, and no click" in made.human.reasons[1]


def test_clicks_choose_and_cancel(predictor: Predictor) -> None:
    """On a picture where the model, which knows nothing, happens to find two keypoints far apart."""
    image = picture()
    clicks, apart = places(predictor, image)
    there = [index for index, click in enumerate(clicks) if click is not None]
    pairs = [(a, b) for a, b in itertools.pairwise(there) if a % 2 and b == a + 1]
    assert pairs and any(apart[a, b] > 0.2 for a, b in pairs)
    left, right = next((a, b) for a, b in pairs if apart[a, b] > 0.2)
    bare = NAMES[left].removeprefix("left ")
    options = {"images": image, "boxes": BOX, "human": True}

    made = predictor.prompt(points=[clicks[right], clicks[left]], names=[bare, bare], **options)
    assert made.human.keypoints == (COCO[right], COCO[left]) and "its click" in made.human.reasons[0]
    far = max(there, key=lambda each: apart[left, each])
    made = predictor.prompt(points=[clicks[far], None], names=[NAMES[left], NAMES[right]], **options)
    assert made.human.keypoints == ("", COCO[right]) and "not on" in made.human.reasons[0]
    made = predictor.prompt(points=[clicks[right], None, None], names=[NAMES[left], NAMES[right], "nose"], **options)
    assert made.human.keypoints == (COCO[right], COCO[left], "nose") and "Left is the viewer's" in made.human.verdict


# ---- predictions


def test_mapped_keypoints_are_the_whole_body_models_the_others_few_shot(predictor: Predictor, plain: Predictor) -> None:
    image, names = picture(1), ["left wrist", "ball", "right knee", "left ankle", "nose"]
    (mixed,) = predictor(predictor.prompt(names=names), image, boxes=BOX)
    (few,) = plain(plain.prompt(names=names), image, boxes=BOX)
    bodies = body_of(predictor).find([image], [np.array(BOX)])
    columns = [COCO.index(name.replace(" ", "_")) for name in names if name != "ball"]
    there = bodies.raw[0, columns] > 0
    assert there.any() and mixed.whole_body[[0, 2, 3, 4]].tolist() == there.tolist() and not mixed.whole_body[1]
    np.testing.assert_allclose(mixed.points[mixed.whole_body], bodies.points[0][columns][there])
    np.testing.assert_allclose(mixed.scores[mixed.whole_body], bodies.raw[0][columns][there].clip(0, 1))
    np.testing.assert_allclose(mixed.points[~mixed.whole_body], few.points[~mixed.whole_body])
    np.testing.assert_allclose(mixed.scores[~mixed.whole_body], few.scores[~mixed.whole_body])
    assert not few.whole_body.any() and np.isfinite(mixed.covariance).all()
    assert mixed.to_coco()["num_keypoints"] == 5 and mixed.to_supervision().xy.shape == (1, 5, 2)


def test_what_the_few_shot_model_cannot_be_asked_for_is_not_asked(files, tmp_path: Path) -> None:
    visual = write_model(tmp_path / "visual.safetensors", FEW | {"text": None})
    predictor = cape.load(visual, device="cpu", human=files["body"])
    options = {"images": picture(), "points": [[70.0, 80.0], None], "boxes": BOX, "human": True}
    prompt = predictor.prompt(names=["ball", "left wrist"], **options)
    (found,) = predictor(prompt, picture(1), boxes=BOX)
    assert prompt.human.keypoints == ("", "left_wrist") and found.asked.tolist() == [True, False]
    assert found.scores[1] == 0 and not found.whole_body.any()


def test_without_boxes_it_looks_around_the_points(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    from cape.data.shots import box_around

    body, seen = body_of(predictor), []
    find = body.find
    monkeypatch.setattr(body, "find", lambda pictures, boxes: seen.extend(boxes) or find(pictures, boxes))
    prompt = predictor.prompt(names=NAMES)
    images = [picture(1), picture(2)]
    (first, _) = predictor(prompt, images)
    assert len(seen) == 2 and first.box.tolist() == [0, 0, 140, 160]
    bare = predictor.prompt(names=NAMES, human=False)
    expected = [box_around(each.points[each.asked], each.size) for each in predictor(bare, images)]
    for box, around, each in zip(seen, expected, images, strict=True):
        np.testing.assert_allclose(box, [0, 0, *each.shape[1::-1]] if around is None else around, atol=1e-3)
    seen.clear()
    (poses,) = predictor.search(prompt, images[0], most=1, least=0.0)
    assert len(seen) == len(poses) == 1 and np.allclose(seen[0], poses[0].box) and poses[0].whole_body.any()


def test_corrections_leave_what_the_whole_body_model_found(predictor: Predictor) -> None:
    names = ["left wrist", "ball", "right knee", "left ankle", "nose"]
    (found,) = predictor(predictor.prompt(names=names), picture(1), boxes=BOX)
    wrist = int(np.flatnonzero(found.whole_body)[0])
    refined = predictor.refine(found, fixed={wrist: [12.0, 13.0]})
    assert refined.points[wrist].tolist() == [12, 13] and not refined.whole_body[wrist] and refined.fixed == {wrist}
    stay = found.whole_body.copy()
    stay[wrist] = False
    np.testing.assert_array_equal(refined.points[stay], found.points[stay])
    np.testing.assert_array_equal(refined.scores[stay], found.scores[stay])
    again = predictor.refine(refined, fixed={1: [50.0, 50.0]})
    assert again.points[wrist].tolist() == [12, 13] and again.whole_body.tolist() == stay.tolist()


def test_an_accepted_picture_is_looked_at_too(predictor: Predictor) -> None:
    (found,) = predictor(predictor.prompt(names=NAMES, human=True), picture(1), boxes=BOX)
    larger = predictor.accept(found, picture(1))
    assert larger.human.wish is True and any("its click" in reason for reason in larger.human.reasons)


# ---- prompts and files


def test_a_prompt_keeps_its_mapping(predictor: Predictor, plain: Predictor, files, tmp_path: Path) -> None:
    prompt = predictor.prompt(names=NAMES)
    again = Prompt.load(prompt.save(tmp_path / "a.prompt"))
    assert again.human == prompt.human and predictor.compiled(again) is again

    with pytest.warns(UserWarning, match="few-shot for all"):
        (found,) = plain(again, picture(1), boxes=BOX)
    assert not found.whole_body.any()

    other = cape.load(files["few"], device="cpu", human=files["whole"])
    anew = other.compiled(again)
    assert anew.human.model == body_of(other).fingerprint != prompt.human.model and anew.human.keypoints == COCO
    unseen = plain.prompt(names=NAMES)
    assert unseen.human is None and predictor.compiled(unseen).human == prompt.human
    said = plain.prompt(names=NAMES, human=False)
    assert predictor.compiled(Prompt.load(said.save(tmp_path / "b.prompt"))).human.found == ()
    assert body_of(cape.load(files["few"], device="cpu", human=files["other"])).fingerprint != prompt.human.model


def test_damaged_and_wrong_things_are_refused(predictor: Predictor, plain: Predictor, files, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="whole-body model"):
        plain.prompt(names=NAMES, human=True)
    with pytest.raises(DataError, match="no such file"):
        cape.load(files["few"], device="cpu", human=tmp_path / "none.safetensors")
    with pytest.raises(DataError, match="FewShotPose"):
        cape.load(files["few"], device="cpu", human=files["few"])
    with pytest.raises(DataError, match="WholeBodyPose"):
        cape.load(files["body"], device="cpu")
    prompt = predictor.prompt(names=NAMES)
    human = prompt.human._replace(keypoints=("tail", *prompt.human.keypoints[1:]))
    with pytest.raises(PromptError, match="tail"):
        predictor(prompt._replace(human=human), picture(1), boxes=BOX)
    short = prompt._replace(human=prompt.human._replace(keypoints=("nose",)))
    with pytest.raises(PromptError, match=r"whole \.prompt file"):
        Prompt.load(short.save(tmp_path / "short.prompt"))


def test_without_it_mmpose_is_not_imported(files) -> None:
    code = f"import sys, cape; cape.load({str(files['few'])!r}, device='cpu'); print('mmpose' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
