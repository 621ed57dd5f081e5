"""What the docstrings of the classifier and of the regressor have in common.

``<NAME>`` alone on a line of a docstring stands for a text of ``PARTS``, ``{parameter}`` for the
parameter's default value.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any, TypeVar

from trulysparse.optim.optimizers import BY_NAME

T = TypeVar("T", bound=type)

PARTS = {
    "PARAMETERS": """\
hidden_layer_sizes
    Neurons of the hidden layers, a number for one layer; () makes a linear model. Default
    ``"auto"``: (100,), and (300,) from 1,000 samples on with dense `X`.
activation
    Of the hidden layers, as in `SparseMLP`. Default ``"relu"``; for deep networks
    ``"leaky_relu"``.
slope
    Of the negative side of All-ReLU and leaky ReLU. Default 0.6.
epsilon
    The Erdos-Renyi parameter: a layer has about ``epsilon * (n_in + n_out)`` connections.
    Default {epsilon}.
density
    The probability of a connection in (0, 1], instead of `epsilon`. Default None.
dropout
    The probability with which a hidden unit is dropped in training. Default ``"auto"``: 0.5, and
    0.2 in `partial_fit`.
input_noise
    The standard deviation of the noise on the inputs in training, at least 0. Default 0.
input_gain
    Factor of the first layer's initial weights, above 0. Default ``"auto"``: 0.1, so that features
    from which nothing is learnt count for little; 1 in `partial_fit`.
label_smoothing
    How much of each class training spreads evenly over all, in [0, 1). Default ``"auto"``: 0.1 for
    classes of fewer than 1,000 samples, and 0 otherwise and in `partial_fit`. Smoothing and dropout
    make probabilities too even, so `fit` ends by dividing what the softmax gets by a temperature.
    It changes no predicted class. It is the one at which a quarter of the samples, held out for it,
    is likeliest. There is none if this or `max_iter` is given, with fewer than 20 samples, or with
    more than 5,000.
batch_size
    Samples per step. Default ``"auto"``: a fortieth of the samples, but at least
    16 and at most 128 of them.
learning_rate
    ``"cosine"`` (default), down to 0 over `max_iter`, or ``"constant"``.
learning_rate_init
    The step size at the start. Default ``"auto"``: 0.004 for Adam, {rate} for SGD, and that of
    another optimiser. If the loss is then not finite or explodes, `fit` starts anew with a fourth
    of it, up to four times; `n_retries_` says how often. Not with `warm_start`.
momentum
    In [0, 1); SGD's `momentum`, or another optimiser's `beta_1`. Default 0.9.
nesterovs_momentum
    Whether SGD's momentum is Nesterov's. Default True.
weight_decay
    The fraction of every parameter that is taken away per step, in [0, 1); *not* multiplied by
    the learning rate. That of other optimisers than `SGD` is, and may be any number of at least
    0. Default ``"auto"``: 0.3 for Adam, and 1 with sparse `X`; for SGD 0.005 by the number of
    steps in an epoch, so that it takes the same fraction per epoch from small and large data; 0 for
    other optimisers.
optimizer
    {optimizers}, or ``"auto"`` (default): `Adam`, but `SGD` for SReLU and for `partial_fit`
    with dense `X`; None is the same. Or one that `SparseMLP.fit`
    takes, instead of the five parameters before. What is ``"auto"``, here and below, goes by
    the first training data and stays with `warm_start` and `partial_fit`.
max_iter
    Epochs, passes over the samples. All of them are run unless `early_stopping` ends the
    training: the learning rate reaches 0 with the last one. Default ``"auto"``: as many as make
    1,500 steps, and at least 30.
topology
    How connections evolve, after epochs of at least 20 steps together: ``"set"`` is a `SET` with
    `zeta` and `grow_init`, ``"gradient"`` a `GradientGrowth` with `zeta`, and ``"auto"`` (default)
    is the second. Or a rule that `SparseMLP.fit` takes, or None for connections that stay.
zeta
    The fraction of connections that is replaced after an epoch, in [0, 1). Default 0.3.
grow_init
    The scale of the weights that ``topology="set"`` grows, in units of the initial ones. Default
    0.1.
pruning
    An `ImportancePruning` to prune neurons while training, or None (default). One with a
    `tolerance` needs `early_stopping`, or `X_val` and `y_val` of `fit`.
standardize
    The older name of `scale`: True is ``"standard"``, False None. Default ``"auto"``.
