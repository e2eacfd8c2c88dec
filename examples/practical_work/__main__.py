"""The practical work: a network with one hidden layer, from one gradient to clothes.

Ten parts, P1 to P10.  Tables are printed; pictures, training-log.csv and results.json
go to the folder.  The full Fashion-MNIST is read from the folder MLPROOF_FASHION_MNIST
or where Debian installs it; without it, and with --quick, the 14 x 14 images of the
package are used.  docs/practical-work.md shows and explains the results of a full run.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import clothes
import gradients
import numpy as np
import regions
import timing
from common import Work
from rich.console import Console

from mlproof.engines.blas import single_threaded_blas

PARTS = {
    "P1": gradients.p1_one_example,
    "P2": gradients.p2_side_by_side,
    "P3": gradients.p3_loop,
    "P4": gradients.p4_loop_checked,
    "P5": regions.p5_decision_regions,
    "P6": gradients.p6_matrices_checked,
    "P7": gradients.p7_loop_and_matrices,
    "P8": timing.p8_time_of_an_epoch,
    "P9": clothes.p9_training,
    "P10": clothes.p10_learning_curves,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        "python examples/practical_work", description=__doc__
    )
    parser.add_argument("--out", type=Path, default="practical-work", metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=[*PARTS], metavar="PART"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    console = Console() if Console().is_terminal else Console(width=100)
    work = Work(options.out, options.quick, console)
    if "P10" in options.only:  # it reads the log that P9 writes
        options.only.append("P9")
    began = time.perf_counter()
    # Small batches are faster on one thread: two spend their time on waiting.
    with single_threaded_blas():
        for name, part in PARTS.items():
            if name in options.only:
                console.print()
                console.rule((part.__doc__ or name).partition("\n")[0], align="left")
                part(work)
    work.results["run"] = {
        "quick": options.quick,
        "seconds": time.perf_counter() - began,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    numbers = options.out / "results.json"
    numbers.write_text(json.dumps(work.results, indent=1) + "\n", encoding="utf-8")
    console.print(f"All numbers: {numbers}, {work.results['run']['seconds']:.1f} s.")


if __name__ == "__main__":
    main()
