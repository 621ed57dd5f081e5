"""The loaders of images, and the IDX format that some of them read."""

import gzip
import struct

import numpy as np
import pytest
from helpers.data_files import check, idx
from trulysparse import datasets
from trulysparse.data.readers import read_idx
from trulysparse.datasets import _fashion_mnist

INSTALLED_FASHION_MNIST = datasets.FASHION_MNIST_FOLDER.is_dir()


class TestDigits:
    def test_split_is_stratified_and_repeats(self):
        first, again, other = (datasets.load_digits(seed) for seed in (0, 0, 1))
        check(first, features=64, classes=10)
        assert len(first.y_train) == 1437
        assert len(first.y_test) == 360
        assert first.class_names == tuple("0123456789")
        shares = np.bincount(first.y_test) / np.bincount(first.y_train)
        assert np.ptp(shares) < 0.02
        np.testing.assert_array_equal(first.x_test, again.x_test)
        np.testing.assert_array_equal(first.y_train, again.y_train)
        assert not np.array_equal(first.y_test, other.y_test)

    def test_pixels_lie_in_0_to_1_and_some_are_constant(self):
        data = datasets.load_digits(0)
        assert data.x_train.min() == 0
        assert data.x_train.max() == 1
        assert (data.x_train.std(axis=0) == 0).any()


class TestFashionMnist:
    @pytest.mark.skipif(not INSTALLED_FASHION_MNIST, reason="apt-get install dataset-fashion-mnist")
    def test_installed_package(self):
        data = datasets.load_fashion_mnist()
        check(data, features=784, classes=10)
        assert data.x_train.shape == (60000, 784)
        assert data.x_test.shape == (10000, 784)
        assert (np.bincount(data.y_train) == 6000).all()
        assert (np.bincount(data.y_test) == 1000).all()
        assert data.x_train.max() == pytest.approx(1)
        # The published mean of the training pixels.
        assert data.x_train.mean(dtype=np.float64) == pytest.approx(0.2860, abs=5e-5)
        assert data.class_names[data.y_test[0]] == "Ankle boot"

    def test_folder_of_plain_and_compressed_files(self, fashion_folder):
        data = datasets.load_fashion_mnist(fashion_folder)
        check(data, features=784, classes=10)
        path = fashion_folder / "train-images-idx3-ubyte.gz"
        raw = np.frombuffer(gzip.decompress(path.read_bytes())[16:], dtype=np.uint8)
        np.testing.assert_allclose(data.x_train.ravel() * 255, raw, rtol=1e-6)
        np.testing.assert_array_equal(data.y_test, np.arange(20) % 10)

    def test_missing_file_says_what_to_install(self, fashion_folder):
        (fashion_folder / "t10k-labels-idx1-ubyte").unlink()
        with pytest.raises(FileNotFoundError, match=r"t10k-labels.*apt-get install dataset-fash"):
            datasets.load_fashion_mnist(fashion_folder)

    def test_wrong_contents_name_the_file(self, fashion_folder):
        labels = fashion_folder / "train-labels-idx1-ubyte"
        labels.write_bytes(idx(np.arange(29) % 10))
        with pytest.raises(ValueError, match=r"train-labels.*expected 30 labels.*got 29"):
            datasets.load_fashion_mnist(fashion_folder)
        labels.write_bytes(idx(np.full(30, 10)))
        with pytest.raises(ValueError, match=r"train-labels.*0\.\.9, got 10"):
            datasets.load_fashion_mnist(fashion_folder)
        images = fashion_folder / "train-images-idx3-ubyte.gz"
        images.write_bytes(gzip.compress(idx(np.zeros((30, 28, 27)))))
        with pytest.raises(ValueError, match=r"train-images.*28x28"):
            datasets.load_fashion_mnist(fashion_folder)

    def test_openml_is_asked_without_files(self, monkeypatch, tmp_path):
        asked = []

        class Found:
            data = np.broadcast_to(51.0, (70000, 784))
            target = np.array(["3"] * 60000 + ["4"] * 10000)

        def fetch(name, **options):
            asked.append((name, options["as_frame"]))
            return Found

        monkeypatch.setattr(_fashion_mnist, "FASHION_MNIST_FOLDER", tmp_path / "absent")
        monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
        data = datasets.load_fashion_mnist()
        assert asked == [("Fashion-MNIST", False)]
        assert data.x_train.shape == (60000, 784)
        assert data.x_train[0, 0] == pytest.approx(0.2)
        assert set(data.y_train) == {3}
        assert set(data.y_test) == {4}

    def test_no_source_at_all_says_what_to_install(self, monkeypatch, tmp_path):
        def fetch(*args, **options):
            raise OSError("no network")

        monkeypatch.setattr(_fashion_mnist, "FASHION_MNIST_FOLDER", tmp_path / "absent")
        monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
        with pytest.raises(FileNotFoundError, match=r"apt-get install.*--data-dir.*no network"):
            datasets.load_fashion_mnist()


class TestReadIdx:
    GOOD = idx(np.arange(24).reshape(2, 3, 4))

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_values(self, tmp_path, pack):
        (tmp_path / "file").write_bytes(pack(self.GOOD))
        np.testing.assert_array_equal(
            read_idx(tmp_path / "file", 3), np.arange(24).reshape(2, 3, 4)
        )

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "an empty file"),
            (GOOD[:3], "got 000008"),
            (GOOD[:9], "header ends after 9 bytes"),
            (GOOD[:-1], r"\(2, 3, 4\) = 24 bytes, there are 23"),
            (GOOD + b"\0", "24 bytes, there are more"),
            (b"\1" + GOOD[1:], "expected an IDX file"),
            (idx(np.zeros((2, 3, 4)), kind=13), "unsigned bytes.*got 00000d03"),
            (idx(np.zeros((2, 3))), "3 dimension.*got 00000802"),
            (struct.pack(">4I", 0x803, 2**31, 2**31, 2**31), "promises"),
            (gzip.compress(GOOD, mtime=0)[:-9], "damaged gzip"),
            (gzip.compress(GOOD, mtime=0)[:12] + b"xxxx", "damaged gzip"),
            (b"\x1f\x8b not gzip", "damaged gzip"),
        ],
    )
    def test_damage_is_named(self, tmp_path, content, message):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(ValueError, match=f"file: .*{message}"):
            read_idx(tmp_path / "file", 3)

    def test_no_such_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            read_idx(tmp_path / "file", 3)