scale
    How numbers are scaled, by statistics of the first training data. ``"standard"``: less their
    mean, by their deviation. ``"robust"``: less their median, by the spread between their
    quartiles (over 1.349, as normal numbers have it); where half of them or more are one value, by
    half of what the others typically differ from it. Weights have no say in it. None: not at all.
    Default ``"auto"``: ``"standard"``, but ``"robust"`` for columns with a deviation of more than
    3 spreads, so that a few values do not drown the others. Of sparse `X`, columns that less than
    half of the samples have are not shifted, and scaled only if their values are of another size
    than 1. `columns_` says how each column is scaled. `partial_fit` sees no quartiles of all
    samples: before a `fit` it does without, and after one that took some all statistics stay.
clip
    A number that no scaled value exceeds: z becomes ``z / sqrt(1 + (z / clip)^2)``. Default
    ``"auto"``: 3 where classes or labels are learnt from an array; 10 where numbers are, if some
    columns are scaled by their spread; and None otherwise. None: no clip, and with
    ``scale="auto"`` no spreads, as far values would then be larger still.
feature_selection
    Whether features are left out. ``"auto"`` (default) and True train on three quarters of the
    samples while features leave (`SparseFeatureSelector`); if what is left at some point predicts
    the other quarter clearly better than a network with all, only as many are connected. They stay
    with `warm_start` and `partial_fit`. ``"auto"`` does so for arrays of 100 features and 120
    samples or more, up to 20 samples a feature. False: never.
n_members
    Networks that differ in connections and seed, trained side by side. `model_` is their average,
    one network with the neurons of all, which gives the geometric mean of their probabilities.
    Dense samples are gathered once for all of them, in one order. Default 1.
n_snapshots
    How many networks of one run are averaged. After a first part at the full rate, the rate falls
    along as many cosines, each from the full one. `model_` is the average of the networks at their
    ends. It takes as many steps as one network. `validation_scores_` are those of the network in
    training. With `n_members` those of each are kept. Default 1. Not with `early_stopping`;
    `warm_start` and `partial_fit` allow neither members nor snapshots.
early_stopping
    Hold out `validation_fraction` of the samples, or take `X_val` and `y_val` of `fit`; end
    the training when their score has not improved for `n_iter_no_change` epochs, and keep the
    network that had the best score. `partial_fit` does not look at it. Default False.
validation_fraction
    In (0, 1), with `early_stopping` and without `X_val`; at least two samples, and one per
    class. Default 0.1.
n_iter_no_change
    Epochs, with `early_stopping`. Default 10.
tol
    By how much a score has to improve, with `early_stopping`; at least 0. Default 1e-4.
warm_start
    Let `fit` go on with the network of the last `fit` instead of starting anew. Classes must be the
    same, and so must the settings that a network is made with, as in `partial_fit`: another
    `hidden_layer_sizes`, `activation`, `slope`, `epsilon`, `density`, `dropout`, `input_noise`,
    `input_gain`, `label_smoothing`, `standardize`, `scale` or `clip` is a ValueError. Default
    False.
random_state
    An integer, a `numpy.random.RandomState`, or None (default) for NumPy's global one. The
    same integer gives the same bits for any `n_jobs`. A network that goes on keeps its seed.
n_jobs
    Threads: None (default) is 1 outside of a joblib context, -1 all.
verbose
    Whether a progress bar is drawn. Default False.""",
    "ATTRIBUTES": """\
coefs_ : list of SciPy csc_array
    The weights of each layer, float32 of shape (n_in, n_out); read-only snapshots.
intercepts_ : list of float32 array of shape (n_out,)
    The biases of each layer. Weights and biases are those of standardised features
    if there are such.
feature_importances_ : float64 array of shape (n_features_in_,)
    `SparseMLP.feature_importance`: the absolute weights multiplied along all paths from a
    feature to the outputs; 0 for features that were constant in the training data. Levels of a
    category are times their deviation; a column has the root of the sum of their squares.
neuron_importances_ : list of float32 array of shape (neurons,)
    Of each hidden layer: the sum of a neuron's absolute incoming weights.
loss_curve_ : list of float
    The mean training loss of each epoch as it was met, with dropout; of all fits since the
    network was made.
loss_, best_loss_ : float
    The last and the least of them.
n_retries_ : int
    How often the last `fit` started anew with a lower rate.
