"""Configs that ship with cape: `cape train cape_lite`, or a `_base_` of your own."""
