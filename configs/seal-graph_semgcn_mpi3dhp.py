"""SemGCN with the official graph loss-net on MPI-INF-3DHP (Table 2)."""

_base_ = ["_base_/seal_mpi3dhp.py"]
model = dict(
    lifter=dict(_delete_=True, type="SemGCN"),
    critic=dict(energy=dict(type="GraphEnergy", spd="linear", degree_bias=True, node_id="embed32")),
    alpha=1e-4,
)
optim_wrapper = dict(lifter=dict(optimizer=dict(lr=1e-2)), critic=dict(optimizer=dict(lr=1e-3)))
