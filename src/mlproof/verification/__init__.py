"""Judges of gradients: they take any function and trust none."""
