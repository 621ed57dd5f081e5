"""Pages in a real browser: narrow and wide, in the dark, printed."""

import re

import numpy as np
import polars as pl
import pytest
from helpers import browser
from helpers.html_page import classifier, numbers, regressor

RNG = np.random.default_rng(2)
ROWS = 60


def genes():
    """Many columns with long names, and many classes."""
    x = RNG.normal(size=(ROWS, 60))
    y = np.array([f"a class with a long name {k % 15}" for k in range(ROWS)])
    frame = pl.DataFrame(x, schema=[f"gene_{'x' * 40}_{k}" for k in range(60)])
    return classifier(frame, y).report(frame, y, name="genes" * 20, folds=2)


def mixed():
    """A table of a business."""
    frame = pl.DataFrame(
        {
            "since": pl.Series(np.datetime64("2020-01-01") + RNG.integers(0, 900, ROWS)),
            "plan": RNG.choice(["basic", "plus", "<b>business</b>"], ROWS),
            "fee": [None if k % 7 == 0 else float(k % 11) for k in range(ROWS)],
        }
    )
    y = np.where(RNG.random(ROWS) < 0.5, "leaves", "stays")
    return classifier(frame, y).report(frame, y)


def values():
    x, _ = numbers(ROWS)
    y = x[:, 0] * 1e6
    return regressor(x, y).report(x, y)


PAGES = {"genes": genes, "mixed": mixed, "values": values}
WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages by name."""
    browser.chromium()
    folder = tmp_path_factory.mktemp("pages")
    found = {name: folder / f"{name}.html" for name in PAGES}
    for name, path in found.items():
        path.write_text(PAGES[name](), encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def probed(pages, tmp_path_factory):
    """What each page is like in each width."""
    wanted = [(name, width) for name in PAGES for width in WIDTHS]
    folder = tmp_path_factory.mktemp("probes")
    found = browser.probed(folder, [(pages[name], width) for name, width in wanted])
    return dict(zip(wanted, found, strict=True))


@pytest.fixture
def table(pages):
    return pages["mixed"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_window_and_fetches_nothing(probed, name, width):
    found = probed[name, width]
    assert found["page"] <= found["width"] == width
    assert found["beyond"] == []
    assert found["fetched"] == []
    assert found["troubles"] == []
    assert found["console"] == []
    assert found["small"] >= 13
    assert brightness(found["background"]) > 240
    assert brightness(found["ink"]) < 130


def brightness(colour):
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def test_a_page_as_it_is_says_nothing_to_the_console(table, tmp_path):
    done = browser.run(tmp_path, table, "--dump-dom")
    assert browser.said(done) == []
    assert "</html>" in done.stdout


def test_a_page_is_dark_where_that_is_preferred(table, tmp_path):
    dark = browser.probed_in_the_dark(tmp_path, table)
    assert brightness(dark["background"]) < 40
    assert brightness(dark["ink"]) > 130


def test_a_page_can_be_printed(table, tmp_path):
    pdf = tmp_path / "report.pdf"
    browser.run(tmp_path, table, f"--print-to-pdf={pdf}", "--no-pdf-header-footer")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
    assert 3 <= pages <= 12
