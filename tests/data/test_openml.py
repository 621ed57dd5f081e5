"""What OpenML may answer, and what is said if it does not."""

import http.client
import socket
import traceback
import urllib.error
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.stand_ins import channels_first, images
from trulysparse import datasets
from trulysparse.datasets import _cifar10, _fashion_mnist

LOADERS = {
    "Fashion-MNIST": datasets.load_fashion_mnist,
    "CIFAR-10": datasets.load_cifar10,
    "HIGGS": datasets.load_higgs,
    "Madelon": datasets.load_madelon,
}
WHERE = {
    "Fashion-MNIST": "apt-get install",
    "CIFAR-10": "toronto.edu",
    "HIGGS": "archive.ics.uci.edu",
    "Madelon": "archive.ics.uci.edu",
}


@pytest.fixture
def answer(monkeypatch, tmp_path):
    """``answer(x, y)`` or ``answer(error)``: what OpenML says; gives back what it was asked."""
    monkeypatch.setattr(_fashion_mnist, "FASHION_MNIST_FOLDER", tmp_path / "absent")
    asked = []

    def answer(x, y=None):
        def fetch(name=None, **options):
            asked.append({"name": name, "timeout": socket.getdefaulttimeout(), **options})
            if isinstance(x, Exception):
                raise x
            return SimpleNamespace(data=x, target=y)

        monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
        return asked

    return answer


@pytest.mark.parametrize("what", LOADERS)
@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("no route"),
        TimeoutError("timed out"),
        http.client.IncompleteRead(b""),
        ValueError("status 412"),
        KeyError("data"),
        EOFError("cut off"),
        zlib.error("bad"),
    ],
)
def test_no_answer_says_where_else_to_get_it(answer, what, error):
    asked = answer(error)
    with pytest.raises(FileNotFoundError) as raised:
        LOADERS[what]()
    for part in (what, WHERE[what], "--data-dir", "asking OpenML for it failed too"):
        assert part in str(raised.value)
    shown = "".join(traceback.format_exception(raised.value))
    assert "direct cause" not in shown  # what a user sees is short
    assert "During handling" not in shown
    assert len(asked) == 1


@pytest.mark.parametrize("what", LOADERS)
def test_a_dead_connection_has_a_limit_which_others_keep(answer, what):
    asked = answer(TimeoutError())
    socket.setdefaulttimeout(7)
    try:
        with pytest.raises(FileNotFoundError):
            LOADERS[what]()
        assert socket.getdefaulttimeout() == 7
    finally:
        socket.setdefaulttimeout(None)
    assert asked[0]["timeout"] == 20
    assert asked[0]["n_retries"] == 1


@pytest.mark.parametrize("what", LOADERS)
@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.zeros((10, 3)), np.zeros(10)),
        (np.zeros(10), np.zeros(10)),
        (np.zeros((0, 0)), np.zeros(0)),
    ],
)
def test_other_data_are_refused(answer, what, x, y):
    answer(x, y)
    with pytest.raises(ValueError, match=f"OpenML's {what}: expected"):
        LOADERS[what]()


class TestMadelon:
    X = np.arange(2600 * 500).reshape(2600, 500) % 1000
    Y = np.arange(2600) % 2 + 1

    def test_the_published_parts_follow_each_other(self, answer, capsys):
        asked = answer(self.X, self.Y.astype(str).astype(object))
        data = datasets.load_madelon()
        assert asked[0]["data_id"] == 1485
        assert data.name == "madelon"
        np.testing.assert_array_equal(data.x_train, self.X[:2000])
        np.testing.assert_array_equal(data.y_train, self.Y[:2000] - 1)
        np.testing.assert_array_equal(data.x_test, self.X[2000:])
        np.testing.assert_array_equal(data.y_test, self.Y[2000:] - 1)
        assert "asking OpenML for Madelon" in capsys.readouterr().err

    def test_another_order_is_refused(self, answer):
        answer(self.X, np.sort(self.Y))
        with pytest.raises(ValueError, match=r"published parts.*1000 rows of each class.*UCI"):
            datasets.load_madelon()

    def test_other_labels(self, answer):
        for labels in (self.Y - 1, self.Y / 2, self.Y.astype(str).astype(object) + "x"):
            answer(self.X, labels)
            with pytest.raises(ValueError, match="OpenML's Madelon: expected"):
                datasets.load_madelon()


class TestHiggs:
    X = np.arange(60 * 28).reshape(60, 28) / 100
    Y = np.arange(60) % 2

    def test_the_first_rows(self, answer):
        asked = answer(self.X, self.Y.astype(str))
        data = datasets.load_higgs(train_rows=40, test_rows=15)
        assert asked[0]["data_id"] == 42769
        np.testing.assert_array_equal(data.x_train, self.X[:40].astype(np.float32))
        np.testing.assert_array_equal(data.x_test, self.X[40:55].astype(np.float32))
        np.testing.assert_array_equal(data.y_test, self.Y[40:55])
        with pytest.raises(ValueError, match="expected 61 rows"):
            datasets.load_higgs(train_rows=60, test_rows=1)

    def test_missing_numbers_and_other_labels(self, answer):
        x = self.X.copy()
        x[3, 4] = np.nan
        answer(x, self.Y)
        with pytest.raises(ValueError, match="OpenML's HIGGS: the data holds NaN"):
            datasets.load_higgs(train_rows=40, test_rows=20)
        answer(self.X, self.Y + 1)
        with pytest.raises(ValueError, match="OpenML's HIGGS: expected labels 0 and 1"):
            datasets.load_higgs(train_rows=40, test_rows=20)


class TestCifar10:
    PIXELS, LABELS = images(60)

    @pytest.fixture(autouse=True)
    def few_rows(self, monkeypatch):
        assert _cifar10.ROWS == (50_000, 10_000)
        monkeypatch.setattr(_cifar10, "ROWS", (50, 10))

    def test_channels_come_last(self, answer):
        asked = answer(channels_first(self.PIXELS), self.LABELS.astype(str))
        data = datasets.load_cifar10()
        assert asked[0]["data_id"] == 40927
        x = self.PIXELS.reshape(60, -1) * np.float32(1 / 255)
        np.testing.assert_array_equal(data.x_train, x[:50])
        np.testing.assert_array_equal(data.x_test, x[50:])
        np.testing.assert_array_equal(data.y_train, self.LABELS[:50])
        np.testing.assert_array_equal(data.y_test, self.LABELS[50:])

    def test_another_order_is_refused(self, answer):
        answer(channels_first(self.PIXELS), np.sort(self.LABELS))
        with pytest.raises(ValueError, match=r"published parts.*5 rows of each class.*toronto"):
            datasets.load_cifar10()

    def test_other_pixels(self, answer):
        answer(channels_first(self.PIXELS) + 100.0, self.LABELS)
        with pytest.raises(ValueError, match=r"pixels 0\.\.255"):
            datasets.load_cifar10()