validation_scores_ : list of float, or None
    The scores after each epoch of the last fit, if there were validation data.
best_validation_score_ : float, or None
    The best of them.
best_epoch_ : int, or None
    Its place in `validation_scores_`, counted from 0. With `early_stopping` the network is that of
    this epoch. Its `history_` has ``val_accuracy`` too, without `class_weight`, whose best epoch
    may be another.
notes_ : list of str
    What the first `fit` noticed: columns that predict the label by themselves, as those do that
    are known only after it, and whether `feature_selection` has left features out.
history_ : History
    Of the last fit, with the numbers of connections, seconds and more per epoch.
n_iter_ : int
    Epochs since the network was made.
n_features_in_ : int
    The number of features that `fit` saw.
feature_names_in_ : array of str, shape (n_features_in_,)
    Their names, if `X` has such names.
columns_ : tuple of Part
    What became of each column, and how it is scaled; ``print(*model.columns_, sep="\\n")``.
features_used_ : int64 array, or None
    The places of the features that `feature_selection` kept, ascending; None: all. Their names are
    ``feature_names_in_[features_used_]``, if `X` has names.
n_outputs_ : int
    Neurons of the output layer.
model_ : SparseMLP
    The network; what `SparseMLP` can do, `compact` and `save` among it, can be done with it.
    It takes features that were constant in training as 0.""",
    "NOTES": """\
The network stores the connections that exist and nothing of the size n_in x n_out. Features that
were constant in the training data of `fit` are ignored, as nothing could be learnt from them.
Samples of weight 0 are left out. Computed in float32.""",
    "X": """\
X
    Samples, (n_samples, n_features): numbers, as an array, a tensor on the CPU, a frame or a SciPy
    sparse matrix, which stays sparse; two or more samples. Or `RowBlocks`, as `open_table`
    gives them, without `y`: rows of a file that is larger than memory.""",
    "SAMPLE_WEIGHT": """\
sample_weight
    Weights, (n_samples,), at least 0; only their proportions matter. None (default): all the
    same.""",
    "SAMPLE_FACTORS": """\
sample_weight
    Weights, (n_samples,), at least 0, as factors of the samples' gradients: not only their
    proportions matter here.""",
    "HELD_OUT": """\
X_val, y_val
    Samples on which every epoch is scored: `validation_scores_`, and ``val_loss`` in `history_`.
    Not trained on; `early_stopping` looks at them.""",
    "WATCHING": """\
callbacks
    `Callback` objects, as `SparseMLP.fit` takes them. They see the network that becomes `model_`,
    epochs counted from 0, and its numbers, those of `scoring` among them; not the networks by
    which `feature_selection` and a temperature are chosen. A fit that starts anew at a lower rate
    tells them so: `on_train_begin` with another model, and epochs from 0. With `n_members` their
    model is the average; with `n_snapshots` it is the network in training. With `early_stopping`
    `on_train_end` sees the best network. What they raise ends `fit`, and the estimator stays as it
    was. One that sets the learning rate needs ``learning_rate="constant"``. None (default): none.
scoring
    What held-out rows are scored by after every epoch, beside `validation_scores_`: the name of a
    scorer of scikit-learn, a function of an estimator, X and y, a list of names, or a dict from
    names to scorers. `history_` has each under ``val_`` and its name, a function under
    ``val_score``. X are the held-out rows as `fit` got them, without weights. Needs rows that are
    held out: `early_stopping`, or `X_val` and `y_val`. None (default): nothing.""",
}


def documented(cls: T) -> T:
    """Fill in the placeholders in the docstrings of a class and of its methods."""
    names = ", ".join(f'``"{name}"``' for name in BY_NAME)
    values = {"rate": cls._RATE, "optimizers": names}  # type: ignore[attr-defined]
    for parameter in inspect.signature(cls).parameters.values():
        values[parameter.name] = parameter.default
    for item in (cls, *filter(inspect.isfunction, vars(cls).values())):
        if item.__doc__:  # none with python -OO
            item.__doc__ = _filled(item.__doc__, values)
    return cls


def _filled(doc: str, values: dict[str, Any]) -> str:
    doc = inspect.cleandoc(doc)
    doc = re.sub(r"^( *)<(\w+)>$", lambda m: textwrap.indent(PARTS[m[2]], m[1]), doc, flags=re.M)
    return re.sub(r"\{(\w+)\}", lambda m: f"{values[m[1]]}", doc)
