"""Draw pictures of the pages: `python docs/pictures.py` writes docs/idea.png and docs/extreme.png.

The idea: a dense layer with a mask beside the same connections stored alone, and one evolution of
these. The extreme: the table of docs/huge.md, so that both have the numbers of one run.
"""

import re
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

DOCS = Path(__file__).parent
SIZE, STORED, MOVED = 8, 14, 4
BLUE, GREY, RED, GREEN = "#1f6fb2", "#c9ced6", "#c8412f", "#2b8a3e"


def connections(rng, taken, count):
    """Draw places (row, column) that are not taken, (count, 2)."""
    free = [divmod(k, SIZE) for k in range(SIZE * SIZE) if divmod(k, SIZE) not in taken]
    return [free[k] for k in rng.choice(len(free), count, replace=False)]


def draw_matrix(ax, places, weights):
    """Draw all cells of a matrix, those of the mask with a zero."""
    for i in range(SIZE):
        for j in range(SIZE):
            kept = (i, j) in places
            shade = mpl.colormaps["Blues"](0.25 + 0.7 * weights[i, j]) if kept else "#f1f3f5"
            ax.add_patch(plt.Rectangle((j, SIZE - 1 - i), 1, 1, fc=shade, ec="white", lw=1.5))
            if not kept:
                ax.text(j + 0.5, SIZE - 0.5 - i, "0", ha="center", va="center", color="#9aa1aa")
    ax.set(xlim=(0, SIZE), ylim=(-0.1, SIZE))


def draw_graph(ax, lines):
    """Draw neurons in two columns, and lines (row, column, colour, width, style) between them."""
    for i, j, colour, width, style in lines:
        ax.plot([0, 1], [SIZE - i, SIZE - j], color=colour, lw=width, ls=style, zorder=1)
    for side in (0, 1):
        ax.scatter([side] * SIZE, range(1, SIZE + 1), s=70, color="white", ec="#3b4148", zorder=2)
    ax.set(xlim=(-0.15, 1.15), ylim=(0.4, SIZE + 0.6))


def huge():
    """Read the first table of docs/huge.md, a dict a row; times in seconds, memory in bytes."""
    text = (DOCS / "huge.md").read_text("utf-8")
    rows = []
    for line in re.findall(r"^\| ([\d,]+ \|.*) \|$", text, re.MULTILINE):
        cells = [re.sub(r",| s$| GB$", "", cell.strip()) for cell in line.split("|")]
        if len(cells) != 10:
            continue
        names = ("neurons", "nnz", "create", "step", "predict", "evolve", "save", "load", "peak")
        row = dict(zip(names, map(float, cells), strict=False))
        row["peak"] *= 1e9
        rows.append(row | {"plan": row["peak"] / float(cells[-1]), "batch": 16})
    return rows


def main():
    """Draw both pictures."""
    idea()
    sys.path.insert(0, str(DOCS.parent / "benches"))
    from extreme import draw

    draw(huge(), DOCS / "extreme.png")


def idea():
    """Draw three panels."""
    rng = np.random.default_rng(4)
    places = connections(rng, set(), STORED)
    weights = rng.random((SIZE, SIZE))
    order = sorted(places, key=lambda place: weights[place])
    weak, strong = order[:MOVED], order[MOVED:]
    new = connections(rng, set(places), MOVED)
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
    draw_matrix(axes[0], set(places), weights)
    draw_graph(axes[1], [(i, j, BLUE, 1 + 2.5 * weights[i, j], "-") for i, j in places])
    lines = [(i, j, GREY, 1 + 2.5 * weights[i, j], "-") for i, j in strong]
    lines += [(i, j, RED, 1.6, (0, (2, 2))) for i, j in weak]
    lines += [(i, j, GREEN, 2.2, "-") for i, j in new]
    draw_graph(axes[2], lines)
    titles = (
        f"elsewhere: a dense matrix and a mask\n{SIZE * SIZE} numbers stored and multiplied",
        f"here: the connections that exist\n{STORED} stored and multiplied",
        "after every epoch: the weakest leave,\nas many grow elsewhere",
    )
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=12)
        ax.set_axis_off()
    axes[0].set_aspect("equal")
    for label, colour, style in (("leaves", RED, (0, (2, 2))), ("grows", GREEN, "-")):
        axes[2].plot([], [], color=colour, ls=style, lw=2, label=label)
    figure.legend(loc="outside right center", frameon=False, fontsize=11)
    figure.savefig(DOCS / "idea.png", dpi=140, facecolor="white")


if __name__ == "__main__":
    main()
