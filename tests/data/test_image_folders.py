"""Images in folders and .zip files, one folder for each class."""

import os
import sys
import threading
import zipfile

import numpy as np
import pytest
from helpers.data_files import check
from helpers.stand_ins import CLASSES, encoded, image_files, images, write_folder, write_zip
from trulysparse import datasets

pytest.importorskip("PIL")
PIXELS, LABELS = images(30)
X = PIXELS.reshape(30, -1).astype(np.float32) * np.float32(1 / 255)
FILES = image_files(PIXELS, LABELS, 20)
ORDER = np.lexsort((np.arange(30), LABELS, np.arange(30) >= 20))


def rows(data):
    return np.concatenate([data.x_train, data.x_test])


class TestLayouts:
    @pytest.mark.parametrize("above", ["", "some/where/"])
    @pytest.mark.parametrize("store", [write_folder, write_zip])
    def test_two_parts(self, tmp_path, store, above):
        files = {above + name: raw for name, raw in FILES.items()}
        others = ("README.md", "train/.DS_Store.png", "__MACOSX/train/cat/._1.png", ".git/a/b.png")
        files |= dict.fromkeys(others, b"no image")
        path = store(tmp_path / "mine.zip", files)
        data = datasets.load_images(path)
        check(data, features=3072, classes=10)
        assert data.class_names == tuple(CLASSES)
        assert data.image_shape == (32, 32, 3)
        assert data.name == ("mine.zip" if path.is_dir() else "mine")
        np.testing.assert_array_equal(rows(data), X[ORDER])
        np.testing.assert_array_equal(data.y_train, LABELS[ORDER[:20]])
        np.testing.assert_array_equal(data.y_test, LABELS[ORDER[20:]])

    def test_classes_only(self, tmp_path):
        files = {name.partition("/")[2]: raw for name, raw in FILES.items()}
        path = write_folder(tmp_path / "mine", files)
        data, again, other = (datasets.load_images(path, seed=seed) for seed in (0, 0, 1))
        check(data, features=3072, classes=10)
        assert (len(data.y_train), len(data.y_test)) == (24, 6)
        np.testing.assert_array_equal(data.x_test, again.x_test)
        assert not np.array_equal(data.x_test, other.x_test)
        assert set(map(bytes, rows(data))) == set(map(bytes, X))
        whole = datasets.load_images(path, hold_out=False)
        assert len(whole.x_train) == 0
        np.testing.assert_array_equal(whole.y_test, np.repeat(np.arange(10), 3))
        assert whole.image_shape == (32, 32, 3)
        assert repr(whole) == (
            "Dataset('mine', 0 training and 30 test rows of 3,072 features (images 32 x 32 x 3), "
            "10 classes)"
        )

    def test_numbered_classes_are_in_numeric_order(self, tmp_path):
        names = [str(label) for label in (2, 10, 0)]
        files = {f"train/{n}/a.png": encoded(PIXELS[i]) for i, n in enumerate(names)}
        files |= {f"test/{n}/a.png": encoded(PIXELS[i]) for i, n in enumerate(names)}
        data = datasets.load_images(write_zip(tmp_path / "a.zip", files))
        assert data.class_names == ("0", "2", "10")
        np.testing.assert_array_equal(data.x_train, X[[2, 0, 1]])

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            ([], "there are no images"),
            (["train/cat/a.png"], "got train/ only"),
            (["a.png", "b.png"], r"got (a|b)\.png"),
            (["train/a.png", "test/b.png"], r"got (train/a|test/b)\.png"),
            (["train/cat/a.png", "test/cat/a.png", "cat/a.png"], "got both"),
            (["cat/a.png", "dog/more/b.png"], "got both"),
            (["train/cat/a.png", "test/cat/a.png", "x/train/cat/a.png"], "got both"),
        ],
    )
    def test_others_are_refused(self, tmp_path, names, message):
        files = dict.fromkeys([*names, "notes.txt"], encoded(PIXELS[0]))
        for store, name in ((write_zip, "a.zip"), (write_folder, "a")):
            with pytest.raises(ValueError, match=rf"expected (train/|train/CLASS/FILE).*{message}"):
                datasets.load_images(store(tmp_path / name, files))


