"""CIFAR-10 in every form that people have: the same images, and words for what is wrong."""

import gzip
import os
import pickle

import numpy as np
import pytest
from helpers.data_files import check
from helpers.stand_ins import (
    BATCHES,
    CLASSES,
    cifar_batches,
    image_files,
    images,
    write_folder,
    write_tar,
    write_zip,
)
from trulysparse import datasets

PIXELS, LABELS = images(60)
X = PIXELS.reshape(60, -1).astype(np.float32) * np.float32(1 / 255)


def check_all(data):
    check(data, features=3072, classes=10)
    assert data.name == "cifar10"
    assert data.class_names == tuple(CLASSES)
    assert data.image_shape == (32, 32, 3)
    np.testing.assert_array_equal(data.x_train, X[:50])
    np.testing.assert_array_equal(data.y_train, LABELS[:50])
    np.testing.assert_array_equal(data.x_test, X[50:])
    np.testing.assert_array_equal(data.y_test, LABELS[50:])


@pytest.fixture
def write(tmp_path):
    """``write(kind, place)``: the six batches in a folder."""

    def write(kind="python2", place="", **changed):
        return write_folder(tmp_path / place, {**cifar_batches(PIXELS, LABELS, kind), **changed})

    return write


class TestBatches:
    @pytest.mark.parametrize("kind", ["python2", "python", "binary"])
    def test_folder(self, write, kind):
        check_all(datasets.load_cifar10(write(kind)))

    @pytest.mark.parametrize(
        ("kind", "place"), [("python2", "cifar-10-batches-py"), ("binary", "cifar-10-batches-bin")]
    )
    def test_folder_above(self, tmp_path, write, kind, place):
        write(kind, place)
        check_all(datasets.load_cifar10(str(tmp_path)))

    @pytest.mark.parametrize("kind", ["python2", "python", "binary"])
    @pytest.mark.parametrize(
        ("name", "mode", "above"),
        [
            ("cifar-10-python.tar.gz", "w:gz", "cifar-10-batches-py/"),
            ("c.tgz", "w:gz", ""),
            ("c.tar", "w", "/absolute/../"),
        ],
    )
    def test_archive(self, tmp_path, kind, name, mode, above):
        files = cifar_batches(PIXELS, LABELS, kind)
        path = write_tar(tmp_path / name, files, above, mode)
        check_all(datasets.load_cifar10(path))
        assert os.listdir(tmp_path) == [name]  # nothing was unpacked

    @pytest.mark.parametrize("kind", ["python", "binary"])
    def test_folder_with_the_archive(self, tmp_path, kind):
        write_tar(tmp_path / f"cifar-10-{kind}.tar.gz", cifar_batches(PIXELS, LABELS, kind))
        check_all(datasets.load_cifar10(tmp_path))

    def test_batches_in_any_order_and_labels_as_arrays(self, tmp_path):
        files = cifar_batches(PIXELS, LABELS, "python")
        for name, raw in files.items():
            batch = pickle.loads(raw)
            batch = {key.encode(): np.array(value) for key, value in batch.items()}
            files[name] = pickle.dumps(batch, protocol=2)
        path = write_tar(tmp_path / "c.tar.gz", dict(reversed(files.items())))
        check_all(datasets.load_cifar10(path))

    def test_missing_batches_are_named(self, tmp_path, write):
        folder = write()
        (folder / "data_batch_3").unlink()
        (folder / "test_batch").unlink()
        with pytest.raises(FileNotFoundError, match=r"no data_batch_3, test_batch in .*kriz"):
            datasets.load_cifar10(folder)
        files = cifar_batches(PIXELS, LABELS)
        del files["data_batch_5"]
        path = write_tar(tmp_path / "c.tar.gz", files)
        with pytest.raises(FileNotFoundError, match=r"no data_batch_5 in .*c\.tar\.gz.*whole"):
            datasets.load_cifar10(path)


