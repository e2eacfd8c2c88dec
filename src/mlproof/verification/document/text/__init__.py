"""A document read: its blocks, tokens, formulas and statements, each with its place."""
