"""AP of people against pycocotools used directly, part by part; ranking, suppression, and bad input."""

import contextlib
import io
import json
import math

import numpy as np
import pytest
import torch
from people_files import COUNTS, write_people
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cape.data.skeletons import read_regions, read_sigmas
from cape.errors import AnnotationError, DataError, UsageError
from cape.evaluation.wholebody import MAIN, KeypointAP, figures_of, scored_parts, table_of
from cape.registry import METRICS

KEYS = dict(zip(("body", "foot", "face", "left_hand", "right_hand"), COUNTS, strict=True))


def sample(number, image, points, scores, *, box=0.9, scale=(100.0, 150.0)):
    return {
        "id": number,
        "img_id": image,
        "pred_instances": {"keypoints": np.array(points)[None], "keypoint_scores": np.array(scores)[None]},
        "gt_instances": {"bbox_scores": np.array([box]), "bbox_scales": np.array([scale])},
    }


def person_score(prediction):
    """Box score times the mean of the keypoint scores above 0.2."""
    scores = prediction["pred_instances"]["keypoint_scores"][0]
    good = scores[scores > 0.2]
    return float(prediction["gt_instances"]["bbox_scores"][0] * (good.mean() if len(good) else 0))


def suppress(predictions, sigmas, score=person_score):
    """Of two people in one picture more alike than 0.9, the better stays; their areas are the crops'."""
    kept = []
    for each in sorted(predictions, key=score, reverse=True):
        points, area = each["pred_instances"]["keypoints"][0], each["gt_instances"]["bbox_scales"].prod()
        alike = [
            np.exp(
                -((points - other["pred_instances"]["keypoints"][0]) ** 2).sum(-1)
                / (2 * sigmas) ** 2
                / (area + other["gt_instances"]["bbox_scales"].prod())
            ).mean()
            for other in kept
            if other["img_id"] == each["img_id"]
        ]
        if max(alike, default=0) <= 0.9:
            kept.append(each)
    return kept


