"""A float64 NumPy oracle of the whole system, for small networks.

It shares no code with the package: weights are dense float64 arrays with a boolean support,
and every formula is written out in its textbook form. Shapes follow the public API: a weight
has shape (n_in, n_out), a batch has shape (n, features), and ``x @ weight + bias`` is the
pre-activation.
"""

from __future__ import annotations

import copy
import itertools
import math
from dataclasses import dataclass, field

import numpy as np

ACTIVATIONS = ("all_relu", "relu", "leaky_relu", "sigmoid", "tanh", "silu", "gelu", "identity")
# How much further than without missing labels one reaches in a gradient.
MOST_PULL = 4.0

LOSSES = (
    "cross_entropy", "binary_cross_entropy", "squared_error", "squared_error_sigmoid", "huber",
)  # fmt: skip
WITHOUT_ACCURACY = ("squared_error", "huber")


def hidden_slope(activation: str, slope: float, hidden_index: int) -> float:
    """Slope of the negative side of hidden layer 0, 1, ... (All-ReLU starts with -slope)."""
    if activation == "all_relu":
        return -slope if hidden_index % 2 == 0 else slope
    return {"leaky_relu": slope, "relu": 0.0}.get(activation, 1.0)


def activate(activation: str, z: np.ndarray, slope: float) -> np.ndarray:
    if activation in ("all_relu", "relu", "leaky_relu"):
        return np.where(z > 0, z, slope * z)
    if activation == "sigmoid":
        return sigmoid(z)
    if activation in ("silu", "gelu"):
        return z * (sigmoid(z) if activation == "silu" else normal_below(z))
    return np.tanh(z) if activation == "tanh" else z


def normal_below(z: np.ndarray) -> np.ndarray:
    """The standard normal distribution function."""
    return np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2.0)), otypes=[float])(z)


def activation_derivative(activation: str, z: np.ndarray, slope: float) -> np.ndarray:
    if activation in ("all_relu", "relu", "leaky_relu"):
        return np.where(z > 0, 1.0, slope)
    if activation == "sigmoid":
        return sigmoid(z) * sigmoid(-z)
    if activation == "silu":
        return sigmoid(z) * (1.0 + z * sigmoid(-z))
    if activation == "gelu":
        return normal_below(z) + z * np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
    return 1.0 - np.tanh(z) ** 2 if activation == "tanh" else np.ones_like(z)


