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

# Phrases that say less than plain words would.
VAGUE = re.compile(
    r"\b(as of|of its own|nobody|so many|whatever|for ever|of no account|without a word)\b"
    r'|"""\w+ (it|them)\."""',
    re.IGNORECASE,
)
# Where there are none of them: the beginnings of paths, to which more are added.
PLAIN = (
    "CONTRIBUTING.md",
    "README.md",
    "benches/",
    "docs/README.md",
    "docs/architecture.md",
    "docs/file.md",
    "docs/tests.md",
    "experiments/",
    "python/",
    "rust/checkpoint",
    "rust/csr",
    "rust/error.rs",
    "rust/kernels",
    "rust/lib.rs",
    "rust/memory.rs",
    "rust/nn",
    "rust/parallel.rs",
    "rust/python",
    "rust/rng.rs",
    "rust/train",
    "rust/topology",
    "rust/watch.rs",
    "tests/architecture.rs",
    "tests/augment.rs",
    "tests/beyond_32_bits.rs",
    "tests/checkpoint.rs",
    "tests/kernels.rs",
    "tests/moments.rs",
    "tests/parallel.rs",
    "tests/server.rs",
    "tests/topology.rs",
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


def found(phrases, begins=("",)):
    """Where they stand, in the texts whose paths begin so."""
    return [
        f"{name}: {match[0]!r}"
        for name, text in tracked()
        if name.startswith(begins) and name != "tests/scripts/test_words.py"
        for match in phrases.finditer(text)
    ]


def test_no_section_of_the_paper_is_cited_by_number():
    assert not found(NUMBERED)


def test_what_has_been_made_plain_stays_plain():
    assert not found(VAGUE, PLAIN)
    names = [name for name, _ in tracked()]
    assert [path for path in PLAIN if not any(name.startswith(path) for name in names)] == []


@pytest.mark.parametrize(
    "text",
    ["(PAPER section 3)", "the paper's section 4", "are the paper\u2019s section", "(section 5)"],
)
def test_the_search_finds_numbers(text):
    assert NUMBERED.search(text)


@pytest.mark.parametrize("text", ["in a file of its own", "So many rows", '"""Sets it."""'])
def test_the_search_finds_vague_phrases(text):
    assert VAGUE.search(text)
    assert not VAGUE.search("was often, of their own; nobodies")
