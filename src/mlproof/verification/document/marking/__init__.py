"""The marks: a verdict on each step, its repair, lint, and code that is run."""
