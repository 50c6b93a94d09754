"""Weights that ship with cape, and their model cards."""