def srelu(z: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """SReLU of (n, units); ``parameters``: (units, 4), lower threshold and slope, upper ones."""
    lower, below, upper, above = parameters.T
    tails = np.where(z <= lower, lower + below * (z - lower), z)
    return np.where(z >= upper, upper + above * (z - upper), tails)


def srelu_derivatives(z: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By z, (n, units), and by the parameters, (4, n, units)."""
    lower, below, upper, above = parameters.T
    high = z >= upper
    low = (z <= lower) & ~high
    by_z = np.where(high, above, np.where(low, below, 1.0))
    by_lower, by_upper = low * (1 - below), high * (1 - above)
    return by_z, np.stack([by_lower, low * (z - lower), by_upper, high * (z - upper)])


def sigmoid(z: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0 / (1.0 + e), e / (1.0 + e))


def log_softmax(z: np.ndarray) -> np.ndarray:
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def output(loss: str, z: np.ndarray) -> np.ndarray:
    """The prediction that belongs to the loss: softmax, sigmoid or the identity."""
    if loss == "cross_entropy":
        return np.exp(log_softmax(z))
    return sigmoid(z) if loss in ("binary_cross_entropy", "squared_error_sigmoid") else z


def mean_loss(loss: str, z: np.ndarray, target: np.ndarray) -> float:
    """Mean over the samples; ``target`` has the shape of ``z`` (see ``as_targets``).

    NaN is a label that is missing. The mean over the labels that are there is multiplied by the
    number of outputs, as is that over samples if none is missing.
    """
    if np.isnan(target).any():
        there = ~np.isnan(target)
        return mean_loss(loss, z[there][:, None], target[there][:, None]) * z.shape[1]
    if loss == "cross_entropy":
        per_sample = -(target * log_softmax(z)).sum(axis=1)
    elif loss == "binary_cross_entropy":
        # -y log p - (1 - y) log(1 - p) in logits, which never takes the log of zero.
        per_sample = (np.maximum(z, 0) - z * target + np.log1p(np.exp(-np.abs(z)))).sum(axis=1)
    elif loss == "huber":
        d = np.abs(z - target)
        per_sample = np.where(d <= 1, d**2 / 2, d - 0.5).sum(axis=1)
    else:
        per_sample = 0.5 * ((output(loss, z) - target) ** 2).sum(axis=1)
    return float(per_sample.mean())


def as_targets(loss: str, y: np.ndarray, n_out: int) -> np.ndarray:
    """Class labels become one-hot rows, a vector for one output becomes a column."""
    y = np.asarray(y)
    if loss == "cross_entropy" and y.ndim == 1:
        return np.eye(n_out)[y]
    return y.astype(np.float64).reshape(len(y), n_out)


@dataclass
class OracleLayer:
    weight: np.ndarray
    support: np.ndarray
    bias: np.ndarray
    momentum: np.ndarray = field(default=None)
    bias_momentum: np.ndarray = field(default=None)
    square: np.ndarray = field(default=None)
    bias_square: np.ndarray = field(default=None)
    srelu: np.ndarray | None = None
    srelu_momentum: np.ndarray | None = None

    def __post_init__(self) -> None:
        assert np.all(self.weight[~self.support] == 0)
        if self.momentum is None:
            self.momentum = np.zeros_like(self.weight)
        if self.bias_momentum is None:
            self.bias_momentum = np.zeros_like(self.bias)
        if self.square is None:
            self.square = np.zeros_like(self.weight)
        if self.bias_square is None:
            self.bias_square = np.zeros_like(self.bias)
        if self.srelu is not None and self.srelu_momentum is None:
            self.srelu_momentum = np.zeros_like(self.srelu)


@dataclass
class Oracle:
    layers: list[OracleLayer]
    activation: str | list[str]
    loss: str
    slope: float = 0.6
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None
    label_smoothing: float = 0.0

    def activations(self) -> list[str]:
        hidden = len(self.layers) - 1
        return [self.activation] * hidden if isinstance(self.activation, str) else self.activation

    def slopes(self) -> list[float]:
        return [hidden_slope(name, self.slope, i) for i, name in enumerate(self.activations())]

    def activate(self, i: int, z: np.ndarray) -> np.ndarray:
        """The activations of hidden layer i."""
        if self.activations()[i] == "srelu":
            return srelu(z, self.layers[i].srelu)
        return activate(self.activations()[i], z, self.slopes()[i])

    def targets(self, y: np.ndarray) -> np.ndarray:
        return as_targets(self.loss, y, self.layers[-1].weight.shape[1])

    def smoothed(self, y: np.ndarray) -> np.ndarray:
        """The targets that training learns."""
        targets = self.targets(y)
        return (1 - self.label_smoothing) * targets + self.label_smoothing / targets.shape[1]

    def standardise(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        return x if self.mean is None else (x - self.mean) * self.scale

    def pass_through(self, x, masks=None):
        """Inputs and pre-activations of every layer; ``masks`` multiply hidden activations."""
        inputs, pre_activations = [self.standardise(x)], []
        for i, layer in enumerate(self.layers):
            z = inputs[-1] @ layer.weight + layer.bias
            pre_activations.append(z)
            if i < len(self.layers) - 1:
                a = self.activate(i, z)
                inputs.append(a if masks is None else a * masks[i])
        return inputs, pre_activations

    def logits(self, x, masks=None) -> np.ndarray:
        return self.pass_through(x, masks)[1][-1]

    def predict(self, x) -> np.ndarray:
        return output(self.loss, self.logits(x))

    def evaluate(self, x, y, masks=None) -> float:
        return mean_loss(self.loss, self.logits(x, masks), self.targets(y))

    def training_loss(self, x, y, masks=None) -> float:
        """The loss whose gradients a step takes."""
        return mean_loss(self.loss, self.logits(x, masks), self.smoothed(y))

    def accuracy(self, x, y) -> float:
        prediction, target = self.predict(x), self.targets(y)
        if self.loss in ("binary_cross_entropy", "squared_error_sigmoid"):
            right = (prediction > 0.5) == (target > 0.5)
            return float(right[~np.isnan(target)].mean())
        return float((prediction.argmax(axis=1) == target.argmax(axis=1)).mean())

    def gradients(self, x, y, masks=None) -> list[tuple[np.ndarray, np.ndarray]]:
        """(weight gradient on the support, bias gradient) of every layer."""
        return self.all_gradients(x, y, masks)[0]

    def all_gradients(self, x, y, masks=None):
        """What `gradients` gives, and SReLU's gradients, (units, 4), by the layer that has them."""
        srelus = {}
        inputs, pre_activations = self.pass_through(x, masks)
        target = self.smoothed(y) if self.label_smoothing > 0 else self.targets(y)
        delta = output(self.loss, pre_activations[-1]) - target
        if self.loss == "huber":
            delta = delta.clip(-1, 1)
        # Missing labels have no gradient; that of the others is the mean's, as far as it reaches.
        counted = (~np.isnan(delta)).mean(axis=1).sum()
        delta = np.nan_to_num(delta) * min(len(delta) / counted, MOST_PULL) / len(delta)
        if self.loss == "squared_error_sigmoid":
            z = pre_activations[-1]
            delta = delta * sigmoid(z) * sigmoid(-z)
        result = []
        for i in reversed(range(len(self.layers))):
            layer = self.layers[i]
            result.append((inputs[i].T @ delta * layer.support, delta.sum(axis=0)))
            if i > 0:
                z = pre_activations[i - 1]
                delta = delta @ layer.weight.T
                if masks is not None:
                    delta = delta * masks[i - 1]
                name = self.activations()[i - 1]
                if name == "srelu":
                    by_z, by_parameters = srelu_derivatives(z, self.layers[i - 1].srelu)
                    srelus[i - 1] = (by_parameters * delta).sum(axis=1).T
                    delta = delta * by_z
                else:
                    delta = delta * activation_derivative(name, z, self.slopes()[i - 1])
        return result[::-1], srelus

    def step(
        self,
        x,
        y,
        *,
        lr=0.01,
        momentum=0.9,
        weight_decay=2e-4,
        nesterov=False,
        l1=0.0,
        by_fan_in=False,
        masks=None,
    ):
        """One step of momentum SGD; the decay is not multiplied by the learning rate."""
        gradients, srelus = self.all_gradients(x, y, masks)
        for i, g in srelus.items():  # without decay
            layer = self.layers[i]
            v = momentum * layer.srelu_momentum - lr * g
            layer.srelu = layer.srelu + (momentum * v - lr * g if nesterov else v)
            layer.srelu_momentum = v
        fan_ins = self.fan_ins()
        for i, (layer, (gw, gb)) in enumerate(zip(self.layers, gradients, strict=True)):
            for name, velocity_name, g, rate in (
                ("weight", "momentum", gw, lr * min(fan_ins) / fan_ins[i] if by_fan_in else lr),
                ("bias", "bias_momentum", gb, lr),
            ):
                w = getattr(layer, name)
                v = momentum * getattr(layer, velocity_name) - rate * g
                push = momentum * v - rate * g if nesterov else v
                setattr(layer, velocity_name, v)
                new = w + push - weight_decay * w
                setattr(layer, name, soft(new, rate * l1) if name == "weight" else new)

    def scale_velocity(self, factor: float) -> None:
        for layer in self.layers:
            layer.momentum = factor * layer.momentum
            layer.bias_momentum = factor * layer.bias_momentum
            if layer.srelu is not None:
                layer.srelu_momentum = factor * layer.srelu_momentum

    def fan_ins(self) -> list[float]:
        return [float(layer.support.sum(axis=0).mean()) for layer in self.layers]

    def adam_step(
        self,
        x,
        y,
        t,
        *,
        lr=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        weight_decay=0.0,
        l1=0.0,
        by_fan_in=False,
    ):
        """Step number ``t``, from 1, of Adam with decoupled decay."""
        fan_ins = self.fan_ins()
        for i, (layer, (gw, gb)) in enumerate(zip(self.layers, self.gradients(x, y), strict=True)):
            for name, mean, square, g, rate in (
                (
                    "weight",
                    "momentum",
                    "square",
                    gw,
                    lr * min(fan_ins) / fan_ins[i] if by_fan_in else lr,
                ),
                ("bias", "bias_momentum", "bias_square", gb, lr),
            ):
                w = getattr(layer, name)
                m = beta_1 * getattr(layer, mean) + (1 - beta_1) * g
                s = beta_2 * getattr(layer, square) + (1 - beta_2) * g**2
                setattr(layer, mean, m)
                setattr(layer, square, s)
                m_hat, s_hat = m / (1 - beta_1**t), s / (1 - beta_2**t)
                new = w - rate * (m_hat / (np.sqrt(s_hat) + epsilon) + weight_decay * w)
                setattr(layer, name, soft(new, rate * l1) if name == "weight" else new)

    def lion_step(
        self,
        x,
        y,
        *,
        lr=0.0001,
        beta_1=0.9,
        beta_2=0.99,
        weight_decay=0.0,
        l1=0.0,
        by_fan_in=False,
    ):
        """One step of Lion. Gives the numbers whose signs it went by, as layers have them."""
        fan_ins, decisive = self.fan_ins(), []
        for i, (layer, (gw, gb)) in enumerate(zip(self.layers, self.gradients(x, y), strict=True)):
            slower = lr * min(fan_ins) / fan_ins[i] if by_fan_in else lr
            cw = beta_1 * layer.momentum + (1 - beta_1) * gw
            cb = beta_1 * layer.bias_momentum + (1 - beta_1) * gb
            layer.momentum = beta_2 * layer.momentum + (1 - beta_2) * gw
            layer.bias_momentum = beta_2 * layer.bias_momentum + (1 - beta_2) * gb
            new = layer.weight - slower * (np.sign(cw) + weight_decay * layer.weight)
            layer.weight = soft(new, slower * l1)
            layer.bias = layer.bias - lr * (np.sign(cb) + weight_decay * layer.bias)
            decisive.append((cw, cb))
        return decisive

    def feature_importance(self, kind: str) -> np.ndarray:
        """Strength of the inputs' own weights, or of all paths from them to the outputs."""
        matrices = [np.abs(layer.weight) for layer in self.layers]
        if kind == "strength":
            return matrices[0].sum(axis=1)
        return np.linalg.multi_dot([*matrices, np.ones(matrices[-1].shape[1])])

    def flat(self) -> np.ndarray:
        """Weights on the support and biases of all layers as one vector."""
        return np.concatenate(
            [part for la in self.layers for part in (la.weight[la.support], la.bias)]
        )

    def set_flat(self, vector: np.ndarray) -> None:
        start = 0
        for layer in self.layers:
            count, n_out = int(layer.support.sum()), len(layer.bias)
            layer.weight[layer.support] = vector[start : start + count]
            layer.bias = vector[start + count : start + count + n_out].copy()
            start += count + n_out
        assert start == len(vector)

    def flat_gradient(self, x, y, masks=None) -> np.ndarray:
        pairs = zip(self.layers, self.gradients(x, y, masks), strict=True)
        return np.concatenate([part for la, (gw, gb) in pairs for part in (gw[la.support], gb)])


def soft(w: np.ndarray, threshold: float) -> np.ndarray:
    """The proximal operator of ``threshold * |w|``."""
    return np.where(w > threshold, w - threshold, np.where(w < -threshold, w + threshold, 0.0))


def learning_rate(
    schedule: str, base: float, step: int, total_steps: int, *, warmup_steps: int = 0, **numbers
) -> float:
    if step < warmup_steps:
        return base * (step + 1) / (warmup_steps + 1)
    step, total_steps = step - warmup_steps, total_steps - warmup_steps
    if schedule == "cosine":
        final = numbers.get("final", 0.0)
        return base * (final + (1 - final) * 0.5 * (1.0 + math.cos(math.pi * step / total_steps)))
    if schedule == "exponential":
        return base * math.exp(math.log(numbers["factor"]) * step / total_steps)
    if schedule == "step":
        falls = sum(step >= n * numbers["steps_between"] for n in range(1, total_steps + 1))
        return base * numbers["factor"] ** falls
    assert schedule == "constant"
    return base


def standardisation(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, scale) per feature; a constant feature has its value and 0."""
    x = np.asarray(x, dtype=np.float64)
    constant = x.max(axis=0) == x.min(axis=0)
    deviation = np.where(constant, np.inf, x.std(axis=0))
    return np.where(constant, x[0], x.mean(axis=0)), 1.0 / deviation


def random_oracle(sizes, activation, loss, *, density=0.6, slope=0.6, seed=0) -> Oracle:
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        support = rng.random((n_in, n_out)) < density
        weight = np.where(support, rng.normal(size=(n_in, n_out)), 0.0)
        layers.append(OracleLayer(weight, support, rng.normal(size=n_out)))
    return Oracle(layers, activation, loss, slope)


def random_data(loss: str, n: int, n_in: int, n_out: int, *, seed=0, soft=False):
    """Float32 inputs and targets of the kind that the loss takes (``soft``: rows summing to 1)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, n_in)).astype(np.float32)
    if loss == "cross_entropy" and not soft:
        return x, rng.integers(0, n_out, size=n)
    if loss == "cross_entropy":
        return x, rng.dirichlet(np.ones(n_out), size=n).astype(np.float32)
    if loss in ("binary_cross_entropy", "squared_error_sigmoid"):
        y = rng.random((n, n_out)) if soft else rng.integers(0, 2, size=(n, n_out))
        return x, y.astype(np.float32)
    return x, rng.normal(size=(n, n_out)).astype(np.float32)