class TestDamage:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda raw: raw[:-1], "30729 bytes"),
            (lambda raw: b"", "0 bytes"),
            (lambda raw: raw + b"\0", "30731 bytes"),
            (lambda raw: b"\x0a" + raw[1:], r"labels in 0\.\.9, got 10"),
        ],
    )
    def test_binary(self, write, change, message):
        raw = cifar_batches(PIXELS, LABELS, "binary")["data_batch_2.bin"]
        folder = write("binary", **{"data_batch_2.bin": change(raw)})
        with pytest.raises(ValueError, match=rf"data_batch_2\.bin: expected .*{message}"):
            datasets.load_cifar10(folder)

    @pytest.mark.parametrize(
        ("batch", "message"),
        [
            ({"data": np.zeros((10, 3072), np.uint8)}, "no labels"),
            ({"labels": [0]}, "no data"),
            ([1, 2], "no data"),
            ({"data": np.zeros((10, 3071), np.uint8), "labels": [0] * 10}, r"\(10, 3071\)"),
            ({"data": np.zeros((10, 3072), np.int32), "labels": [0] * 10}, "int32"),
            ({"data": np.zeros((0, 3072), np.uint8)[:, :0], "labels": []}, r"\(0, 0\)"),
            ({"data": np.zeros((10, 3072), np.uint8), "labels": [0] * 9}, r"10 labels.*\(9,\)"),
            ({"data": np.zeros((2, 3072), np.uint8), "labels": [0, -1]}, "got -1"),
            ({"data": np.zeros((2, 3072), np.uint8), "labels": [0, "a"]}, "labels: expected whole"),
            ({"data": np.zeros((2, 3072), np.uint8), "labels": [[0], [1]]}, "labels: expected"),
            ({"data": "pixels", "labels": [0]}, "data: expected whole numbers"),
        ],
    )
    def test_python(self, write, batch, message):
        folder = write("python", data_batch_4=pickle.dumps(batch))
        with pytest.raises(ValueError, match=rf"data_batch_4: .*{message}"):
            datasets.load_cifar10(folder)

    @pytest.mark.parametrize("cut", [1, 100, 15000, 30000])
    def test_truncated_pickle(self, write, cut):
        raw = cifar_batches(PIXELS, LABELS)["test_batch"]
        with pytest.raises(ValueError, match="test_batch: expected a pickle"):
            datasets.load_cifar10(write(test_batch=raw[:-cut]))

    def test_a_pickle_that_runs_a_program_is_refused(self, tmp_path, write):
        evil = f"cos\nsystem\n(S'touch {tmp_path / 'called'}'\ntR.".encode()
        with pytest.raises(ValueError, match=r"data_batch_1: .*it asks for os\.system"):
            datasets.load_cifar10(write(data_batch_1=evil))
        files = {**cifar_batches(PIXELS, LABELS), "data_batch_1": evil}
        with pytest.raises(ValueError, match=r"data_batch_1: .*it asks for os\.system"):
            datasets.load_cifar10(write_tar(tmp_path / "c.tar.gz", files))
        assert not (tmp_path / "called").exists()

    def test_archives(self, tmp_path):
        path = write_tar(tmp_path / "c.tar.gz", cifar_batches(PIXELS, LABELS))
        raw = path.read_bytes()
        for damaged in (b"", b"no archive", raw[:40], raw[:10] + b"x" * 99 + raw[109:]):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"c\.tar\.gz: damaged archive"):
                datasets.load_cifar10(path)
        for cut in (len(raw) // 2, len(raw) - 200):
            path.write_bytes(raw[:cut])
            with pytest.raises((ValueError, FileNotFoundError), match=r"damaged|file whole"):
                datasets.load_cifar10(path)
        tar = gzip.decompress(raw)
        path.write_bytes(gzip.compress(tar[: len(tar) // 2]))
        with pytest.raises(ValueError, match="damaged archive"):
            datasets.load_cifar10(path)

    def test_twice_the_same_batch(self, tmp_path):
        files = cifar_batches(PIXELS, LABELS)
        files["again/data_batch_1"] = files["data_batch_1"]
        with pytest.raises(ValueError, match="expected one data_batch_1, there are two"):
            datasets.load_cifar10(write_tar(tmp_path / "c.tar.gz", files))

    def test_links_in_archives_are_not_followed(self, tmp_path):
        import tarfile

        (tmp_path / "secret").write_bytes(b"x")
        with tarfile.open(tmp_path / "c.tar", "w") as archive:
            link = tarfile.TarInfo("data_batch_1")
            link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
            archive.addfile(link)
        with pytest.raises(FileNotFoundError, match="no data_batch_1"):
            datasets.load_cifar10(tmp_path / "c.tar")

    def test_huge_batches_are_refused_unread(self, tmp_path, monkeypatch, write):
        from trulysparse.datasets import _cifar10

        monkeypatch.setattr(_cifar10, "LIMIT", 1000)
        path = write_tar(tmp_path / "c.tar.gz", cifar_batches(PIXELS, LABELS))
        for place in (path, write(place="folder")):
            with pytest.raises(ValueError, match=r"expected a batch of CIFAR-10, got .*bytes"):
                datasets.load_cifar10(place)


class TestImages:
    @pytest.fixture(autouse=True)
    def pillow(self):
        pytest.importorskip("PIL")

    def test_folder_and_zip(self, tmp_path):
        files = image_files(PIXELS, LABELS, 50)
        order = np.lexsort((np.arange(60), LABELS, np.arange(60) >= 50))
        for path in (
            write_folder(tmp_path / "images", files),
            write_zip(
                tmp_path / "images.zip",
                {f"CIFAR-10-images-master/{k}": v for k, v in files.items()},
            ),
        ):
            data = datasets.load_cifar10(path)
            check(data, features=3072, classes=10)
            assert data.name == "cifar10"
            assert data.class_names == tuple(CLASSES)
            np.testing.assert_array_equal(data.x_train, X[order[:50]])
            np.testing.assert_array_equal(data.y_train, LABELS[order[:50]])
            np.testing.assert_array_equal(data.x_test, X[order[50:]])
            np.testing.assert_array_equal(data.y_test, LABELS[order[50:]])

    def test_a_class_that_a_part_lacks_shifts_no_label(self, tmp_path):
        files = image_files(PIXELS[:12], LABELS[:12], 10)
        files = {name: raw for name, raw in files.items() if "/cat/" not in name}
        data = datasets.load_cifar10(write_zip(tmp_path / "c.zip", files))
        assert data.y_train.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
        assert data.y_test.tolist() == [0, 1]
        assert data.n_classes == 10

    def test_other_images(self, tmp_path):
        files = image_files(PIXELS[:20], LABELS[:20], 10, classes=["apple", *CLASSES[1:]])
        with pytest.raises(ValueError, match=r"expected the classes airplane.*got 'apple'"):
            datasets.load_cifar10(write_zip(tmp_path / "c.zip", files))
        files = image_files(PIXELS[:20, :31], LABELS[:20], 10)
        with pytest.raises(ValueError, match=r"32x32 pixels in colour, got \(31, 32, 3\)"):
            datasets.load_cifar10(write_zip(tmp_path / "c.zip", files))
        files = {
            name.partition("/")[2]: raw for name, raw in image_files(PIXELS, LABELS, 60).items()
        }
        with pytest.raises(
            ValueError, match=r"expected train/CLASS and test/CLASS, got CLASS only"
        ):
            datasets.load_cifar10(write_zip(tmp_path / "c.zip", files))


class TestNpz:
    def save(self, path, **changed):
        arrays = {"x_train": PIXELS[:50], "y_train": LABELS[:50, None]}
        arrays |= {"x_test": PIXELS[50:], "y_test": LABELS[50:].astype(np.uint8)}
        np.savez(path, **{k: v for k, v in {**arrays, **changed}.items() if v is not None})
        return path

    def test_images(self, tmp_path):
        check_all(datasets.load_cifar10(self.save(tmp_path / "cifar10.npz")))
        check_all(datasets.load_cifar10(tmp_path))

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"x_train": PIXELS[:50].reshape(50, -1)}, r"x_train .*got uint8 \(50, 3072\)"),
            ({"x_test": PIXELS[50:] / 255}, "x_test .*float64"),
            ({"y_test": LABELS[:9]}, r"y_test to be 10 whole numbers, got int64 \(9,\)"),
            ({"y_test": LABELS[:10] + 1}, r"y_test in 0\.\.9, got 1\.\.10"),
            ({"y_train": None}, "y_train is missing"),
        ],
    )
    def test_damage(self, tmp_path, changed, message):
        with pytest.raises(ValueError, match=rf"c\.npz: expected .*{message}"):
            datasets.load_cifar10(self.save(tmp_path / "c.npz", **changed))


def test_nothing_there(tmp_path):
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match=r"(no CIFAR-10 in|absent).*kriz.*train/CLASS"):
            datasets.load_cifar10(place)
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(ValueError, match=r"file\.txt: --data-dir for cifar10 is"):
        datasets.load_cifar10(tmp_path / "file.txt")
    with pytest.raises(FileNotFoundError, match=r"--data-dir.*kriz.*no network in tests"):
        datasets.load_cifar10()


def test_resolve(write):
    check_all(datasets.resolve("cifar10", write()))
    assert len(BATCHES) == 6
