"""SimpleBaseline, large without a loss-net, the baseline, on MPI-INF-3DHP (Table 2)."""

_base_ = ["seal-graph_simple-baseline_mpi3dhp.py"]
model = dict(critic=None)
