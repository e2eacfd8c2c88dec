"""A written derivation: what it says, and whether it is so.

In the order in which a document passes through:

``text``      a file becomes blocks, tokens, formulas, statements, each with its place
``notation``  what the symbols are, gathered from all statements, and how scripts read
``values``    what a formula is worth at a drawn point, with exact derivatives
``marking``   a verdict on each step, the repair of a false one, lint, code that is run
``report``    the marks, shown in the terminal (``listing``), as a ``page`` or as JSON
``check``     all of that, from a file to its report
"""
