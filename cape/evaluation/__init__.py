"""Evaluation: pure functions on arrays, one file per family of metrics."""
