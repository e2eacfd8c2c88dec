"""A written derivation: what it says, and whether it is so."""
