"""SEAL-pose on MPI-INF-3DHP, single frames, in the files of its authors, mended by the reader (Table 2; §8).

The reader joins the root to joints 1 to 16 again and leaves exploded 2D out, so figures are not those of the official
code, of whose MPJPE an eighth was a joint that is none. Tests are TS1 to TS4, all frames. The files are pickles: see
`seal_human36m.py`.
"""

_base_ = ["lifting.py"]
data_root = "data/mpi_inf_3dhp"
model = dict(skeleton="mpi_inf_3dhp", root=14, critic=dict(margin="batch"))
motion = dict(type="Mpi3DHPLab", poses="data_3d_mpi_inf_3dhp.npz", keypoints="data_2d_mpi_inf_3dhp_gt.npz")
train_dataloader = dict(
    dataset=dict(type="LiftingData", source=dict(**motion, subjects=["S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8"]))
)
val_dataloader = dict(dataset=dict(type="LiftingData", source=dict(**motion, subjects=["TS1", "TS2", "TS3", "TS4"])))
del motion
