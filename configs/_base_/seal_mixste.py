"""MixSTE on Human3.6M with SEAL-pose: 243 frames, 17 joints, all the terms of MixSTE's loss (Table 1; §5, §6).

Both learn by AdamW; the critic's rate stays. Batches of about 1,024 frames. The official backward call seeds the
gradient with the loss itself, which is not done here. Figures of the paper are with the mirrored sequence averaged in.
"""

_base_ = ["lifting.py"]
data_root = "data/human36m"
model = dict(
    skeleton="human36m",
    lifter=dict(_delete_=True, type="MixSTE", frames=243),
    alpha=1e-5,
    error="mpjpe",
    joint_weights=[1.0, 1.0, 2.5, 2.5, 1.0, 2.5, 2.5, 1.0, 1.0, 1.0, 1.5, 1.5, 4.0, 4.0, 1.5, 4.0, 4.0],
    smoothness=0.5,
    velocity=2.0,
    flip_test=True,
)
motion = dict(
    type="Human36M", poses="data_3d_h36m.npz", keypoints="data_2d_h36m_gt.npz", cameras="h36m_cameras.json", joints=17
)
windows = dict(type="LiftingData", window=243)
train_dataloader = dict(
    batch_size=4,
    dataset=dict(**windows, mirror=0.5, source=dict(**motion, subjects=["S1", "S5", "S6", "S7", "S8"])),
)
val_dataloader = dict(batch_size=4, dataset=dict(**windows, source=dict(**motion, subjects=["S9", "S11"])))
train_cfg = dict(max_epochs=120, val_interval=5)
optim_wrapper = dict(
    lifter=dict(optimizer=dict(_delete_=True, type="AdamW", lr=4e-5, weight_decay=0.1)),
    critic=dict(optimizer=dict(_delete_=True, type="AdamW", lr=1e-4, weight_decay=0.0)),
)
decayed = [dict(type="ExponentialLR", gamma=0.99, by_epoch=True)]
param_scheduler = dict(lifter=decayed, critic=[])
del motion, windows, decayed
