"""What no text of the project says."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Numbers of sections that readers cannot look up: name the thing and cite the paper instead.
NUMBERED = re.compile(
    r"PAPER\s+section|\bpaper\W{1,2}s\s+section|\(section \d|2102\.01732,\s+section",
    re.IGNORECASE,
)


def tracked():
    """The texts under version control."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no checkout")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, done.stdout.decode().split("\0")):
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in data:
            # Comments break lines with their marks.
            yield name, re.sub(r"\n[ \t]*(//[/!]?|#)?[ \t]*", " ", data.decode("utf-8"))


def test_no_section_of_the_paper_is_cited_by_number():
    found = [
        f"{name}: {match[0]!r}"
        for name, text in tracked()
        if name != "tests/scripts/test_words.py"
        for match in NUMBERED.finditer(text)
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    ["(PAPER section 3)", "the paper's section 4", "are the paper\u2019s section", "(section 5)"],
)
def test_the_search_finds_them(text):
    assert NUMBERED.search(text)
