"""The names that arguments take, as types: what a type checker reads of a setting that is a text.

The tables and the core know the same names; ``tests/model/test_hints.py`` compares them. In code of
your own: ``def network(activation: names.Activation) -> SparseMLP``.
"""

from typing import Literal, TypeAlias

Auto: TypeAlias = Literal["auto"]
"""What an estimator chooses by the data."""

Activation: TypeAlias = Literal[
    "all_relu",
    "relu",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "silu",
    "gelu",
    "identity",
    "srelu",
]
"""Of hidden layers."""
Loss: TypeAlias = Literal[
    "cross_entropy", "binary_cross_entropy", "squared_error", "huber", "squared_error_sigmoid"
]
"""What training makes small."""
Allocation: TypeAlias = Literal["er", "erk", "uniform"]
"""How a density is spread over layers."""
Init: TypeAlias = Literal["he_uniform", "xavier", "lecun_uniform", "normal"]
"""How weights start."""
Fan: TypeAlias = Literal["layer", "real"]
"""What initial weights are scaled by: the layer's size, or a neuron's real connections."""
Standardize: TypeAlias = bool | Literal["auto"]
"""Whether inputs are standardised."""
Scale: TypeAlias = Literal["auto", "standard", "robust"]
"""How an estimator scales features."""
Task: TypeAlias = Literal["auto", "classification", "regression"]
"""What an estimator learns; ``"auto"`` goes by the targets."""
ClassWeight: TypeAlias = Literal["balanced"]
"""Weights of classes by how rare they are."""
Memory: TypeAlias = Literal["fast", "lean", "least"]
"""What memory training spends."""
Optimizer: TypeAlias = Literal["sgd", "adam", "lion"]
"""Optimisers by name, with their defaults."""
Topology: TypeAlias = Literal["set", "gradient"]
"""Rules by name, as estimators take them."""
RateSchedule: TypeAlias = Literal["constant", "step", "exponential", "cosine"]
"""Of an optimiser's learning rate."""
LayerRates: TypeAlias = Literal["equal", "fan_in"]
"""What the learning rate of a layer depends on."""
ZetaSchedule: TypeAlias = Literal["constant", "cosine"]
"""Of a rule's share of connections that move."""
Over: TypeAlias = Literal["all", "connected"]
"""The neurons that a percentile of importance is of."""
Mode: TypeAlias = Literal["auto", "min", "max"]
"""Which values of what is watched are better."""
Importance: TypeAlias = Literal["path", "strength", "contribution"]
"""What a score of a feature is made of."""
Explained: TypeAlias = Literal["logits", "log_odds", "outputs"]
"""What contributions sum up to."""
