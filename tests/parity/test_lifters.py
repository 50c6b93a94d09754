"""The official lifters, from their random weights to their outputs."""

import torch

from cape.models.lifters import MixSTE, SemGCN, SimpleBaseline, VideoPose
from cape.released import differences
from cape.released_lifters import convert_lifter

CLOSE = {"atol": 1e-4, "rtol": 1e-5}


def loaded(model, official):
    state = convert_lifter(type(model).__name__, official.state)
    assert not differences(state, model.state_dict())
    model.load_state_dict(state)
    return model.eval()


def test_simple_baseline(reference) -> None:
    """16 joints in and 15 out, the root of zeros put in front."""
    official = reference("simple_baseline")
    meta = official.meta
    model = SimpleBaseline(joints=meta["input"] // 2, width=meta["linear_size"], stages=meta["num_stage"])
    points = official.inputs["keypoints_2d"].unflatten(1, (-1, 2))
    with torch.no_grad():
        joints = loaded(model, official)(points[:, None])[:, 0]
    assert not joints[:, 0].any()
    torch.testing.assert_close(joints[:, 1:].flatten(1), official.outputs["keypoints_3d"], **CLOSE)


def test_semgcn(reference) -> None:
    official = reference("semgcn")
    meta = official.meta
    model = SemGCN(joints=meta["num_joints"], edges=meta["edges"], width=meta["hidden"], blocks=meta["num_layers"])
    with torch.no_grad():
        joints = loaded(model, official)(official.inputs["keypoints_2d"][:, None])[:, 0]
    torch.testing.assert_close(joints, official.outputs["keypoints_3d"], **CLOSE)


def test_videopose_single(reference) -> None:
    official = reference("videopose_single")
    meta = official.meta
    model = VideoPose(joints=meta["num_joints"], widths=meta["filter_widths"], channels=meta["channels"])
    with torch.no_grad():
        joints = loaded(model, official)(official.inputs["keypoints_2d"])
    assert model.frames == 1
    torch.testing.assert_close(joints, official.outputs["keypoints_3d"], **CLOSE)


def test_videopose_temporal(reference) -> None:
    """The official net answers only the frames that have all their neighbours; those are the middle of ours."""
    official = reference("videopose_temporal")
    meta = official.meta
    model = VideoPose(joints=meta["num_joints"], widths=meta["filter_widths"], channels=meta["channels"])
    with torch.no_grad():
        joints = loaded(model, official)(official.inputs["keypoints_2d"])
    reach = model.frames // 2
    assert model.frames == 9
    torch.testing.assert_close(joints[:, reach:-reach], official.outputs["keypoints_3d"], **CLOSE)


def test_mixste(reference) -> None:
    official = reference("mixste")
    meta = official.meta
    model = MixSTE(
        joints=meta["num_joints"], frames=meta["num_frame"], width=meta["embed_dim"], depth=meta["depth"],
        heads=meta["num_heads"], ratio=float(meta["mlp_ratio"]),
    )  # fmt: skip
    with torch.no_grad():
        joints = loaded(model, official)(official.inputs["keypoints_2d"])
    torch.testing.assert_close(joints, official.outputs["keypoints_3d"], **CLOSE)
