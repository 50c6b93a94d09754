"""SEAL-pose on Human3.6M, ground-truth 2D, single frames: 16 joints without the nose, as its official code (Table 1).

Files of VideoPose3D, and its cameras as JSON (`data.motion.Human36M`), in `data_root`. They are pickles: say
`train_dataloader.dataset.source.allow_pickle=true` and the same of `val_dataloader` if you trust them. Two Adams, no
decay, 50 epochs, batches of 1,024; rates and alpha of this data set are nowhere given, these are the lifters' own and
those of MPI-INF-3DHP. The margin is the official code's, one for the batch.
"""

_base_ = ["lifting.py"]
data_root = "data/human36m"
model = dict(
    skeleton="human36m_16",
    lifter=dict(type="SimpleBaseline", root=0),
    critic=dict(margin="batch"),
)
motion = dict(
    type="Human36M",
    poses="data_3d_h36m.npz",
    keypoints="data_2d_h36m_gt.npz",
    cameras="h36m_cameras.json",
    joints=16,
)
train_dataloader = dict(
    dataset=dict(type="LiftingData", source=dict(**motion, subjects=["S1", "S5", "S6", "S7", "S8"]))
)
val_dataloader = dict(dataset=dict(type="LiftingData", source=dict(**motion, subjects=["S9", "S11"])))
del motion
