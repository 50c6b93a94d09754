"""Windows of motion: each frame counted once, edges padded, mirrors consistent."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import default_collate

from cape.cameras import intrinsics, project
from cape.data.lifting import LiftingData, mirrored_lift
from cape.data.motion.clips import Clip
from cape.errors import UsageError
from cape.registry import DATASETS
from cape.skeleton import Skeleton
from cape.structures import Lift

SKELETON = Skeleton(names=("pelvis", "left", "right"), edges=((0, 1), (0, 2)), swap=((1, 2),))
LENS = intrinsics((1100.0, 1090.0), (510.0, 520.0), (1000, 1000), radial=(0.1, 0.01, 0.0), tangential=(0.01, -0.02))


def motion(*lengths: int, sequential: bool = True, hidden: tuple[int, ...] = ()) -> SimpleNamespace:
    """Clips whose frames can be told apart: joint 0 of frame t of clip c is at depth 10 c + t."""
    clips = []
    for number, length in enumerate(lengths):
        rng = np.random.default_rng(number)
        joints = torch.from_numpy(rng.normal(scale=0.3, size=(length, 3, 3)))
        root = torch.zeros(length, 3, dtype=torch.float64)
        root[:, 2] = 100 + 10 * number + torch.arange(length)
        points = project(joints + root[:, None], LENS.expand(length, 9))
        counted = np.ones(length, dtype=bool)
        counted[list(hidden)] = False
        arrays = [each.numpy().astype(np.float32) for each in (points, joints, root, LENS)]
        clips.append(Clip("S1", f"action {number}", "0", *arrays, counted=counted))
    return SimpleNamespace(clips=clips, skeleton=SKELETON, root=(0,), sequential=sequential)


def told(lift: Lift) -> torch.Tensor:
    """Which frame each is."""
    return (lift.root[..., 2] - 100).round().int()


def test_windows_follow_each_other_and_repeat_the_last_frame() -> None:
    data = LiftingData(source=motion(5, 2), window=3)
    assert len(data) == 3
    assert told(data.batch(torch.arange(3))).tolist() == [[0, 1, 2], [3, 4, 4], [10, 11, 11]]
    assert data.batch(torch.arange(3)).mask.tolist() == [[True] * 3, [True, True, False], [True, True, False]]
    assert [clip.action for clip in data.clip_of(torch.tensor([0, 2]))] == ["action 0", "action 1"]


def test_centred_windows_repeat_both_ends() -> None:
    data = LiftingData(source=motion(3, 1), window=5, count="centre")
    batch = data.batch(torch.arange(4))
    assert told(batch).tolist() == [[0, 0, 0, 1, 2], [0, 0, 1, 2, 2], [0, 1, 2, 2, 2], [10] * 5]
    assert batch.mask.sum(dim=1).tolist() == [1, 1, 1, 1]
    assert batch.mask[:, 2].all()


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=4),
    st.sampled_from([1, 2, 3, 5, 9]),
    st.sampled_from(["all", "centre"]),
)
def test_every_frame_is_counted_once(lengths: list[int], window: int, count: str) -> None:
    if count == "centre" and window % 2 == 0:
        window += 1
    source = motion(*lengths)
    data = LiftingData(source=source, window=window, count=count)
    batch = data.batch(torch.arange(len(data)))
    assert batch.points.shape == (len(data), window, 3, 2)
    counted = batch.points[batch.mask]
    everything, _ = data.frames()
    assert torch.equal(counted, everything)
    assert torch.equal(everything, torch.from_numpy(np.concatenate([clip.points for clip in source.clips])))


def test_overlapping_windows_and_frames_that_do_not_count() -> None:
    data = LiftingData(source=motion(4, hidden=(1,)), window=2, stride=1)
    assert told(data.batch(torch.arange(len(data)))).tolist() == [[0, 1], [1, 2], [2, 3], [3, 3]]
    assert data.batch(torch.arange(2)).mask.tolist() == [[True, False], [False, True]]
    points, joints = data.frames()
    assert len(points) == len(joints) == 3


def test_one_by_one_and_collated_is_the_same_as_at_once() -> None:
    data = LiftingData(source=motion(5, 4), window=3)
    batch = default_collate([data[row] for row in range(len(data))])
    assert isinstance(batch, Lift)
    for one, other in zip(batch, data.batch(torch.arange(len(data))), strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
    assert data[-1].row == len(data) - 1
    assert len(list(data)) == len(data)


def test_a_mirrored_window_is_consistent_and_twice_is_the_identity() -> None:
    data = LiftingData(source=motion(6), window=3)
    plain = data.batch(torch.arange(2))
    order = torch.from_numpy(SKELETON.mirror())
    turned = mirrored_lift(plain, order)
    seen = project(turned.joints + turned.root[:, :, None], turned.camera[:, None].expand(2, 3, 9))
    torch.testing.assert_close(seen, turned.points, atol=1e-5, rtol=0)
    assert torch.equal(turned.joints[..., 1, 1:], plain.joints[..., 2, 1:])
    for one, other in zip(mirrored_lift(turned, order), plain, strict=True):
        assert torch.equal(one, other)


def test_mirroring_is_by_chance_or_on_request() -> None:
    data = LiftingData(source=motion(40), mirror=0.5)
    rows = torch.arange(40)
    plain = data.batch(rows, mirror=torch.zeros(40, dtype=torch.bool))
    some = (data.batch(rows).joints != plain.joints).flatten(1).any(dim=1)
    assert 5 < some.sum() < 35
    every = data.batch(rows, mirror=torch.ones(40, dtype=torch.bool))
    assert torch.equal(every.points, mirrored_lift(plain, torch.from_numpy(SKELETON.mirror())).points)
    assert torch.equal(LiftingData(source=motion(40)).batch(rows).points, plain.points)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"window": 0}, "window"),
        ({"window": 4, "count": "centre"}, "odd"),
        ({"stride": 0}, "stride"),
        ({"mirror": 1.5}, "mirror"),
    ],
)
def test_bad_options_are_refused(options: dict, word: str, refused) -> None:
    with refused(UsageError, word):
        LiftingData(source=motion(9), **options)


def test_frames_that_do_not_follow_each_other_have_no_windows(refused) -> None:
    with refused(UsageError, "do not follow"):
        LiftingData(source=motion(9, sequential=False), window=3)
    assert len(LiftingData(source=motion(9, sequential=False))) == 9


def test_a_misspelt_choice_and_a_source_by_config(refused) -> None:
    with refused(UsageError, "'all', 'centre'"):
        DATASETS.build({"type": "LiftingData", "source": motion(3), "count": "center"})
    with refused(UsageError, "CmuMotion"):
        DATASETS.build({"type": "LiftingData", "source": {"type": "CmuMotio"}})