class TestPixels:
    @pytest.mark.parametrize(
        ("kind", "options"),
        [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("PPM", {}), ("WEBP", {"lossless": True})],
    )
    def test_lossless_kinds(self, tmp_path, kind, options):
        suffix = kind.lower()
        files = {f"a/{i}.{suffix}": encoded(PIXELS[i], kind, **options) for i in range(4)}
        files["b/4." + suffix.upper()] = encoded(PIXELS[4], kind, **options)
        data = datasets.load_images(write_zip(tmp_path / "a.zip", files), hold_out=False)
        np.testing.assert_array_equal(data.x_test, X[:5])
        assert data.y_test.tolist() == [0, 0, 0, 0, 1]

    def test_jpeg(self, tmp_path):
        smooth = np.repeat(np.repeat(PIXELS[:2, ::16, ::16], 16, 1), 16, 2)
        files = {
            f"a/{i}.jpg": encoded(smooth[i], "JPEG", quality=100, subsampling=0) for i in range(2)
        }
        data = datasets.load_images(write_zip(tmp_path / "a.zip", files), hold_out=False)
        np.testing.assert_allclose(data.x_test, smooth.reshape(2, -1) / 255, atol=0.02)

    def test_grey_ones(self, tmp_path):
        grey = PIXELS[..., 0]
        files = {f"a/{i}.png": encoded(grey[i]) for i in range(3)}
        data = datasets.load_images(write_zip(tmp_path / "a.zip", files), hold_out=False)
        assert data.image_shape == (32, 32, 1)
        np.testing.assert_array_equal(data.x_test, (grey[:3].reshape(3, -1) * np.float32(1 / 255)))
        files["a/3.png"] = encoded(PIXELS[3])  # one in colour: all are
        data = datasets.load_images(write_zip(tmp_path / "a.zip", files), hold_out=False)
        assert data.image_shape == (32, 32, 3)
        found = data.x_test.reshape(-1, 32, 32, 3)
        np.testing.assert_array_equal(
            found[0], np.repeat(grey[0, ..., None], 3, -1) * np.float32(1 / 255)
        )
        np.testing.assert_array_equal(found[3].reshape(-1), X[3])

    def test_transparency_and_palettes(self, tmp_path):
        web = np.full((4, 6, 3), 51, np.uint8) * np.uint8([0, 4, 2])  # of the web's palette
        files = {
            "a/1.png": encoded(np.dstack([web, np.full((4, 6), 7, np.uint8)])),
            "a/2.png": encoded(web, mode="P"),
        }
        data = datasets.load_images(write_zip(tmp_path / "a.zip", files), hold_out=False)
        assert data.image_shape == (4, 6, 3)
        for found in data.x_test:
            np.testing.assert_array_equal(found, web.reshape(-1) * np.float32(1 / 255))

    def test_many_threads_give_the_same(self, tmp_path, monkeypatch):
        from trulysparse.datasets import _images

        path = write_zip(tmp_path / "a.zip", FILES, zipfile.ZIP_DEFLATED)
        before = rows(datasets.load_images(path))
        monkeypatch.setattr(_images, "CHUNK", 1)
        np.testing.assert_array_equal(rows(datasets.load_images(path)), before)


