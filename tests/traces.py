"""Traces to test, and what every page of one must be."""

import html.parser
import re
import xml.etree.ElementTree as ET
from typing import Any
from unittest import mock

import numpy as np
from conftest import Case, make_case

from mlproof.verification.trace import Trace, trace_step, tracing

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6))
KIND = np.array(["a", "b", "c"])[RNG.integers(0, 3, 40)]


def traced(case: Case, **options: Any) -> Trace:
    X, y, sample_weight = case.examples
    return trace_step(
        case.network,
        case.theta,
        X,
        y,
        sample_weight,
        **{"penalty": case.penalty, "eta": 0.1} | options,
    )


def unchecked(case: Case) -> Trace:
    """The same without its checks, which take most of the time."""
    with mock.patch.object(tracing, "check", return_value=None):
        return traced(case)


def small(**options: Any) -> Case:
    chosen = {"units": (4, 5, 3), "activation": "rect", "output": "softmax", "n": 3}
    return make_case(2, **chosen | {"clearance": 1e-3} | options)


VOID = {"meta", "mspace", "br"}


class Reader(html.parser.HTMLParser):
    """Notes what a page refers to, and that its elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "action")
            if name == "id":
                self.ids.append(str(value))
            if name == "href":
                self.links.append(str(value))

    def handle_startendtag(self, tag: str, attrs: list[Any]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def assert_page(page: str) -> Reader:
    """One whole page that fetches nothing and whose links lead somewhere in it."""
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "base"}
    assert not re.search(r"url\(|@import|https?:", page)
    assert "default-src 'none'" in page
    for formula in re.findall(r"<math.*?</math>", page):
        ET.fromstring(formula)
    return reader
