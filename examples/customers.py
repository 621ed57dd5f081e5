"""
From a CSV file to a saved model and a report
=============================================

A table as businesses have it: numbers, categories, dates, missing cells, a customer number. Who
will leave in the next quarter, how sure is that, and why? We draw the table at random, so we know
the truth. Three things make customers leave: their tariff, calls to the hotline while the
contract is young, and a price rise. The city and the year of birth do not matter.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import trulysparse as ts
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

TARIFFS, CITIES = ("basic", "family", "business", "student"), tuple(f"city {i}" for i in range(60))


def write_table(path, rows=4000, seed=0):
    """Write a CSV file with a row for each customer, and give the true probabilities."""
    rng = np.random.default_rng(seed)
    months, calls = rng.integers(1, 72, rows), rng.poisson(1.5, rows)
    tariff, rise = rng.integers(0, 4, rows), rng.exponential(4, rows) * (rng.random(rows) < 0.4)
    leaning = np.array([0.6, -0.8, -0.4, 0.3])[tariff] + 0.8 * calls * (months < 18) + 0.15 * rise
    truth = 1 / (1 + np.exp(2.4 - leaning))
    left = rng.random(rows) < truth
    start = np.datetime64("2026-11-01") - (30.4 * months).astype("timedelta64[D]")
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(
            ["customer", "since", "tariff", "city", "calls", "price rise", "birth year", "left"]
        )
        for i in range(rows):
            said = "" if rng.random() < 0.1 else calls[i]  # some calls are not known
            out.writerow([
                f"C-{100000 + 7 * i}", start[i], TARIFFS[tariff[i]], CITIES[rng.integers(60)],
                said, f"{rise[i]:.2f}", rng.integers(1940, 2008), "yes" if left[i] else "no",
            ])  # fmt: skip
    return truth


truth = write_table(Path("customers.csv"))
print(*Path("customers.csv").read_text(encoding="utf-8").splitlines()[:4], sep="\n")

# %%
# Read it and train
# -----------------
# Nothing is encoded by hand. Categories become sparse columns. Dates become numbers and parts of
# the calendar. A missing cell becomes a feature, as it may tell something. A column that only
# names the rows is left out. `columns_` says what became of each. "Clipped at 3" means that a value
# far from the mean is pulled in smoothly, and never counts as more than 3 deviations.

table = ts.read_table("customers.csv", label="left", ids="customer")
left = np.asarray(table.y)
train, test = train_test_split(np.arange(len(left)), stratify=left, random_state=0)
x_train, x_test, y_train, y_test = table.x[train], table.x[test], left[train], left[test]

classifier = ts.SparseMLPClassifier(random_state=0).fit(x_train, y_train)
for column in classifier.columns_:
    print(column)

# %%
# How good is it?
# ---------------
# Luck has a part in who leaves. The best possible AUC is that of the true probabilities, which we
# know here.

chance = classifier.predict_proba(x_test)[:, list(classifier.classes_).index("yes")]
area = roc_auc_score(y_test == "yes", chance)
print(f"network: AUC {area:.3f}, accuracy {classifier.score(x_test, y_test):.3f}")
print(f"the truth: AUC {roc_auc_score(y_test == 'yes', truth[test]):.3f}")
leaving = np.mean(y_test == "yes")
print(f"always saying the more frequent: accuracy {max(leaving, 1 - leaving):.3f}")

# %%
# Are the probabilities right? We group the customers by the predicted probability of leaving, and
# count how many of each group left.

said, did = [], []
for low in np.arange(0, 1, 0.1):
    among = (chance >= low) & (chance < low + 0.1)
    if among.sum() >= 10:
        said.append(chance[among].mean())
        did.append(np.mean(y_test[among] == "yes"))
fig, ax = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
ax.plot([0, 1], [0, 1], color="gray", ls=":", label="as said")
ax.plot(said, did, "o-", label="this network")
ax.set(xlabel="said to leave", ylabel="have left", title="Customers by what was said of them")
ax.legend()
fig.savefig("customers-calibration.png")

# %%
# `predict` says "yes" above one half, which is rare where few leave. To call those who may leave,
# take all above a lower threshold, and look at what that costs:

for threshold in (0.5, 0.3, 0.2):
    called = chance >= threshold
    found, right = called[y_test == "yes"].mean(), np.mean(y_test[called] == "yes")
    print(f"above {threshold}: {called.sum()} calls, {right:.0%} of them leave; {found:.0%} found")

# %%
# Why?
# ----
# Importance is what the *network* has learnt, the noise of its training rows too. A category gets
# more of it by chance the more levels it has: in some of 60 cities more customers happened to
# leave. Rows that training has not seen tell what of that is true. Shuffle a column there: how much
# of the AUC is lost? The columns of the three reasons cost some, city and birth year next to
# nothing.

frame_columns = classifier.feature_names_in_
lost = {}
for name in frame_columns:
    areas = []
    for seed in range(10):
        mixed = x_test.with_columns(x_test[name].shuffle(seed))
        areas.append(roc_auc_score(y_test == "yes", classifier.predict_proba(mixed)[:, 1]))
    lost[name] = area - np.mean(areas)
for i in np.argsort(-classifier.feature_importances_):
    name, importance = frame_columns[i], classifier.feature_importances_[i]
    print(f"{name:12s} importance {importance:.3f}, AUC lost {lost[name]:.3f}")

# %%
# And for one customer, in units of the log-odds. What the city adds here is noise:

most = int(np.argmax(chance))
print(x_test[most].to_dicts()[0])
for column, share in classifier.explain(x_test[[most]], of="log_odds").ranked()[:4]:
    print(f"{share:+.2f}  {column}")

# %%
# Keep it, and show it
# --------------------
# The file holds all that new rows need: columns, categories, scales, classes. It is no pickle.
# The report is one page without scripts, to send to a colleague. Its effect of a category is that
# of the lowest level against the highest, which is large for 60 cities by chance too.

classifier.save("churn.safetensors")
again = ts.load("churn.safetensors")
print((again.predict(x_test) == classifier.predict(x_test)).all())
classifier.report(x_test, y_test, "customers.html", name="customers, held out")

# %%
# The same on the command line. With ``--id`` each line of the predictions names its customer:
#
# .. code-block:: sh
#
#    trulysparse train --data customers.csv --label left --id customer --out run
#    trulysparse predict run/model.safetensors --data new.csv --id customer --out out.csv
#    trulysparse report run --data held-out.csv --out report.html
