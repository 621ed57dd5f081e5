"""Text with 262,144 hashed columns, never dense: `python examples/sparse_text.py`."""

import numpy as np
import trulysparse as ts
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.model_selection import train_test_split

SUBJECTS = {
    "weather": "rain sun wind cloud storm snow fog heat frost thunder",
    "kitchen": "oven bread salt knife flour butter onion soup pan spoon",
    "railway": "train track signal station engine ticket platform bridge tunnel driver",
}
NOUNS = np.array([f"thing{i}" for i in range(2000)])  # which say nothing about the subject
VERBS = ["saw", "heard", "found", "forgot", "liked", "missed"]


def sentences(rng, count):
    """Draw sentences and their subjects; most words are not about those."""
    names = list(SUBJECTS)
    subjects = rng.choice(names, size=count)
    texts = []
    for subject in subjects:
        words = rng.choice(NOUNS, size=rng.integers(6, 12)).tolist()
        words += rng.choice(SUBJECTS[subject].split(), size=rng.integers(1, 4)).tolist()
        if rng.random() < 0.3:  # somebody else's subject now and then
            words += rng.choice(SUBJECTS[rng.choice(names)].split(), size=1).tolist()
        rng.shuffle(words)
        texts.append(f"they {rng.choice(VERBS)} the {' and the '.join(words)}")
    return texts, subjects


def main():
    """Hash the words of sentences, train on SciPy's CSR matrix, and look at what matters."""
    texts, subjects = sentences(np.random.default_rng(0), 4000)
    vectorizer = HashingVectorizer(n_features=2**18, alternate_sign=False)
    x = vectorizer.transform(texts)
    split = train_test_split(x, subjects, test_size=1000, stratify=subjects, random_state=0)
    x_train, x_test, y_train, y_test = split
    print(f"{x.shape[0]:,} x {x.shape[1]:,} {x.format.upper()}, {x.nnz / x.shape[0]:.1f} a row")

    # A sparse table is not standardised, and Adam trains it and connections grow by gradient unless
    # the estimator is told otherwise. Most columns are empty: one or two connections will do.
    classifier = ts.SparseMLPClassifier(
        (50,), epsilon=2, learning_rate_init=0.01, max_iter=8, random_state=0
    )
    classifier.fit(x_train, y_train)
    print(f"accuracy {classifier.score(x_test, y_test):.3f}")
    dense = x.shape[0] * x.shape[1] * 4
    print(f"dense samples: {dense / 1e9:.1f} GB; sparse: {x.nnz * 8 / 1e6:.1f} MB")

    # The words with the highest scores, each looked up by its column.
    vocabulary = sorted({word for text in texts for word in text.split()})
    columns = vectorizer.transform(vocabulary).indices
    scores = classifier.feature_importances_[columns]
    top = [vocabulary[i] for i in np.argsort(-scores)[:10]]
    print("words that matter:", ", ".join(top))


if __name__ == "__main__":
    main()
