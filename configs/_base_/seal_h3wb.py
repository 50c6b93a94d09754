"""SEAL-pose on H3WB, 133 keypoints, single frames: S1, 5, 6, 7 teach, S8 tests (Table 3). 200 epochs, batches of 64.

`whole`, `body`, `face` and `hands` of the metric are the table's figures, aligned by the pelvis; its caption says
P-MPJPE. Rates and alpha are nowhere given. The files are pickles: see `seal_human36m.py`.
"""

_base_ = ["lifting.py"]
data_root = "data/h3wb"
model = dict(skeleton="h3wb", critic=dict(margin="batch"))
train_dataloader = dict(
    batch_size=64, dataset=dict(type="LiftingData", source=dict(type="H3WB", path="h3wb_train.npz"))
)
val_dataloader = dict(
    dataset=dict(type="LiftingData", source=dict(type="H3WB", path="task1_test_3d.npz", metadata="h3wb_train.npz"))
)
train_cfg = dict(max_epochs=200, val_interval=10)
custom_hooks = [dict(type="Checkpoints", keep=2, best="whole", least=True)]
