"""The oracle itself: its gradients against central differences, its pieces against hand work.

Everything else in this folder trusts the oracle, so it is held to definitions that do not
depend on it. None of these tests needs the package.
"""

import math

import numpy as np
import pytest

from helpers.oracle import (
    ACTIVATIONS,
    LOSSES,
    Oracle,
    OracleLayer,
    activate,
    activation_derivative,
    hidden_slope,
    learning_rate,
    mean_loss,
    random_data,
    random_oracle,
    standardisation,
)

SIZES = [5, 7, 6, 4]


def central_differences(oracle, x, y, masks, h=1e-6):
    point, gradient = oracle.flat(), []
    for i in range(len(point)):
        values = []
        for sign in (1, -1):
            moved = point.copy()
            moved[i] += sign * h
            oracle.set_flat(moved)
            values.append(oracle.evaluate(x, y, masks))
        gradient.append((values[0] - values[1]) / (2 * h))
    oracle.set_flat(point)
    return np.array(gradient)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_is_the_central_difference(activation, loss, soft):
    oracle = random_oracle(SIZES, activation, loss, seed=3)
    x, y = random_data(loss, 6, SIZES[0], SIZES[-1], seed=4, soft=soft)
    # Kinks would spoil the difference quotient: no pre-activation may lie near zero.
    nearest = min(np.abs(z).min() for z in oracle.pass_through(x)[1])
    assert nearest > 1e-4
    for masks in (
        None,
        [np.random.default_rng(i).integers(0, 2, n) * 1.5 for i, n in ((1, 7), (2, 6))],
    ):
        expected = central_differences(oracle, x, y, masks)
        # Central differences at h = 1e-6 are good to about 1e-9 absolute in float64.
        np.testing.assert_allclose(
            oracle.flat_gradient(x, y, masks), expected, rtol=1e-6, atol=1e-8
        )
        assert np.abs(expected).max() > 1e-3


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_derivative(activation):
    z = np.array([-30.0, -2.0, -0.5, -1e-3, 1e-3, 0.5, 2.0, 30.0])
    for slope in (-0.6, 0.25):
        h = 1e-7
        difference = (activate(activation, z + h, slope) - activate(activation, z - h, slope)) / (
            2 * h
        )
        np.testing.assert_allclose(
            activation_derivative(activation, z, slope), difference, atol=2e-7
        )


def test_derivative_at_zero_is_the_slope():
    assert activation_derivative("all_relu", np.zeros(1), -0.6)[0] == -0.6
    assert activation_derivative("relu", np.zeros(1), 0.0)[0] == 0.0


def test_all_relu_alternates_and_starts_negative():
    assert [hidden_slope("all_relu", 0.6, i) for i in range(4)] == [-0.6, 0.6, -0.6, 0.6]
    assert [hidden_slope("leaky_relu", 0.1, i) for i in range(2)] == [0.1, 0.1]
    assert activate("all_relu", np.array([-2.0]), hidden_slope("all_relu", 0.5, 0))[0] == 1.0


def test_losses_by_hand():
    z = np.array([[0.0, math.log(3.0)]])
    np.testing.assert_allclose(mean_loss("cross_entropy", z, np.array([[1.0, 0.0]])), math.log(4))
    np.testing.assert_allclose(
        mean_loss("binary_cross_entropy", z, np.array([[1.0, 0.0]])), math.log(2) + math.log(4)
    )
    np.testing.assert_allclose(
        mean_loss("squared_error", np.array([[3.0, 1.0], [0.0, 0.0]]), np.zeros((2, 2))), 2.5
    )
    np.testing.assert_allclose(
        mean_loss("huber", np.array([[3.0, -0.5], [-1.0, 0.0]]), np.zeros((2, 2))),
        (2.5 + 0.125 + 0.5) / 2,
    )


def test_losses_are_finite_for_huge_logits():
    z = np.array([[1e4, -1e4]])
    assert mean_loss("cross_entropy", z, np.array([[0.0, 1.0]])) == 2e4
    assert mean_loss("binary_cross_entropy", z, np.array([[0.0, 1.0]])) == 2e4


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_steps_by_hand(nesterov):
    # One weight, squared error, x = 1, y = 0: the gradient of w is w + b, and so is that of b.
    one = np.ones((1, 1))
    oracle = Oracle([OracleLayer(2 * one, one > 0, np.zeros(1))], "identity", "squared_error")
    w, b, vw, vb = 2.0, 0.0, 0.0, 0.0
    lr, mu, wd = 0.1, 0.5, 0.01
    for _ in range(2):
        oracle.step(one, np.zeros((1, 1)), lr=lr, momentum=mu, weight_decay=wd, nesterov=nesterov)
        g = w + b
        vw, vb = mu * vw - lr * g, mu * vb - lr * g
        if nesterov:
            w, b = w + mu * vw - lr * g - wd * w, b + mu * vb - lr * g - wd * b
        else:
            w, b = w + vw - wd * w, b + vb - wd * b
    np.testing.assert_allclose(oracle.layers[0].weight[0, 0], w, rtol=1e-14)
    np.testing.assert_allclose(oracle.layers[0].bias[0], b, rtol=1e-14)


def test_step_leaves_absent_connections_at_zero():
    oracle = random_oracle(SIZES, "tanh", "squared_error", density=0.3, seed=1)
    oracle.step(*random_data("squared_error", 4, SIZES[0], SIZES[-1]))
    for layer in oracle.layers:
        assert np.all(layer.weight[~layer.support] == 0)
        assert np.all(layer.momentum[~layer.support] == 0)


def test_schedules():
    assert learning_rate("constant", 0.3, 7, 10) == 0.3
    assert learning_rate("cosine", 0.3, 0, 10) == 0.3
    np.testing.assert_allclose(learning_rate("cosine", 0.3, 5, 10), 0.15)
    np.testing.assert_allclose(learning_rate("cosine", 0.3, 10, 10), 0.0, atol=1e-17)


def test_standardisation_makes_constants_zero():
    x = np.array([[1.0, 5.0], [3.0, 5.0]])
    mean, scale = standardisation(x)
    np.testing.assert_array_equal((x - mean) * scale, [[-1.0, 0.0], [1.0, 0.0]])
