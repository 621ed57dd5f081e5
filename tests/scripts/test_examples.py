"""The worked examples and the code of the user guide, run as a user runs them."""

import os
import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers import limits
from trulysparse import datasets

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide.md"
PAGES = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))
PNG = b"\x89PNG\r\n\x1a\n"


def run(name, folder, *arguments):
    """What an example prints, as a script in an empty folder."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        timeout=limits.CHILD,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def number(pattern, text):
    found = re.search(pattern, text)
    assert found, f"no {pattern!r} in:\n{text}"
    return float(found[1].replace(",", ""))


def test_the_wide_table_has_its_genes_found(tmp_path):
    text = run("wide_table.py", tmp_path)
    assert number(r"SparseFeatureSelector: (\d+) of", text) >= 15
    assert number(r"f_classif: (\d+) of", text) <= 4  # so it is no easy table
    selected = number(r"its 20 genes: accuracy ([\d.]+)", text)
    assert selected > 0.7
    assert selected > number(r"all 2000 genes: accuracy ([\d.]+)", text) + 0.1
    assert number(r"connections: ([\d,]+)", text) < 0.1 * number(
        r"dense network has ([\d,]+)", text
    )


def test_text_is_told_apart_by_the_words_of_its_subject(tmp_path):
    text = run("sparse_text.py", tmp_path)
    assert "4,000 x 262,144 CSR" in text
    assert number(r"accuracy ([\d.]+)", text) > 0.85
    words = re.search(r"words that matter: (.*)", text)[1].split(", ")
    subjects = runpy.run_path(str(ROOT / "examples" / "sparse_text.py"))["SUBJECTS"]
    told = set(" ".join(subjects.values()).split())
    assert len(words) == 10
    assert len(set(words) & told) >= 8


@pytest.mark.parametrize("fashion", [False, True])
def test_images_are_learnt_and_drawn(tmp_path, monkeypatch, capsys, fashion):
    if not fashion:
        monkeypatch.setattr(datasets, "FASHION_MNIST_FOLDER", tmp_path / "none")
    elif not datasets.FASHION_MNIST_FOLDER.is_dir():
        pytest.skip("Fashion-MNIST is not installed")
    example = runpy.run_path(str(ROOT / "examples" / "images.py"))
    epochs, images = (2, 4000) if fashion else (5, 10_000)  # all of the digits
    model, recorder = example["main"](tmp_path / "pictures", epochs, images)
    text = capsys.readouterr().out
    assert f"data: {'fashion-mnist' if fashion else 'digits'}," in text
    assert number(r"accuracy ([\d.]+)", text) > (0.4 if fashion else 0.8)
    assert recorder.epochs == list(range(epochs + 1))
    assert model.evolutions == epochs - 1  # and pruning_curve left it alone
    assert recorder.connections[0][-1] == model.layers[0].nnz
    pictures = {p.name for p in (tmp_path / "pictures").iterdir()}
    assert pictures == {"learning.png", "pixels.png", "degrees.png", "pruning.png"}
    for name in pictures:
        assert (tmp_path / "pictures" / name).read_bytes().startswith(PNG)


def test_images_ask_for_a_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "images.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=limits.CHILD,
    )
    assert done.returncode == 1
    assert "images.py FOLDER" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_code_of_the_guide_runs(tmp_path, monkeypatch, capsys):
    blocks = re.findall(
        r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert len(blocks) > 5
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        if "import OfflineEmissionsTracker" in block and not find_spec("codecarbon"):
            continue
        exec(compile(block, str(GUIDE), "exec"), names)
    text = capsys.readouterr().out
    assert "\n[0 1 2]\n" in text  # as the guide says
    for file in ("best.safetensors", "log.csv", "model.safetensors", "exported/README.txt"):
        assert (tmp_path / file).is_file(), file


def anchors(page):
    """The names by which headings of a page are linked to, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *PAGES])
def test_what_the_pages_link_to_is_there(page):
    page = ROOT / page
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
