"""Small data sets in the true formats of large ones, as bytes or as files."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile

import numpy as np

BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
CLASSES = ["airplane", "automobile", "bird", "cat", "deer"]
CLASSES += ["dog", "frog", "horse", "ship", "truck"]


def images(n, seed=0):
    """Images (n, 32, 32, 3) of noise, brighter by their labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 10
    noise = rng.integers(0, 100, (n, 32, 32, 3))
    return (noise + 15 * labels[:, None, None, None]).astype(np.uint8), labels


def channels_first(pixels):
    """Rows (n, 3072) in the order of CIFAR-10's own files."""
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(len(pixels), -1)


def python2_batch(rows, labels):
    """A batch as the published files have it: pickled by Python 2, arrays as text."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def dtype():
        state = b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        return b"cnumpy\ndtype\nq\x05" + text(b"u1") + b"K\x00K\x01\x87R" + state

    raw = rows.tobytes()
    n, width = (b"J" + struct.pack("<i", size) for size in rows.shape)
    new = b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
    array = new + text(b"b") + b"\x87R(K\x01" + n + width + b"\x86" + dtype()
    array += b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
    codes = b"".join(b"K" + bytes([label]) for label in labels)
    names = b"".join(text(b"image_%d.png" % i) for i in range(len(labels)))
    return (
        b"\x80\x02}q\x01("
        + (text(b"batch_label") + b"q\x02" + text(b"training batch 1 of 5"))
        + (text(b"labels") + b"](" + codes + b"e")
        + (text(b"data") + array)
        + (text(b"filenames") + b"](" + names + b"e")
        + b"u."
    )


def python_batch(rows, labels, protocol=5, labels_as=list):
    """A batch as Python 3 pickles it."""
    return pickle.dumps({"data": rows, "labels": labels_as(labels.tolist())}, protocol=protocol)


def binary_batch(rows, labels):
    return np.column_stack([labels.astype(np.uint8), rows]).tobytes()


def cifar_batches(pixels, labels, kind="python2", per_batch=10):
    """``{name: bytes}`` of six batches."""
    write = {"python2": python2_batch, "python": python_batch, "binary": binary_batch}[kind]
    suffix = ".bin" if kind == "binary" else ""
    rows = channels_first(pixels)
    return {
        name + suffix: write(
            rows[i * per_batch : (i + 1) * per_batch], labels[i * per_batch : (i + 1) * per_batch]
        )
        for i, name in enumerate(BATCHES)
    }


def write_folder(folder, files):
    """``{name: bytes}`` as files below a folder."""
    for name, raw in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return folder


def write_tar(path, files, above="cifar-10-batches-py/", mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, raw in {**files, "readme.html": b"<html>"}.items():
            member = tarfile.TarInfo(above + name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


def write_zip(path, files, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return path


def encoded(pixels, kind="PNG", mode=None, **options):
    """One image as the bytes of a file."""
    from PIL import Image

    image = Image.fromarray(pixels)
    out = io.BytesIO()
    (image if mode is None else image.convert(mode)).save(out, kind, **options)
    return out.getvalue()


def image_files(pixels, labels, n_train, classes=CLASSES, kind="PNG"):
    """``{train/CLASS/0000.png: bytes}``, numbered in the order of the rows."""
    return {
        f"{'train' if i < n_train else 'test'}/{classes[label]}/{i:04}.{kind.lower()}": encoded(
            image, kind
        )
        for i, (image, label) in enumerate(zip(pixels, labels, strict=True))
    }


def higgs_rows(n, seed=0):
    """Labels (n,) and features (n, 28)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return y, (rng.normal(size=(n, 28)) + y[:, None]).astype(np.float32)


def higgs_text(y, x, delimiter=","):
    """As UCI writes it: every number with 18 decimals and an exponent."""
    lines = [
        delimiter.join([f"{label:.18e}", *(f"{value:.18e}" for value in row)])
        for label, row in zip(y, x.tolist(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def series_matrix(x, classes, *, shifted=(), characteristics=True):
    """A series matrix of GEO of samples ``x`` (n, probes); some samples lack their first cell."""
    n = len(x)
    samples = [f"GSM{330000 + i}" for i in range(n)]
    first = [
        f"leukemia class: {c}" if i in shifted else "tissue: marrow" for i, c in enumerate(classes)
    ]
    second = ["" if i in shifted else f"leukemia class: {c}" for i, c in enumerate(classes)]

    def line(name, cells):
        return "\t".join([name, *(f'"{cell}"' for cell in cells)])

    lines = [
        line("!Series_title", ["Microarray Innovations in LEukemia (MILE) study"]),
        line("!Series_geo_accession", ["GSE13159"]),
        "",
        line("!Sample_title", [f"leukemia {i}" for i in range(n)]),
        line("!Sample_geo_accession", samples),
        *(
            [
                line("!Sample_characteristics_ch1", first),
                line("!Sample_characteristics_ch1", second),
            ]
            if characteristics
            else []
        ),
        "!series_matrix_table_begin",
        line('"ID_REF"', samples),
        *(
            "\t".join([f'"{1007 + j}_s_at"', *map(repr, column)])
            for j, column in enumerate(x.T.tolist())
        ),
        "!series_matrix_table_end",
    ]
    return "\n".join(lines) + "\n"


def write_gz(path, text):
    path.write_bytes(gzip.compress(text.encode()))
    return path