def support_of(matrix) -> np.ndarray:
    """Stored places of a SciPy csc array, explicit zeros included."""
    support = np.zeros(matrix.shape, dtype=bool)
    columns = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    support[matrix.indices, columns] = True
    return support


def from_model(model) -> Oracle:
    """Read a model's public attributes into an oracle."""
    layers = [
        OracleLayer(
            square=None if la.second_moment is None else la.second_moment.toarray().astype(float),
            bias_square=None if la.bias_second_moment is None else la.bias_second_moment * 1.0,
            weight=la.weight.toarray().astype(np.float64),
            support=support_of(la.weight),
            bias=np.array(la.bias, dtype=np.float64),
            momentum=la.momentum.toarray().astype(np.float64),
            bias_momentum=np.array(la.bias_momentum, dtype=np.float64),
            srelu=None if la.srelu is None else la.srelu.astype(np.float64),
            srelu_momentum=None if la.srelu is None else la.srelu_momentum.astype(np.float64),
        )
        for la in model.layers
    ]
    oracle = Oracle(layers, model.activation, model.loss, float(model.slope))
    oracle.label_smoothing = model.label_smoothing
    if model.standardize and model.mean is not None:
        oracle.mean = np.array(model.mean, dtype=np.float64)
        oracle.scale = np.array(model.scale, dtype=np.float64)
    return oracle