class TestDamage:
    @pytest.fixture
    def load(self, tmp_path):
        """Loads good images and one that is not."""

        def load(raw, name="cat/x.png"):
            files = {f"{CLASSES[i]}/{i}.png": encoded(PIXELS[i]) for i in range(9)}
            for store, place in ((write_zip, "a.zip"), (write_folder, "a")):
                path = store(tmp_path / place, {**files, name: raw})
                with pytest.raises(ValueError, match=r"a(\.zip)?: .*expected an image") as error:
                    datasets.load_images(path)
            return str(error.value)

        return load

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
    def test_truncated(self, load, kind):
        raw = encoded(PIXELS[0], kind)
        for length in (0, 5, len(raw) // 2):
            assert "cat/x.png" in load(raw[:length])

    @pytest.mark.parametrize("name", ["airplane/000.png", "truck/x.png"])
    def test_another_size(self, load, name):
        message = load(encoded(PIXELS[0, :, :30]), name)
        assert "pixels, others of" in message

    def test_16_bits(self, load):
        assert "more than 8 bits" in load(encoded(PIXELS[0, ..., 0].astype(np.uint16) * 256))

    def test_a_program_in_disguise(self, load):
        assert "cat/x.png" in load(b"#!/bin/sh\nrm -rf /\n")

    def test_a_png_of_more_pixels_than_memory(self, load):
        raw = bytearray(encoded(PIXELS[0]))
        raw[16:24] = (1 << 30).to_bytes(4, "big") * 2
        assert "cat/x.png" in load(bytes(raw))
        assert "airplane/000.png" in load(bytes(raw), "airplane/000.png")

    def test_a_bomb_is_refused_unread(self, tmp_path, monkeypatch):
        from trulysparse.datasets import _images

        monkeypatch.setattr(_images, "FILE_LIMIT", 1 << 20)
        files = {"a/1.png": encoded(PIXELS[0]), "a/2.png": bytes(2 << 20)}
        path = write_zip(tmp_path / "a.zip", files, zipfile.ZIP_DEFLATED)
        assert path.stat().st_size < 20000
        for place in (path, write_folder(tmp_path / "a", files)):
            with pytest.raises(ValueError, match=r"a/2\.png: .*more than 1048576"):
                datasets.load_images(place)

    def test_zips(self, tmp_path):
        path = write_zip(tmp_path / "a.zip", FILES)
        raw = path.read_bytes()
        for damaged in (b"", b"no archive", raw[: len(raw) // 2], raw[:-30]):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"a\.zip: expected a folder or a \.zip"):
                datasets.load_images(path)
        place = raw.index(b"IDAT")
        path.write_bytes(raw[:place] + b"####" + raw[place + 4 :])
        with pytest.raises(
            ValueError, match=r"a\.zip: train/airplane/0000\.png: expected an image"
        ):
            datasets.load_images(path)

    def test_names_that_lead_elsewhere_write_nothing(self, tmp_path):
        files = {f"../../{name}": raw for name, raw in FILES.items()}
        path = write_zip(tmp_path / "a.zip", files)
        with pytest.raises(ValueError, match="there are no images"):  # they count as hidden
            datasets.load_images(path)
        files = {f"/{name}": raw for name, raw in FILES.items()}
        np.testing.assert_array_equal(rows(datasets.load_images(write_zip(path, files))), X[ORDER])
        assert os.listdir(tmp_path) == ["a.zip"]

    def test_not_there(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            datasets.load_images(tmp_path / "absent")

    def test_without_pillow(self, tmp_path, monkeypatch):
        path = write_zip(tmp_path / "a.zip", FILES)
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(ImportError, match=r"pip install pillow.*trulysparse\[images\]"):
            datasets.load_images(path)

    def test_an_interrupt_ends_it(self, tmp_path, monkeypatch):
        from trulysparse.datasets import _images

        monkeypatch.setattr(_images, "CHUNK", 1)
        seen = []

        def stop(*arguments):
            if threading.current_thread() is not threading.main_thread():
                seen.append(arguments[1])
                raise KeyboardInterrupt
            return original(*arguments)

        original = _images._image
        monkeypatch.setattr(_images, "_image", stop)
        with pytest.raises(KeyboardInterrupt):
            datasets.load_images(write_zip(tmp_path / "a.zip", FILES))
        assert seen


def test_resolve(tmp_path):
    path = write_zip(tmp_path / "Mine.ZIP", FILES)
    assert datasets.resolve(path).name == "Mine"
    folder = write_folder(
        tmp_path / "flat", {name.partition("/")[2]: raw for name, raw in FILES.items()}
    )
    assert len(datasets.resolve(folder, hold_out=False).y_test) == 30
    one, other = (datasets.resolve(folder, seed=seed) for seed in (0, 1))
    assert not np.array_equal(one.x_test, other.x_test)
