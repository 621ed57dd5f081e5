"""The worked examples and the code of the user guide, run as a user runs them."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import limits
from trulysparse import datasets, load

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide.md"
PAGES = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))
OTHERS = ("codecarbon", "torch", "mlflow", "optuna", "shap")  # not everybody has them
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


def shortened(name, folder, monkeypatch, capsys, **instead):
    """What a page of the gallery prints and knows, with parts of its code replaced."""
    text = (ROOT / "examples" / name).read_text("utf-8")
    for old, new in instead.values():
        assert old in text, old
        text = text.replace(old, new)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), names)
    plt.close("all")
    return capsys.readouterr().out, names


def drawn(folder):
    """The names of the pictures in a folder, which must be some."""
    for picture in folder.glob("*.png"):
        assert picture.read_bytes().startswith(PNG)
    return {picture.name for picture in folder.glob("*.png")}


def test_messages_are_sorted_by_topic(tmp_path, monkeypatch, capsys):
    text, names = shortened(
        "messages.py",
        tmp_path,
        monkeypatch,
        capsys,
        topics=('    "statistics": ["scipy.stats"],\n', ""),
        more=('    "optimisation": ["scipy.optimize"],\n', ""),
        last=('"clustering", "statistics", "trees"', '"clustering", "trees"'),
    )
    assert len(names["CHAPTERS"]) == 7
    assert number(r"SparseMLPClassifier: accuracy ([\d.]+)", text) > 0.7
    assert re.search(r"^clustering: .*cluster", text, re.MULTILINE)
    assert re.search(r"^trees: .*(tree|split)", text, re.MULTILINE)
    assert names["classifier"].classes_[names["chances"].argmax()] == "signals"
    assert re.search(r"^\+\d\.\d\d  \w*(noisy|peaks|smooth)", text, re.MULTILINE)
    assert drawn(tmp_path) == {"messages-confusion.png"}


def test_customers_who_leave_are_told_and_shown(tmp_path, monkeypatch, capsys):
    pytest.importorskip("polars", reason="pip install 'trulysparse[tables]'")
    text, names = shortened("customers.py", tmp_path, monkeypatch, capsys)
    assert "\nTrue\n" in text  # the file predicts the same
    truth = number(r"the truth: AUC ([\d.]+)", text)
    assert 0.65 < number(r"network: AUC ([\d.]+)", text) <= truth
    worth = names["lost"]  # by shuffling on held-out rows
    reasons = [worth.pop(name) for name in ("tariff", "price rise", "since", "calls")]
    assert set(worth) == {"city", "birth year"}
    assert min(reasons) > 3 * max(worth.values())
    assert "above 0.2: " in text
    assert (tmp_path / "customers.html").stat().st_size > 10_000
    assert drawn(tmp_path) == {"customers-calibration.png"}


def test_genes_of_leukaemias(tmp_path, monkeypatch, capsys):
    """On a smaller table, as that of the page has to be fetched."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(72, 600)).astype(np.float32), np.repeat([-1, 1], [47, 25])
    x[:, [10, 200, 599]] += 1.5 * y[:, None]
    np.savez(tmp_path / "ALLAML.npz", x=x, y=y)
    monkeypatch.setenv("TRULYSPARSE_DATA", str(tmp_path))
    text, names = shortened(
        "leukaemia.py",
        tmp_path,
        monkeypatch,
        capsys,
        folds=("StratifiedKFold(5, ", "StratifiedKFold(2, "),
        counts=("for count in (5, 25, 100):", "for count in (5,):"),
        few=("fdr=0.1, random", "fdr=0.1, n_members=2, random"),
    )
    assert "72 x 600: 47 ALL, 25 AML" in text
    assert set(names["first"][:3]) == {10, 200, 599}
    assert "0 genes tell shuffled labels" in text
    assert drawn(tmp_path) == {"leukaemia-genes.png"}


