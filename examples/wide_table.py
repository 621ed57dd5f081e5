"""
Genes that tell nothing alone
=============================

A table of gene expression has few samples and thousands of columns. In this one, two states of a
cell depend on twenty genes, none of which tells anything alone. We draw the table at random, so
we know the right answer.
"""

import numpy as np
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from trulysparse import SparseFeatureSelector, SparseMLPClassifier

CELLS, GENES, IN_A_GROUP = 1000, 2000, 10


def expression_table(rng):
    """Draw log expression values, states, and which genes have to do with them.

    Genes are noisy and come in groups that rise and fall together. A cell is active if the first
    two groups are both high or both low, so the mean of any gene is the same in both states.
    """
    groups = rng.normal(size=(CELLS, GENES // IN_A_GROUP))
    states = np.where(groups[:, 0] * groups[:, 1] > 0, "active", "resting")
    x = np.repeat(groups, IN_A_GROUP, axis=1) + 0.5 * rng.normal(size=(CELLS, GENES))
    places = rng.permutation(GENES)  # a gene's place in the table says nothing
    return 5 + x[:, places], states, np.flatnonzero(places < 2 * IN_A_GROUP)


def main():
    """Classify by all genes and by selected ones; the test cells take no part in selecting."""
    x, states, genes = expression_table(np.random.default_rng(0))
    split = train_test_split(x, states, test_size=250, stratify=states, random_state=0)
    x_train, x_test, y_train, y_test = split

    # By default `fit` would leave out genes that only add noise.
    everything = SparseMLPClassifier(feature_selection=False, random_state=0).fit(x_train, y_train)
    print(f"all {GENES} genes: accuracy {everything.score(x_test, y_test):.3f}")
    dense = sum(weights.shape[0] * weights.shape[1] for weights in everything.coefs_)
    print(f"connections: {everything.model_.nnz:,}, a dense network has {dense:,}")

    # The usual test looks at one gene at a time.
    usual = SelectKBest(f_classif, k=20).fit(x_train, y_train)
    found = np.isin(usual.get_support(indices=True), genes).sum()
    print(f"f_classif: {found} of its 20 genes have to do with the state")

    pipeline = make_pipeline(
        SparseFeatureSelector(20, random_state=0),
        SparseMLPClassifier(random_state=0),
    ).fit(x_train, y_train)
    selector = pipeline[0]
    found = np.isin(selector.get_support(indices=True), genes).sum()
    print(f"SparseFeatureSelector: {found} of its 20 genes have to do with the state")
    print(f"its 20 genes: accuracy {pipeline.score(x_test, y_test):.3f}")

    # The selector's scores, best first.
    best = np.argsort(-selector.scores_)[:5]
    print("best:", ", ".join(f"gene {i} ({selector.scores_[i]:.3g})" for i in best))


if __name__ == "__main__":
    main()