def wassp(
    start: Oracle,
    x,
    y,
    *,
    workers: int,
    epochs: int,
    local_from: int,
    steps: int,
    warmup_epochs: int,
    momentum_correction: bool,
    scale_local_rate: bool,
    rate,
    **step,
) -> tuple[Oracle, list[float]]:
    """WASSP without evolution, and the learning rate at the end of each epoch.

    A batch is a worker's whole share, of which an epoch has ``steps``; so every share is as large
    as the others. ``rate(n)`` is that of step n of the schedule; ``step`` goes to `Oracle.step`.
    """

    def factor(epoch: int) -> float:
        if epoch >= local_from and not scale_local_rate:
            return 1.0
        if epoch >= warmup_epochs:
            return float(workers)
        return (workers - 1) * epoch / warmup_epochs + 1

    server, locals_, rates = copy.deepcopy(start), [], []
    for epoch in range(epochs):
        if epoch == local_from:
            locals_ = [copy.deepcopy(server) for _ in range(workers)]
        if locals_:
            trained = [(net, x[k::workers], y[k::workers]) for k, net in enumerate(locals_)]
        else:
            trained = [(server, x, y)]
        for net, xs, ys in trained:
            if momentum_correction and epoch > 0:
                net.scale_velocity(factor(epoch) / factor(epoch - 1))
            for n in range(epoch * steps, (epoch + 1) * steps):
                net.step(xs, ys, lr=factor(epoch) * rate(n), **step)
        rates.append(factor(epoch) * rate((epoch + 1) * steps - 1))
    if locals_:
        for layer, parts in zip(
            server.layers, zip(*(net.layers for net in locals_), strict=True), strict=True
        ):
            for name in ("weight", "momentum", "bias", "bias_momentum", "srelu", "srelu_momentum"):
                if getattr(layer, name) is not None:
                    setattr(layer, name, np.mean([getattr(part, name) for part in parts], axis=0))
    return server, rates
