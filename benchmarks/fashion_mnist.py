"""Fashion-MNIST in full, one hidden layer of 100: scikit-learn's and ours, in one run.

Both train with their common defaults on pixels scaled to 0 .. 1, from the same random
state and so from the same weights and batches.  The test images choose nothing.

    python benchmarks/fashion_mnist.py [--dtype float32|float64] [--output FILE.json]

Needs the full set: the Debian package dataset-fashion-mnist, or its folder named in the
environment variable MLPROOF_FASHION_MNIST.
"""

import argparse
import json
import os
import platform
import sys
import time
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import scipy
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier

import mlproof
from mlproof.datasets import load_fashion_mnist


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float64")
    parser.add_argument("--max-iter", type=int, default=200)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    try:
        data = load_fashion_mnist()
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    X_train, X_test = (
        (X / 255).astype(options.dtype) for X in (data.X_train, data.X_test)
    )
    peers = {
        "scikit-learn": SklearnMLPClassifier,
        "mlproof": mlproof.MLPClassifier,
    }
    results = {}
    for name, kind in peers.items():
        classifier = kind(random_state=0, max_iter=options.max_iter)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(X_train, data.y_train)
        seconds = time.perf_counter() - start
        results[name] = {
            "test_accuracy": float(classifier.score(X_test, data.y_test)),
            "training_loss": float(classifier.loss_),
            "epochs": classifier.n_iter_,
            "seconds": round(seconds, 1),
            "seconds_per_epoch": round(seconds / classifier.n_iter_, 3),
        }
        print(f"{name:<13}", json.dumps(results[name]), flush=True)
    report = {
        "what": __doc__.splitlines()[0],
        "date": date.today().isoformat(),
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
            "mlproof": mlproof.__version__,
        },
        "dtype": options.dtype,
        "results": results,
    }
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
