"""Words of scikit-learn, boosted trees and Keras, and what they are in the estimators."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from trulysparse import _hints
from trulysparse.model import SparseMLP

# Other words, and the arguments that they are here: the first that an estimator has.
_ALIASES = {
    "alpha l2 penalty reg_lambda lambda_l2 l2_leaf_reg": "weight_decay",
    "solver optim": "optimizer",
    "lr eta eta0": "learning_rate_init learning_rate",
    "schedule lr_scheduler power_t": "learning_rate",
    "n_estimators num_trees bagging": "n_members",
    "epochs epoch n_epochs num_epochs max_epochs nb_epoch max_iter n_iter iterations "
    "num_iterations num_boost_round": "max_iter epochs",
    "layers layer_sizes hidden_sizes hidden_dims hidden_dim hidden_size hidden_layers hidden_units "
    "n_hidden units neurons": "hidden_layer_sizes",
    "dropout_rate dropout_prob": "dropout",
    "bs minibatch_size": "batch_size",
    "activation_fn hidden_activation": "activation",
    "seed random_seed": "random_state",
    "num_threads n_threads nthread nthreads threads thread_count workers": "n_jobs",
    "progress silent quiet verbosity": "verbose",
    "normalize normalise standardise scaler": "scale standardize",
    "class_weights is_unbalance auto_class_weights scale_pos_weight": "class_weight sample_weight",
    "class_weight sample_weights weight weights": "sample_weight",
    "target targets label labels y_train": "y",
    "metric metrics eval_metric": "scoring",
    "k n_features max_features": "n_features_to_select",
    "callback": "callbacks",
    "noise": "input_noise",
    "background background_data reference": "baseline",
    "output class_": "outputs",
    "file filename filepath": "path",
}

_HELD_OUT = "fit(..., X_val=..., y_val=...)"
_STOPS = "early_stopping=True, with n_iter_no_change=..."
_KINDS = "nothing, as y says whether it is classes, labels or numbers"
_COUNTED = "nothing, as fit counts the columns and the classes"
_TREES = "nothing, as there are no trees; hidden_layer_sizes and epsilon are the size of a network"
_AS_IT_IS = "nothing, as a DataFrame's columns of text and categories are taken as they are"
_BEST = "nothing, as predict computes with the network that fit kept"

# Words that are no argument here, and what to expect instead.
_TOLD = {
    "eval_set eval_sets valid_sets validation_data validation_set X_valid y_valid X_test y_test "
    "dev_set": _HELD_OUT,
    "validation_split": "validation_fraction=..., with early_stopping=True",
    "early_stopping_rounds early_stopping_round patience od_wait use_best_model": _STOPS,
    "shuffle": "nothing, as every epoch has a new order",
    "num_leaves max_depth max_leaves max_leaf_nodes min_child_samples min_child_weight "
    "min_samples_leaf min_samples_split min_data_in_leaf max_bin depth boosting_type booster "
    "tree_method grow_policy": _TREES,
    "subsample bagging_fraction bagging_freq max_samples": "dropout=..., or n_members=...",
    "colsample_bytree feature_fraction": "dropout=...",
    "reg_alpha lambda_l1 l1 l1_ratio": "optimizer=trulysparse.SGD(l1=...)",
    "beta_1 beta_2 beta1 beta2 betas": "optimizer=trulysparse.Adam(beta_1=...)",
    "cat_features categorical_feature categorical_features enable_categorical": _AS_IT_IS,
    "feature_name feature_names": "a DataFrame for X, which has its names",
    "loss loss_fn loss_function objective criterion": _KINDS,
    "n_classes num_class num_classes n_outputs output_dim input_dim input_shape": _COUNTED,
    "device device_type task_type use_gpu": "nothing, as all is computed by the processor",
    "dtype": "nothing, as networks compute in float32",
    "sparsity": "density, which is 1 - sparsity",
    "missing missing_values": "nothing, as NaN, None and NA are missing",
    "xgb_model init_model": "warm_start=True, or partial_fit(X, y)",
    "num_iteration iteration_range ntree_limit start_iteration": _BEST,
    "raw_score output_margin": "nothing, as predict_log_proba(X) gives logarithms",
    "pred_contrib pred_contribs": "nothing, as explain(X) gives contributions",
    "threshold": "nothing, as predict_proba(X) can be compared with one",
    "proba": "nothing, as predict_proba(X) gives probabilities",
    "groups": "nothing, as sklearn.model_selection.GroupKFold takes groups",
    "importance_type": "nothing, as feature_importances_ are of one kind",
}

_SAVE = "save(path) writes the estimator, and trulysparse.load(path) reads it"
_EPOCHS = "history_ has the numbers of each epoch, and validation_scores_ the held-out scores"
_CURVES = "trulysparse.plot.learning_curves(estimator) draws the epochs"

# Attributes of other libraries.
_ATTRIBUTES = {
    "save_model save_weights dump_model to_file save_pretrained": _SAVE,
    "load load_model load_weights": _SAVE,
    "booster_ booster get_booster module_ network network_ net_ model estimator_ est_": (
        "model_ is the network"
    ),
    "best_iteration_ best_iteration best_iter_ best_ntree_limit n_best_iter_": "best_epoch_",
    "best_score_ best_score": "best_validation_score_",
    "evals_result evals_result_ history train_score_ validation_score_": _EPOCHS,
    "plot plot_loss plot_metric": _CURVES,
    "plot_importance": "trulysparse.plot.feature_importance_bars draws feature_importances_",
    "feature_importances feature_importance_ importances_ get_feature_importance": (
        "feature_importances_"
    ),
    "feature_names feature_name_ feature_names_": "feature_names_in_",
    "n_features n_features_": "n_features_in_",
    "n_layers_": "model_.layers has the layers",
    "coef_": "coefs_ has the weights of each layer",
    "intercept_": "intercepts_ has the biases of each layer",
    "compile": "fit(X, y) trains; the optimiser is an argument of the estimator",
    "predict_classes": "predict(X) gives classes",
    "decision_function": "predict_proba(X) gives probabilities",
    "shap_values predict_contrib": "explain(X) tells what each column contributes",
    "transform": "trulysparse.SparseFeatureSelector selects columns",
    "epochs_ n_epochs_ epochs": "n_iter_",
}
_OF_SELECTOR = {
    "support_ selected_features_ selected_features get_selected": (
        "get_support() tells which columns are selected"
    ),
    "ranking_ ranks_ pvalues_": "scores_",
    "n_selected_features_ n_features": "n_features_",
    "get_feature_names selected_names_": "get_feature_names_out() names the selected columns",
    "cv_results_": "path_, with n_features_to_select='auto'",
    "estimator_": "model_ is the network",
    "predict": "transform(X) gives the selected columns, for an estimator to learn from",
    "predict_proba": "transform(X) gives the selected columns, for an estimator to learn from",
}


def _each(table: Mapping[str, str]) -> dict[str, str]:
    """Give each of the words that share a meaning."""
    return {word: meaning for words, meaning in table.items() for word in words.split()}


def _aliases() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for words, here in _ALIASES.items():
        for word in words.split():
            found[word] = (*found.get(word, ()), *here.split())
    return found


ALIASES, TOLD = _aliases(), _each(_TOLD)
ATTRIBUTES, OF_SELECTOR = _each(_ATTRIBUTES), _each(_OF_SELECTOR)

_TRAINING = ("__init__", "fit", "partial_fit")


def refuse(estimator: object, method: str, unknown: Mapping[str, NoReturn]) -> None:
    """Raise TypeError if there are arguments that a method does not know.

    Parameters
    ----------
    estimator
        Whose class is named, as the user knows it.
    method
        Its name.
    unknown
        What it was given by names that are no parameters.
    """
    if not unknown:  # as always: a prediction of one row is quick
        return
    kind = type(estimator)

    def meant(where: str, name: str) -> str:
        return _meant(kind, method, name)

    _hints.refuse(f"{kind.__name__}.{method}", unknown, meant)


def _meant(kind: type, method: str, name: str) -> str:
    for word in (name, *ALIASES.get(name, ())):
        for place in (method, *_TRAINING):
            if word in _parameters(kind, place):
                return word if place == method else _in(kind, place, word)
    if name in TOLD:
        return TOLD[name]
    known = _parameters(kind, method)
    return "".join(get_close_matches(name, known, n=1)) or f"one of {', '.join(known)}"


def _in(kind: type, place: str, word: str) -> str:
    """Say in which other call an argument stands."""
    return f"{kind.__name__ if place == '__init__' else place}(..., {word}=...)"


def _parameters(kind: type, method: str) -> list[str]:
    function = getattr(kind, method, None)
    return [] if function is None else list(inspect.signature(function).parameters)[1:]


def attribute(estimator: Any, name: str) -> Any:
    """Raise AttributeError for an attribute that an estimator has not; for ``__getattr__``."""
    return _hints.attribute(estimator, name, _of_network(name, ATTRIBUTES))


def of_selector(selector: Any, name: str) -> Any:
    """Do as `attribute` for a selector."""
    return _hints.attribute(selector, name, _of_network(name, OF_SELECTOR))


def _of_network(name: str, words: Mapping[str, str]) -> Mapping[str, str]:
    """Add what is an attribute of the network, if it is one and has no other word."""
    if name in words or name.startswith("_") or not hasattr(SparseMLP, name):
        return words
    return {name: f"model_ is the network, which has it: model_.{name}"}
