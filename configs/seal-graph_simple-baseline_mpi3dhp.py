"""SimpleBaseline, large with the official graph loss-net on MPI-INF-3DHP (Table 2)."""

_base_ = ["_base_/seal_mpi3dhp.py"]
model = dict(
    lifter=dict(_delete_=True, type="SimpleBaseline", root=None, width=2048, stages=3),
    critic=dict(energy=dict(type="GraphEnergy", spd="linear", degree_bias=True, node_id="embed32")),
    alpha=1e-3,
)
optim_wrapper = dict(lifter=dict(optimizer=dict(lr=2e-4)), critic=dict(optimizer=dict(lr=5e-4)))