def by_pycocotools(content, predictions, members, sigmas, keys, *, score=person_score):
    """pycocotools on one part: its keypoints as if they were all, with the whole person's area and score."""
    people = []
    for record in content["annotations"]:
        numbers = np.concatenate([record[key] for key in keys]).reshape(-1, 3)[list(members)]
        people.append(
            {**record, "keypoints": numbers.ravel().tolist(), "num_keypoints": int((numbers[:, 2] > 0).sum())}
        )
    found, extents = [], []
    for each in predictions:
        points, scores = each["pred_instances"]["keypoints"][0], each["pred_instances"]["keypoint_scores"][0]
        numbers = np.column_stack([points, scores])[list(members)]
        if (numbers[:, 2] > 0).any():  # what xtcocotools leaves out, and pycocotools does not
            extents.append(np.ptp(points[:17], axis=0).prod())  # the whole person's, by the body's keypoints
            found.append({
                "image_id": each["img_id"], "category_id": 1, "keypoints": numbers.ravel().tolist(),
                "score": score(each),
            })  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"info": {}, **content, "annotations": people}
        truth.createIndex()
        results = truth.loadRes(found)
        for record, extent in zip(results.dataset["annotations"], extents, strict=True):
            record["area"] = extent  # by which AP(M) and AP(L) know what unmatched predictions do not concern them
        evaluation = COCOeval(truth, results, "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)[list(members)]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = ("AP", "AP50", "AP75", "AP(M)", "AP(L)", "AR", "AR50", "AR75", "AR(M)", "AR(L)")
    return dict(zip(names, evaluation.stats, strict=True))


def assert_equal(found, reference, prefix=""):
    for name, value in reference.items():
        mine = found[prefix + name]
        assert math.isnan(mine) if value == -1 else mine == pytest.approx(value, abs=1e-9), prefix + name


def noisy(content, *, sigma, seed=0, detections=1):
    """Predictions: the truth and noise, some more than one for a person."""
    rng = np.random.default_rng(seed)
    found = []
    for record in content["annotations"]:
        keys = [key for key in KEYS.values() if key in record]
        numbers = np.concatenate([record[key] for key in keys]).reshape(-1, 3)
        for _ in range(detections):
            points = numbers[:, :2] + rng.normal(0, sigma * rng.uniform(0.3, 3), (len(numbers), 2))
            scores = rng.uniform(0, 1, len(numbers))
            found.append(sample(len(found), record["image_id"], points, scores, box=rng.uniform(0.1, 1)))
    return found


def test_every_part_equals_pycocotools(tmp_path):
    def spoil(content):
        first, second = content["annotations"][:2]
        first["lefthand_kpts"][2::3] = [0] * 21  # not annotated: not scored
        second["face_kpts"][2::3] = [0, 2] * 34
        second["area"] = 20_000.0

    files = write_people(tmp_path, images=12, change=spoil)
    predictions = noisy(files.content, sigma=1.0, detections=2)
    predictions[3]["pred_instances"]["keypoint_scores"][0, 17:23] = 0.0  # a foot that is nowhere
    found = figures_of(predictions, kind="coco_wholebody", annotations=tmp_path / "people.json")
    sigmas, keys = read_sigmas("coco_wholebody"), list(KEYS.values())
    assert 0.02 < found["AP"] < 0.98 and found["AR"] > 0
    predictions = suppress(predictions, sigmas)
    assert len(predictions) < 24
    assert_equal(found, by_pycocotools(files.content, predictions, range(133), sigmas, keys))
    for part, members in read_regions("coco_wholebody").items():
        assert_equal(found, by_pycocotools(files.content, predictions, members, sigmas, keys), f"{part}/")
    for figure in ("AP", "AR"):
        assert found[f"hand/{figure}"] == (found[f"left_hand/{figure}"] + found[f"right_hand/{figure}"]) / 2


def test_the_reference_predictions_of_coco_wholebody(shared_data):
    """Done-when 4: the same figures as pycocotools with the whole-body sigmas, for every part."""
    folder = shared_data / "wholebody_mini" / "annotations"
    path = folder / "coco_wholebody_mini.json"
    content = json.loads(path.read_text())
    predictions = []
    for number, each in enumerate(json.loads((folder / "coco_wholebody_mini_pred.json").read_text())):
        numbers = np.concatenate([each[key] for key in KEYS.values()]).reshape(133, 3)
        scale = tuple(200 * np.array(each["scale"]))
        predictions.append(
            sample(number, each["image_id"], numbers[:, :2], numbers[:, 2], box=each["score"], scale=scale)
        )
    found = figures_of(predictions, kind="coco_wholebody", annotations=path)
    sigmas, keys = read_sigmas("coco_wholebody"), list(KEYS.values())
    parts = {"": range(133), **{f"{part}/": members for part, members in read_regions("coco_wholebody").items()}}
    for part, members in parts.items():
        reference = by_pycocotools(content, predictions, members, sigmas, keys)
        assert_equal(found, reference, part)
    assert found["AP"] > 0.3


def test_coco_equals_pycocotools(tmp_path):
    files = write_people(tmp_path, images=12, whole=False)
    predictions = noisy(files.content, sigma=3.0)
    found = figures_of(predictions, kind="coco", annotations=tmp_path / "people.json")
    assert 0.02 < found["AP"] < 0.98
    assert_equal(found, by_pycocotools(files.content, predictions, range(17), read_sigmas("coco"), ["keypoints"]))
    assert "hand/AP" not in found


def test_crowdpose_by_crowd_index_and_without_areas(tmp_path):
    def spoil(content):
        for record in content["annotations"]:
            del record["area"]

    files = write_people(tmp_path, images=3, whole=False, keypoints=14, change=spoil)  # indices 0.05, 0.45, 0.85
    predictions = noisy(files.content, sigma=0.0)
    predictions[2]["pred_instances"]["keypoints"] += 500.0
    found = figures_of(predictions, kind="crowdpose", annotations=tmp_path / "people.json")
    assert (found["AP(easy)"], found["AP(medium)"], found["AP(hard)"]) == (1.0, 1.0, 0.0)
    assert 0 < found["AP"] < 1 and "AP(M)" not in found


def test_truth_is_perfect_and_repeats_do_not_count(tmp_path):
    files = write_people(tmp_path)
    predictions = noisy(files.content, sigma=0.0)
    # the same box twice, as a sampler fills its last batch, and twins that the suppression removes
    twins = [{**each, "id": each["id"] + 100} for each in predictions]
    found = figures_of(
        [*predictions, *predictions, *twins], kind="coco_wholebody", annotations=tmp_path / "people.json"
    )
    assert all(found[f"{part}AP"] == 1.0 for part in ("", "body/", "foot/", "face/", "hand/"))
    assert math.isnan(found["AP(L)"]) and found["AP(M)"] == 1.0, "nobody here is large"
    metric = METRICS.build({"type": "KeypointAP", "annotations": str(tmp_path / "people.json")})
    metric.process([], [*predictions, *twins])
    assert metric.evaluate(6)["AP"] == 1.0


def test_the_better_scored_of_two_wins(tmp_path):
    """Two predictions far apart: precision falls if the false one is ranked first, by box or by keypoints."""
    files = write_people(tmp_path, images=1)
    good = noisy(files.content, sigma=0.0)[0]
    bad = sample(1, 10, np.full((133, 2), 5.0) + np.arange(133)[:, None], np.full(133, 0.5), box=0.5)
    good["pred_instances"]["keypoint_scores"][:] = 0.5

    def ap(box, keypoints):
        first = {**good, "gt_instances": {**good["gt_instances"], "bbox_scores": np.array([box])}}
        first["pred_instances"] = {**good["pred_instances"], "keypoint_scores": np.full((1, 133), keypoints)}
        return figures_of([first, bad], kind="coco_wholebody", annotations=tmp_path / "people.json")["AP"]

    assert min(ap(0.9, 0.5), ap(0.5, 0.9)) > 0.999
    assert ap(0.1, 0.5) < 0.6 and ap(0.5, 0.3) < 0.6
    assert ap(0.9, 0.19) < 0.6, "no keypoint above 0.2: the score is 0"


def test_predictions_that_are_not_finite_miss(tmp_path):
    files = write_people(tmp_path)
    predictions = noisy(files.content, sigma=0.0)
    for each in predictions:
        each["pred_instances"]["keypoints"][0, :, 0] = np.nan
    metric = METRICS.build({"type": "KeypointAP", "annotations": str(tmp_path / "people.json")})
    metric.process([], predictions)
    assert metric.evaluate(len(predictions))["AP"] == 0.0


def test_as_a_metric_of_mmengine(tmp_path, refused, capsys):
    files = write_people(tmp_path)
    predictions = noisy(files.content, sigma=0.3)
    metric = METRICS.build({"type": "KeypointAP"})
    assert isinstance(metric, KeypointAP)
    metric.dataset_meta = {"annotations": str(tmp_path / "people.json")}
    for _ in range(2):  # twice, as after two epochs
        metric.process([], predictions)
        found = metric.evaluate(len(predictions))
    assert found == figures_of(predictions, kind="coco_wholebody", annotations=tmp_path / "people.json")
    for each in predictions:
        for group in ("pred_instances", "gt_instances"):
            each[group] = {key: torch.from_numpy(value) for key, value in each[group].items()}
    metric.process([], predictions)
    assert metric.evaluate(len(predictions)) == found
    assert "Average Precision" not in capsys.readouterr().out
    with refused(DataError, "predictions"):
        metric.compute_metrics([])
    metric.dataset_meta = {}
    with refused(UsageError, "annotation file"):
        metric.compute_metrics(predictions)


def test_annotations_that_do_not_fit(tmp_path, refused):
    files = write_people(tmp_path)
    predictions = noisy(files.content, sigma=0.0)
    with refused(AnnotationError, "none.json"):
        figures_of(predictions, kind="coco_wholebody", annotations=tmp_path / "none.json")
    with refused(DataError, "id 99"):
        figures_of([{**predictions[0], "img_id": 99}], kind="coco_wholebody", annotations=tmp_path / "people.json")
    (tmp_path / "people.json").write_text("[]")
    with refused(AnnotationError, "people.json"):
        figures_of(predictions, kind="coco_wholebody", annotations=tmp_path / "people.json")


def test_the_main_figures_and_the_table(tmp_path):
    files = write_people(tmp_path, images=4)
    predictions = noisy(files.content, sigma=1.0)
    every = figures_of(predictions, kind="coco_wholebody", annotations=tmp_path / "people.json")
    metric = KeypointAP(annotations=str(tmp_path / "people.json"), figures="main")
    metric.process([], predictions)
    main = metric.compute_metrics(metric.results)
    assert list(main) == [name for name in MAIN if name in every] and 4 < len(main) < 20 < len(every)
    assert all(main[name] == pytest.approx(every[name], nan_ok=True) for name in main)
    heads, rows = table_of(every, name="model")
    assert heads == ["model", "AP", "AP50", "AP75", "AR"] and rows[0][:2] == ["whole", f"{100 * every['AP']:.1f}"]
    crowd = {"AP": 0.5, "AP50": 0.75, "AP75": 0.25, "AR": math.nan, "AP(easy)": 1.0, "AP(medium)": 0.5, "AP(hard)": 0.0}
    heads, rows = table_of(crowd, name="model")
    assert heads[4:] == ["AP(easy)", "AP(medium)", "AP(hard)", "AR"]
    assert rows == [["model", "50.0", "75.0", "25.0", "100.0", "50.0", "0.0", "-"]]


def with_scores(predictions, scores):
    return [
        {**each, "pred_instances": {**each["pred_instances"], "part_scores": row[None]}}
        for each, row in zip(predictions, scores, strict=True)
    ]


def test_the_parts_are_ranked_by_their_own_scores(tmp_path):
    """Against pycocotools given those scores; the whole and its suppression go by the first."""
    files = write_people(tmp_path, images=12)
    predictions = noisy(files.content, sigma=1.0, detections=2)
    near = np.random.default_rng(4).normal(0, 0.2, (12, 133, 2))
    predictions += [
        sample(24 + i, each["img_id"], each["pred_instances"]["keypoints"][0] + near[i], np.ones(133))
        for i, each in enumerate(predictions[::2])
    ]
    scores = np.random.default_rng(3).normal(0, 1, (36, 6))
    path, sigmas, keys = tmp_path / "people.json", read_sigmas("coco_wholebody"), list(KEYS.values())
    found = figures_of(with_scores(predictions, scores), kind="coco_wholebody", annotations=path)
    assert scored_parts("coco_wholebody") == ("whole", "body", "foot", "face", "left_hand", "right_hand")
    plain = figures_of(predictions, kind="coco_wholebody", annotations=path)
    parts = {"": range(133), **{f"{part}/": members for part, members in read_regions("coco_wholebody").items()}}

    own = {each["id"]: row for each, row in zip(predictions, scores, strict=True)}
    kept = suppress(predictions, sigmas, score=lambda each: own[each["id"]][0])
    assert len(kept) <= 24, "of twins one stays"
    for column, (prefix, members) in enumerate(parts.items()):
        score = [float(own[each["id"]][column]) for each in kept]
        ranks = {each["id"]: value for each, value in zip(kept, score, strict=True)}
        reference = by_pycocotools(files.content, kept, members, sigmas, keys, score=lambda each: ranks[each["id"]])  # noqa: B023
        assert_equal(found, reference, prefix)
        assert found[f"{prefix}AP"] != plain[f"{prefix}AP"]
    same = figures_of(with_scores(predictions, np.repeat(scores[:, :1], 6, axis=1)), kind="coco_wholebody",
                      annotations=path)  # fmt: skip
    assert same["AP"] == found["AP"] and same["face/AP"] != found["face/AP"]


def test_part_scores_through_the_metric_and_of_coco(tmp_path, refused):
    files = write_people(tmp_path, images=12)
    predictions = with_scores(noisy(files.content, sigma=1.5), np.random.default_rng(3).random((12, 6)))
    path = tmp_path / "people.json"
    metric = KeypointAP(annotations=str(path))
    metric.process([], predictions)
    assert metric.compute_metrics(metric.results) == figures_of(predictions, kind="coco_wholebody", annotations=path)
    for spoil in (np.zeros((1, 5)), np.full((1, 6), np.nan), None):
        spoilt = [*predictions[:-1], {**predictions[-1], "pred_instances": dict(predictions[-1]["pred_instances"])}]
        spoilt[-1]["pred_instances"]["part_scores"] = spoil
        with refused(DataError, "prediction 11", "6 finite numbers"):
            figures_of(spoilt, kind="coco_wholebody", annotations=path)
    files = write_people(tmp_path, images=12, whole=False)
    predictions = noisy(files.content, sigma=3.0)
    plain = figures_of(predictions, kind="coco", annotations=path)
    truth = [person_score(each) for each in predictions]
    same = figures_of(with_scores(predictions, np.array(truth)[:, None]), kind="coco", annotations=path)
    assert same == plain
    other = figures_of(with_scores(predictions, -np.array(truth)[:, None]), kind="coco", annotations=path)
    assert other["AR"] == plain["AR"] and other["AP"] != plain["AP"]
