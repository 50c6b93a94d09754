"""Graph parts of a decoder layer.

graph: `forward(tokens [B, K, D], adjacency [B, K, K], mask [B, K]) -> [B, K, D]`, what a feed-forward would return;
the caller adds the residual. Adjacency is boolean, symmetric, without self-loops.
"""

from cape.models.graphs.gcn import GraphFeedForward

__all__ = ["GraphFeedForward"]
