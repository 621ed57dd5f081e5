"""
Sort messages by topic
======================

Text is a table with a column for each word, in which nearly all cells are 0. It stays sparse
here, from the vectorizer to the first layer. The messages are paragraphs of the docstrings of
SciPy, scikit-learn and NumPy, so there is nothing to download. Their topics are the chapters that
they come from. Which chapter is a paragraph from?
"""

import importlib
import inspect
import re

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, log_loss
from sklearn.model_selection import GroupShuffleSplit
from trulysparse import SparseMLPClassifier

CHAPTERS = {
    "statistics": ["scipy.stats"],
    "signals": ["scipy.signal", "scipy.fft"],
    "images": ["scipy.ndimage"],
    "linear algebra": ["scipy.linalg", "numpy.linalg"],
    "optimisation": ["scipy.optimize"],
    "special functions": ["scipy.special"],
    "interpolation": ["scipy.interpolate", "scipy.integrate"],
    "clustering": ["sklearn.cluster", "scipy.cluster.hierarchy"],
    "trees": ["sklearn.ensemble", "sklearn.tree"],
}


def messages():
    """Give paragraphs, their topics, and the function or class that each is from."""
    texts, topics, sources = [], [], []
    for topic, modules in CHAPTERS.items():
        for module in map(importlib.import_module, modules):
            for name in module.__all__:
                text = inspect.getdoc(getattr(module, name, None)) or ""
                prose = re.sub(r">>>.*|\.\. .*|[-=]{3,}", " ", text)
                for paragraph in re.split(r"\n\s*\n", prose):
                    output = re.search(r"array\(|\{'|vary", paragraph)  # of code
                    if not output and len(paragraph.split()) >= 8:
                        texts.append(paragraph)
                        topics.append(topic)
                        sources.append(f"{module.__name__}.{name}")
    return np.array(texts), np.array(topics), np.array(sources)


texts, topics, sources = messages()
print(f"{len(texts):,} messages, {len(set(topics))} topics; one of them, {topics[100]}:")
print(" ".join(texts[100].split())[:200])

# %%
# Paragraphs of one function share words. So all paragraphs of a function go into the training
# part, or all into the test part. A split by paragraphs would make every method look better than
# it is.

split = GroupShuffleSplit(1, test_size=0.3, random_state=0)
train, test = next(split.split(texts, topics, groups=sources))
vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2))
x_train, x_test = vectorizer.fit_transform(texts[train]), vectorizer.transform(texts[test])
stored = x_train.nnz / x_train.shape[0]
print(f"{x_train.shape[0]:,} x {x_train.shape[1]:,}, {stored:.0f} words and pairs of words a row")

# %%
# The estimator sees that the table is sparse, and chooses what suits it: no standardising, which
# would fill the zeros, and growth by gradient, which puts no connections into words that say
# nothing.

classifier = SparseMLPClassifier(random_state=0).fit(x_train, topics[train])
rival = LogisticRegression(max_iter=1000).fit(x_train, topics[train])
for name, one in {"SparseMLPClassifier": classifier, "logistic regression": rival}.items():
    loss = log_loss(topics[test], one.predict_proba(x_test))
    print(f"{name}: accuracy {one.score(x_test, topics[test]):.3f}, log loss {loss:.3f}")
megabytes = x_train.shape[0] * x_train.shape[1] * 4 / 1e6
print(f"dense samples would take {megabytes:.0f} MB; these {x_train.nnz * 8 / 1e6:.1f} MB")

# %%
# Which topics does it confuse? A row of the picture is a true topic. Images of SciPy are filtered
# like signals, and their messages are often taken for signals. Interpolation and optimisation are
# mostly mistaken for statistics, the topic with the most messages.

fig, ax = plt.subplots(figsize=(6.5, 5.5), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    topics[test], classifier.predict(x_test), normalize="true", values_format=".0%",
    cmap="Blues", colorbar=False, ax=ax,
)  # fmt: skip
plt.setp(ax.get_xticklabels(), rotation=40, ha="right", rotation_mode="anchor")
ax.set_title("Share of the messages of each topic")
fig.savefig("messages-confusion.png")

# %%
# Which words tell?
# -----------------
# `feature_importances_` scores words by the network's paths, for all topics together. For one
# topic the mean contribution of each word over that topic's messages says more:

words = vectorizer.get_feature_names_out()
shown = ("images", "clustering", "statistics", "trees")
for topic in shown:
    rows = x_test[np.flatnonzero(topics[test] == topic)[:50]]
    explained = classifier.explain(rows, outputs=np.flatnonzero(classifier.classes_ == topic))
    means = np.asarray(explained.values[0].mean(axis=0)).ravel()
    print(f"{topic}: {', '.join(words[np.argsort(-means)[:8]])}")

# %%
# One message
# -----------

question = ["How do I smooth a noisy measurement before looking for its peaks?"]
row = vectorizer.transform(question)
chances = classifier.predict_proba(row)[0]
for k in np.argsort(-chances)[:3]:
    print(f"{classifier.classes_[k]}: {chances[k]:.2f}")

# %%
# What speaks for the first of them? A matrix has no names, so its columns are called x0, x1, ...,
# and `words` says which is which. A frame keeps the words, also in the saved file:
# ``pandas.DataFrame.sparse.from_spmatrix(x_train, columns=words)`` stays sparse in `fit`. Make the
# rows to predict in the same way.

for column, share in classifier.explain(row, of="log_odds").ranked()[:4]:
    print(f"{share:+.2f}  {words[int(column.removeprefix('x'))]}")

# %%
# Other vectorizers
# -----------------
# ``CountVectorizer`` will do too. ``HashingVectorizer`` makes 2^20 columns, most of them empty, and
# each gets some seven connections: give ``n_features=2**15``. It keeps no words.
