"""The documentation's site: it builds without a warning, and is looked at in a browser."""

import importlib.util
import json
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
from helpers import browser

ROOT = Path(__file__).parents[2]
# Each has something that others have not: cards, long tables, code, a gallery, an API's page.
PAGES = (
    "index.html", "guide.html", "wide.html", "commands.html", "changelog.html",
    "gallery/index.html", "gallery/images.html", "api/index.html",
    "api/trulysparse.SparseMLPClassifier.html",
)  # fmt: skip
PHONE, DESK = 390, 1280
_FRAMES = """<!doctype html><title>none</title><body><script>
const found = {}, pages = PAGES, widths = WIDTHS;
const total = pages.length * widths.length;
for (const width of widths) for (const page of pages) {
  const frame = document.createElement("iframe");
  Object.assign(frame, {width, height: 900, src: page});
  frame.onload = () => setTimeout(() => {
    const inner = frame.contentWindow, seen = inner.document;
    const beyond = [...seen.querySelectorAll(".content *")].filter(e =>
      e.getBoundingClientRect().right > inner.innerWidth + 0.5 &&
      !e.closest("pre, .highlight, .table-wrapper, table, .sd-card, .math"));
    found[page + " " + width] = {
      overflow: seen.documentElement.scrollWidth - width,
      beyond: beyond.map(e => e.tagName + "." + e.className).slice(0, 5),
      blind: [...seen.images].filter(e => !e.naturalWidth).map(e => e.src),
      elsewhere: inner.performance.getEntriesByType("resource").map(e => e.name)
        .filter(name => !/^(file|data|blob):/.test(name)),
      background: inner.getComputedStyle(seen.body).backgroundColor,
      ink: inner.getComputedStyle(seen.body).color,
    };
    if (Object.keys(found).length === total) document.title = "seen:" + JSON.stringify(found);
  }, 300);
  document.body.append(frame);
}
</script>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build it, without running the gallery."""
    for name in ("sphinx", "furo", "myst_parser", "sphinx_gallery", "sphinx_design"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"no {name}: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, str(ROOT / "docs" / "build"), "--no-gallery", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def opened(site, tmp_path, page, *flags):
    """Give the document as it is once its scripts have run, and what it wrote to the console."""
    flags = ("--allow-file-access-from-files", "--virtual-time-budget=20000", *flags)
    done = browser.run(tmp_path, page, "--dump-dom", "--window-size=1280,900", *flags)
    return done.stdout, browser.said(done)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_fit_into_a_phone_and_a_desk(site, tmp_path, dark):
    frames = site / f"frames-{dark}.html"
    text = _FRAMES.replace("PAGES", json.dumps(PAGES)).replace("WIDTHS", f"[{PHONE}, {DESK}]")
    frames.write_text(text)
    flags = ["--blink-settings=preferredColorScheme=0"] if dark else []
    shown, said = opened(site, tmp_path, frames, *flags)
    found = re.search(r"<title>seen:(.*?)</title>", shown)
    assert found is not None, said
    seen = json.loads(found[1].replace("&amp;", "&").replace("&gt;", ">").replace("&lt;", "<"))
    assert len(seen) == 2 * len(PAGES)
    for page, what in seen.items():
        assert what["overflow"] <= 0, (page, what)
        assert what["beyond"] == what["blind"] == what["elsewhere"] == [], (page, what)
        brightness = sum(map(int, re.findall(r"\d+", what["background"])[:3]))
        ink = sum(map(int, re.findall(r"\d+", what["ink"])[:3]))
        assert (brightness < 200 < ink) if dark else (ink < 200 < brightness), (page, what)
    assert said == []


def test_the_search_finds_without_a_network(site, tmp_path):
    for words, page in {"epsilon": "guide.html", "early stopping": "EarlyStopping"}.items():
        results = site / "search.html"
        shown, _ = opened(site, tmp_path, Query(results, words))
        found = re.search(r'id="search-results".*', shown, re.DOTALL)
        assert found is not None
        assert page in " ".join(re.findall(r'href="([^"]*)"', found[0])), words


class Query:
    """The page of a search, with its words, as `browser.run` takes pages."""

    def __init__(self, page: Path, words: str) -> None:
        """Keep both."""
        self.page, self.words = page, words

    def as_uri(self) -> str:
        """Give the address."""
        return f"{self.page.as_uri()}?q={urllib.parse.quote(self.words)}"
