"""A headless Chromium, if there is one, and what a page is like in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS = 240
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--enable-logging=stderr",
)  # fmt: skip
# What a page is like, written into it, as it cannot be asked from outside. It is shown in a frame
# of the wanted width, as windows are no narrower than 500 pixels.
_PROBE = """<script>
window.troubles = [];
window.addEventListener("error", e => troubles.push(String(e.message)), true);
window.addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(e =>
    e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest(".wide, .picture"));
  const found = {
    width: innerWidth, page: document.documentElement.scrollWidth,
    beyond: wide.map(e => e.tagName + "." + e.className).slice(0, 5),
    fetched: performance.getEntriesByType("resource").map(e => e.name), troubles,
    background: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.querySelector("svg text")).fill,
    small: Math.min(...[...document.querySelectorAll("td")].map(
      e => parseFloat(getComputedStyle(e).fontSize))),
  };
  if (window === parent) document.title = "probe:" + JSON.stringify([found]);
  else parent.postMessage([window.name, found], "*");
});
</script>"""
_FRAMES = """<!doctype html><title>none</title><body><script>
const found = [], count = COUNT;
addEventListener("message", e => {
  found[+e.data[0]] = e.data[1];
  if (Object.keys(found).length === count) document.title = "probe:" + JSON.stringify(found);
});
</script>"""


def chromium() -> str:
    """Find it; skip the test if there is none."""
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip(f"no Chromium, of the names {', '.join(NAMES)}: apt-get install chromium")


def run(folder: Path, page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open a page, with a profile that is thrown away."""
    return subprocess.run(
        [chromium(), *_QUIET, f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=True,
    )


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Give what the page wrote to the console."""
    return [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def _with_probe(page: Path, probe: Path) -> Path:
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<meta http-equiv[^>]*>", "", text)  # which forbids the probe
    probe.write_text(text.replace("<head>", "<head>" + _PROBE), encoding="utf-8")
    return probe


def probed(folder: Path, pages: list[tuple[Path, int]]) -> list[dict[str, object]]:
    """Tell what pages are like in windows of these widths."""
    frames = "".join(
        f'<iframe name="{k}" width="{width}" height="900" style="border:0" '
        f'src="{_with_probe(page, folder / f"probe_{k}.html").name}"></iframe>'
        for k, (page, width) in enumerate(pages)
    )
    outer = folder / "frames.html"
    outer.write_text(_FRAMES.replace("COUNT", str(len(pages))) + frames, encoding="utf-8")
    return _told(folder, outer)


def probed_in_the_dark(folder: Path, page: Path) -> dict[str, object]:
    """Tell what a page is like where dark ones are preferred."""
    probe = _with_probe(page, folder / "probe.html")
    return _told(folder, probe, "--blink-settings=preferredColorScheme=0")[0]


def _told(folder: Path, page: Path, *flags: str) -> list[dict[str, object]]:
    flags = ("--window-size=1280,900", "--dump-dom", "--virtual-time-budget=5000", *flags)
    done = run(folder, page, *flags)
    found = re.search(r"<title>probe:(.*?)</title>", done.stdout)
    assert found is not None, done.stderr[-2000:]
    results: list[dict[str, object]] = json.loads(found[1])
    return [result | {"console": said(done)} for result in results]
