"""People, joined people, and crops: what comes out, that it is reproducible, and options that are refused."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from people_files import write_people
from PIL import Image
from torch.utils.data import DataLoader

from cape.data.people import JoinedPeople, People, PersonCrops
from cape.errors import AnnotationError, PictureError, UsageError
from cape.registry import DATASETS

STAGES = [{}, {"epoch": 2, "shift": 0.0, "scale": [0.75, 1.25], "rotation": 60.0, "hole": 0.0}]


def source(root, **options):
    return {"type": "People", "root": root, "annotations": "people.json", "pictures": "images", **options}


def crops_of(root, **options):
    return DATASETS.build({"type": "PersonCrops", "source": source(root), "size": (48, 64), **options})


def test_a_crop_of_an_evaluation(tmp_path):
    write_people(tmp_path)
    crop = crops_of(tmp_path)[1]
    sample = crop["data_samples"]
    assert crop["inputs"].shape == (3, 64, 48) and crop["inputs"].dtype == torch.uint8
    assert sample.metainfo["img_id"] == 11 and sample.metainfo["input_size"] == (48, 64)
    np.testing.assert_allclose(sample.metainfo["input_center"], [50, 80])
    # 1.25 times the box of 60 x 100, widened to 3:4
    np.testing.assert_allclose(sample.metainfo["input_scale"], [93.75, 125])
    assert len(sample.metainfo["flip_indices"]) == 133
    assert "keypoint_x_labels" not in sample.gt_instance_labels


def test_targets_of_a_training(tmp_path):
    write_people(tmp_path)
    crops = crops_of(tmp_path, stages=STAGES, sigma=(4.9, 5.66))
    labels = crops[0]["data_samples"].gt_instance_labels
    assert labels.keypoint_x_labels.shape == (1, 133, 96) and labels.keypoint_y_labels.shape == (1, 133, 128)
    inside = labels.keypoint_x_labels.amax(-1) > 0.999
    assert inside.float().mean() > 0.5, "a Gaussian of peak 1 where the keypoint is in the crop"
    assert labels.keypoint_weights.shape == (1, 133) and labels.keypoint_weights.dtype == torch.float32


def test_items_are_a_function_of_seed_epoch_and_index(tmp_path):
    write_people(tmp_path)
    first, second = crops_of(tmp_path, stages=STAGES), crops_of(tmp_path, stages=STAGES)
    np.random.seed(99)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    forward = [first[index]["inputs"] for index in range(3)]
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    backward = [second[index]["inputs"] for index in (2, 1, 0)][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forward, backward, strict=True))
    second.set_epoch(1)
    assert not torch.equal(second[0]["inputs"], forward[0])
    assert not torch.equal(crops_of(tmp_path, stages=STAGES, seed=1)[0]["inputs"], forward[0])


@pytest.mark.parametrize("persistent", [True, False])
def test_workers_give_the_same_crops_and_follow_the_stage(tmp_path, persistent):
    """Stage 2 has no hole: no crop of it may have a black rectangle where the picture is noise."""
    write_people(tmp_path, images=4)
    crops, alone = crops_of(tmp_path, stages=STAGES), crops_of(tmp_path, stages=STAGES)
    loader = DataLoader(crops, batch_size=2, collate_fn=pseudo_collate, num_workers=2, persistent_workers=persistent)
    for epoch in (0, 1, 2, 5):
        crops.set_epoch(epoch)
        alone.set_epoch(epoch)
        inputs = [image for batch in loader for image in batch["inputs"]]
        assert all(torch.equal(image, alone[index]["inputs"]) for index, image in enumerate(inputs))
        assert crops.stage.hole == (1.0 if epoch < 2 else 0.0)
    # a resumed run starts in the middle
    resumed = crops_of(tmp_path, stages=STAGES)
    resumed.set_epoch(5)
    assert torch.equal(resumed[0]["inputs"], inputs[0])


def test_patterns_and_joined_sources(tmp_path):
    for name in ("a", "b"):
        write_people(tmp_path / name)
    pattern = People(kind="ubody", root=tmp_path, annotations="*/people.json", pictures="a/images")
    assert len(pattern) == 6 and pattern.record(3)["id"] == 100
    with pytest.raises(AnnotationError, match="pattern"):
        People(root=tmp_path, annotations="*/nobody.json", pictures="a/images")
    with pytest.raises(UsageError, match="one annotation file"):
        People(root=tmp_path, annotations="*/people.json", pictures="a/images", detections="a/boxes.json")
    joined = JoinedPeople(sources=[source(tmp_path / "a"), source(tmp_path / "b", kind="ubody")])
    assert len(joined) == 6 and joined.skeleton == "coco_wholebody"
    assert [joined.record(index)["id"] for index in (2, 3)] == [102, 100]
    assert len(PersonCrops(source=joined, size=(48, 64), stages=[{}], fraction=0.5)) == 3


def test_joined_sources_that_do_not_fit(tmp_path, refused):
    write_people(tmp_path)
    with refused(UsageError, "nothing"):
        JoinedPeople(sources=[])
    with refused(UsageError, "one skeleton"):
        JoinedPeople(sources=[source(tmp_path), source(tmp_path, kind="coco")])
    with refused(UsageError, "annotated boxes"):
        JoinedPeople(sources=[source(tmp_path, detections="boxes.json")])


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"stages": [{"epoch": 1}]}, "begin with 0"),
        ({"stages": [{}, {"epoch": 0}]}, "grow"),
        ({"stages": [{"shfit": 0.1}]}, "shift"),
        ({"stages": [{"hole": 1.5}]}, "stage hole"),
        ({"stages": [{"scale": [1.2, 0.8]}]}, "stage scale"),
        ({"stages": [{"hole_side": [0.2]}]}, "stage hole_side"),
        ({"fraction": 0.0}, "fraction"),
        ({"size_": 3}, "size_"),
    ],
)
def test_options_that_do_not_fit(tmp_path, refused, options, word):
    write_people(tmp_path)
    with refused(UsageError, word):
        crops_of(tmp_path, **options)


def test_detections_are_not_trained_on(tmp_path, refused):
    write_people(tmp_path)
    with refused(UsageError, "detections"):
        crops_of(tmp_path, source=source(tmp_path, detections="boxes.json"), stages=[{}])


def test_the_digest_knows_the_people_and_not_the_place(tmp_path):
    write_people(tmp_path / "a")
    write_people(tmp_path / "b")
    write_people(tmp_path / "c", change=lambda content: content["annotations"][0]["bbox"].__setitem__(0, 19.0))
    digests = [crops_of(tmp_path / name).digest() for name in "abc"]
    assert digests[0] == digests[1] != digests[2]
    assert crops_of(tmp_path / "a", sigma=(6.0, 6.93)).digest() != digests[0]


def test_pictures_that_are_missing(tmp_path, refused):
    write_people(tmp_path)
    with refused(PictureError, "nowhere", "no such folder"):
        crops_of(tmp_path, source=source(tmp_path, pictures="nowhere"))
    (tmp_path / "images" / "1.png").write_bytes(b"not a picture")
    crops = crops_of(tmp_path)
    with refused(PictureError, "1.png"):
        crops[1]
    with pytest.raises(PictureError, match=r"1\.png"):
        list(DataLoader(crops, collate_fn=pseudo_collate, num_workers=1))
    (tmp_path / "images" / "0.png").unlink()
    with refused(PictureError, "0.png", "missing"):
        crops_of(tmp_path)


def test_grey_pictures_and_pictures_on_their_side(tmp_path, refused):
    """One convention for EXIF, that of `read_picture`: the annotation's size decides; the pixels are the same."""
    write_people(tmp_path)
    upright = Image.open(tmp_path / "images" / "0.png")
    wanted = crops_of(tmp_path)[0]["inputs"]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise to stand upright
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "images" / "0.png", exif=exif)
    assert torch.equal(crops_of(tmp_path)[0]["inputs"], wanted)
    upright.save(tmp_path / "images" / "0.png", exif=exif)  # whose annotator's program ignored EXIF
    assert torch.equal(crops_of(tmp_path)[0]["inputs"], wanted)
    upright.convert("L").save(tmp_path / "images" / "0.png")
    grey = crops_of(tmp_path)[0]["inputs"]
    assert torch.equal(grey[0], grey[1]) and torch.equal(grey[0], grey[2])
    upright.resize((60, 80)).save(tmp_path / "images" / "0.png")
    with refused(PictureError, "0.png", "of another size"):
        crops_of(tmp_path)


def test_people_of_whom_nothing_is_labelled_and_of_one_place(tmp_path):
    def spoil(content):
        for key in ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts"):
            content["annotations"][0][key][2::3] = [0] * (len(content["annotations"][0][key]) // 3)
            content["annotations"][1][key][0::3] = [40.0] * (len(content["annotations"][1][key]) // 3)
            content["annotations"][1][key][1::3] = [60.0] * (len(content["annotations"][1][key]) // 3)

    write_people(tmp_path, change=spoil)
    crops = crops_of(tmp_path, stages=[{"half_body": 1.0}])
    assert crops[0]["data_samples"].gt_instance_labels.keypoint_weights.sum() == 0
    assert crops[1]["inputs"].float().std() > 10, "half a body of no extent leaves the crop as it was"
