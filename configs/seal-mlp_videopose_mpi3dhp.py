"""VideoPose with the MLP loss-net on MPI-INF-3DHP (Table 2)."""

_base_ = ["seal-graph_videopose_mpi3dhp.py"]
model = dict(critic=dict(energy=dict(_delete_=True, type="MLPEnergy")))
