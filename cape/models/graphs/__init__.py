"""Graph parts of a decoder layer, and the intervention before them.

graph: `forward(tokens [B, K, D], adjacency [B, K, K], mask [B, K], groups [B, P, K] | None) -> [B, K, D]`, what a
feed-forward would return; the caller adds the residual. Adjacency is boolean, symmetric, without self-loops. Groups
are the declared parts of the skeleton, for graphs that look at them.

intervention: `forward(tokens [B, K, D], score [B, K], mask [B, K], canonical [B, K, D] | None) -> Intervened`.
"""

from cape.models.graphs.gcn import GraphFeedForward
from cape.models.graphs.hierarchical import HierarchicalGraph
from cape.models.graphs.intervention import CausalIntervention

__all__ = ["CausalIntervention", "GraphFeedForward", "HierarchicalGraph"]
