"""What the tests of pages share: a page taken apart, and tables that pages are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np
import trulysparse as ts

EMPTY = {"meta", "link", "br", "img", "input", "hr"}
# In SVG, which html.parser does not know to be closed at once.
QUICK = {"hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0}
RNG = np.random.default_rng(5)


@dataclass
class Page(HTMLParser):
    """A page of HTML: its elements with their attributes, and its text."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    open: list[str] = field(default_factory=list)
    style: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> in {self.open}"

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data

    def ids(self):
        return [attrs["id"] for _, attrs in self.elements if "id" in attrs]


def parsed(text):
    """Take a page apart; every element that is opened is closed, and nothing comes from outside."""
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    ids = page.ids()
    assert len(ids) == len(set(ids))
    for tag, attrs in page.elements:
        assert tag not in {"script", "iframe", "object", "embed", "img", "base", "form"}
        assert not any(name.startswith("on") for name in attrs)
        for name in ("href", "xlink:href", "src", "action"):
            value = attrs.get(name)
            assert value is None or value.startswith("#") or value == "data:,", value
    assert "@import" not in page.style
    assert "http" not in page.style
    assert "font-face" not in page.style
    return page


def section(page_text, anchor):
    """Give the text of one section."""
    start = page_text.index(f'<section id="{anchor}">')
    one = Page()
    one.feed(page_text[start : page_text.index("</section>", start)])
    return one.text


def classifier(x, y, **options):
    return ts.SparseMLPClassifier(**(QUICK | options)).fit(x, y)


def regressor(x, y, **options):
    return ts.SparseMLPRegressor(**(QUICK | options)).fit(x, y)


def numbers(rows=40, columns=5):
    """A table of numbers, of which the first decides."""
    x = RNG.normal(size=(rows, columns))
    return x, np.where(x[:, 0] > 0, "yes", "no")
