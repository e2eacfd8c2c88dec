"""How fast this package is, beside others, in one process and in turn.

cases.py names what is measured: tasks.py says what is trained, problems.py on which
data, contestants/ by whom; start.py and memory.py measure in a process of their own.
measure.py takes turns and makes ratios of them, results.py keeps them as JSON together
with machine.py's description of the machine, and table.py writes the page's tables.
"""