def test_the_genes_are_not_there_without_openml(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TRULYSPARSE_DATA", raising=False)  # conftest refuses to ask OpenML
    with pytest.raises(FileNotFoundError, match=r"OpenML.*TRULYSPARSE_DATA.*ALLAML\.npz") as raised:
        shortened("leukaemia.py", tmp_path, monkeypatch, capsys)
    assert raised.value.__suppress_context__  # so what is shown is short


@pytest.mark.parametrize("fashion", [False, True])
def test_a_network_learns_where_to_look(tmp_path, monkeypatch, capsys, fashion):
    if not fashion:
        monkeypatch.setattr(datasets, "FASHION_MNIST_FOLDER", tmp_path / "none")
    elif not datasets.FASHION_MNIST_FOLDER.is_dir():
        pytest.skip("Fashion-MNIST is not installed: apt install dataset-fashion-mnist")
    short = {
        "size": ("28, 1000, 20_000", "28, 200, 4_000"),
        "epochs": ("epochs=30,", "epochs=6,"),
        "strip": ("epochs=[0, 2, 5, 30]", "epochs=[0, 2, 5, 6]"),
        "records": ("(0, 2, 5, 30)", "(0, 2, 5, 6)"),
        "film": ("[*range(31), *[30] * 8]", "[0, 6]"),
    }
    text, names = shortened("images.py", tmp_path, monkeypatch, capsys, **short)
    assert number(r"test accuracy ([\d.]+)", text) > (0.6 if fashion else 0.8)
    degrees, inner = names["degrees"], names["inner"]
    if fashion:  # digits fill their frame
        assert degrees[6][inner].mean() > 1.2 * degrees[6][~inner].mean()
    assert number(r"([\d.]+e\+\d+) multiply-adds", text) > 1e8
    assert drawn(tmp_path) == {"where-to-look.png", "pixels.png", "reasons.png", "learning.png"}
    assert (tmp_path / "where-to-look.gif").read_bytes().startswith(b"GIF8")


def test_a_large_network_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    text, names = shortened(
        "million_neurons.py",
        tmp_path,
        monkeypatch,
        capsys,
        sizes=("333_000, 333_000, 333_000", "3_000, 3_000, 3_000"),
    )
    assert "the same bits: True" in text
    assert names["model"].layer_sizes[1] == 3000
    assert number(r"epoch 4: loss [\d.]+, held-out accuracy ([\d.]+)", text) > 0.8
    assert drawn(tmp_path) == {"million-degrees.png"}


def test_a_rule_is_compared_over_seeds(tmp_path, monkeypatch, capsys):
    short = ("EPOCHS, SEEDS = 30, range(5)", "EPOCHS, SEEDS = 8, range(2)")
    text, names = shortened("topology_rule.py", tmp_path, monkeypatch, capsys, epochs=short)
    assert {len(runs) for runs in names["runs"].values()} == {2}
    assert number(r"GradientSign\s+([\d.]+)", text) > 0.5
    assert text.count("GradientSign less") == 3
    assert names["runs"]["GradientSign"][0].history["val_accuracy"][-1] > 0.5
    assert drawn(tmp_path) == {"rules.png"}


def run_blocks(page):
    """Run the Python of a page from top to bottom, and give how many blocks there were."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    names = {}
    for block in blocks:
        if any(f"pip install {name}" in block and not find_spec(name) for name in OTHERS):
            continue
        exec(compile(block, str(page), "exec"), names)
    plt.close("all")
    return len(blocks)


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pandas", reason="pip install pandas")
    monkeypatch.chdir(tmp_path)
    assert run_blocks(ROOT / "README.md") == 2
    text = capsys.readouterr().out
    assert float(text.splitlines()[0]) > 0.95  # the accuracy
    assert "SparseMLP(30-200-200-2, " in text
    assert (tmp_path / "cancer.safetensors").is_file()


def test_the_code_of_coming_from_elsewhere_runs(capsys):
    pytest.importorskip("pandas", reason="pip install pandas")
    assert run_blocks(ROOT / "docs" / "coming.md") == 4
    scores = re.findall(r"'accuracy': ([\d.]+)", capsys.readouterr().out)
    assert len(scores) == 2
    assert float(scores[1]) > 0.6  # of the table, whose numbers are in the ten thousands


def test_the_code_of_the_deployment_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_blocks(ROOT / "docs" / "deployment.md") == 3
    assert capsys.readouterr().out.startswith("[[0.")


def test_the_code_of_the_questions_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_blocks(ROOT / "docs" / "faq.md") == 1
    assert load(tmp_path / "half.safetensors").epochs_trained == 5


BEGIN, *RECIPES = re.split(r"^## ", (ROOT / "docs" / "recipes.md").read_text("utf-8"), flags=re.M)


@pytest.mark.parametrize("recipe", RECIPES, ids=[text.partition("\n")[0] for text in RECIPES])
def test_the_recipes_run(recipe, tmp_path, monkeypatch, capsys):
    for line in re.findall(r"# pip install (.+)$", recipe, re.M):
        for name in line.split():
            pytest.importorskip(name, reason=f"pip install {name}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    (tmp_path / "page.md").write_text(f"{BEGIN}\n{recipe}", "utf-8")
    assert run_blocks(tmp_path / "page.md") >= 2
    if recipe.startswith("A score"):
        assert len((tmp_path / "log.jsonl").read_text("utf-8").splitlines()) >= 4
        assert capsys.readouterr().out.startswith("[0.")


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_the_code_of_the_guide_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_blocks(GUIDE) > 5
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
