"""Wide tables and a few small ones for `wide.py`: a name, and how the arrays are loaded.

Tables come from a folder (``--data``), from packages, or are drawn here. `load` raises `Absent`
where the folder or the package is missing.
"""

import gzip
import importlib
import lzma
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import datasets
from tables import documents, indicators
from trulysparse.datasets import load_madelon

# Eleven of the repository scikit-feature (Arizona State University), each as NAME.npz with `x` of
# (samples, columns) and `y`, classes from 0.
COLLECTED = (
    "ALLAML", "arcene", "BASEHOCK", "colon", "GLIOMA", "Isolet", "lymphoma", "PCMAC", "TOX-171",
    "warpAR10P", "Yale",
)  # fmt: skip
CELLS, SAMPLES = 5_000_000, 2_500  # a table with more of either is large: it gets two folds
LARGE = {"BASEHOCK", "PCMAC", "madelon", "BASEHOCK (CSR)", "PCMAC (CSR)", "documents", "indicators"}
BITS = 2048  # of a fingerprint


class Absent(Exception):
    """A table cannot be loaded here; says what it needs."""


@dataclass(frozen=True)
class Table:
    """A table to learn from.

    Attributes
    ----------
    load
        Gives features of (samples, columns), dense or CSR, and the target; gets the folder.
    group
        The tables with which it is summed up, a key of `GROUPS`.
    """

    load: Callable[[Path], tuple[Any, np.ndarray]]
    group: str

    @property
    def regression(self) -> bool:
        """Whether the target is a number."""
        return "regression" in self.group

    @property
    def csr(self) -> bool:
        """Whether the features are CSR."""
        return "CSR" in self.group


GROUPS = {
    "wide": "Wide tables",
    "small": "Small tables",
    "CSR": "CSR",
    "wide regression": "Regression, wide tables",
    "small regression": "Regression, small tables",
    "CSR regression": "Regression, CSR",
}


def _collected(name: str, folder: Path, csr: bool = False) -> tuple[Any, np.ndarray]:
    path = folder / "wide" / f"{name}.npz"
    if not path.is_file():
        raise Absent(f"needs {path}")
    with np.load(path) as found:
        x = found["x"].astype(np.float32)
        return sparse.csr_matrix(x) if csr else x, found["y"]


def _madelon(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        found = load_madelon(folder)
    except FileNotFoundError as error:
        raise Absent(str(error)) from None
    x = np.concatenate([found.x_train, found.x_test]).astype(np.float32)
    return x, np.concatenate([found.y_train, found.y_test])


def _drawn(draw: Callable[[], tuple[Any, np.ndarray]], folder: Path) -> tuple[Any, np.ndarray]:
    return draw()


def _csr(draw: Callable[[], tuple[Any, np.ndarray]], folder: Path) -> tuple[Any, np.ndarray]:
    x, y = draw()
    x = sparse.csr_matrix(x)
    x.indices, x.indptr = x.indices.astype(np.int32), x.indptr.astype(np.int32)
    return x, y


def _sklearn(name: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def _statsmodels(name: str, label: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    _needs("statsmodels")
    frame = importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data
    y = frame.pop(label).to_numpy()
    return frame.to_numpy(np.float64), y


def _needs(package: str) -> Path:
    """Give the folder of a package of Python."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise Absent(f"needs the package {package}")
    return Path(found.submodule_search_locations[0])


def _of_r(package: str, name: str) -> dict[str, Any]:
    """Read a data set of an R package, as its columns; needs `rdata`, but not R.

    The package lies in a folder of ``R_LIBS``, or where Debian's ``r-cran-NAME`` has it.
    """
    _needs("rdata")
    import rdata

    places = [*filter(None, os.environ.get("R_LIBS", "").split(":")), "/usr/lib/R/site-library"]
    folder = next((p for f in places if (p := Path(f) / package / "data").is_dir()), None)
    if folder is None:
        raise Absent(f"needs the R package {package}")
    single = folder / f"{name}.RData"
    if single.is_file():
        parsed = rdata.parser.parse_file(single)
        found = rdata.conversion.convert(parsed)
        return {str(key): value for key, value in found.items()}
    # All data sets in one file, and an index with the place and the length of each.
    index = rdata.conversion.convert(
        rdata.parser.parse_data(gzip.decompress((folder / "Rdata.rdx").read_bytes()))
    )
    start, length = map(int, index["variables"][name])
    part = (folder / "Rdata.rdb").read_bytes()[start : start + length]
    # Columns that are matrices fit into no frame of pandas.
    kinds = {**rdata.conversion.DEFAULT_CLASS_MAP, "data.frame": lambda columns, _: columns}
    found = rdata.conversion.convert(
        rdata.parser.parse_data(_unpacked(part)), constructor_dict=kinds
    )
    return {str(key): value for key, value in found.items()}


def _unpacked(part: bytes) -> bytes:
    """Undo R's compression: four bytes with the length, then zlib, or `Z` and LZMA2."""
    if part[4:5] == b"Z":
        how = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
        return lzma.decompress(part[5:], format=lzma.FORMAT_RAW, filters=how)
    return zlib.decompress(part[4:])


def _spectra(name: str, label: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Load near-infrared spectra of the R package pls."""
    found = _of_r("pls", name)
    return np.asarray(found["NIR"], np.float64), np.asarray(found[label], np.float64)


def _caret(
    name: str, features: str, target: str, column: int | None, folder: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Load a data set of the R package caret, the rows with a target."""
    found = _of_r("caret", name)
    x, y = np.asarray(found[features], np.float64), np.asarray(found[target], np.float64)
    y = y if column is None else y[:, column]
    return x[np.isfinite(y)], y[np.isfinite(y)]


def _cox2(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Load inhibitors of an enzyme; the target is the logarithm of a concentration, as usual."""
    x, y = _caret("cox2", "cox2Descr", "cox2IC50", None, folder)
    return x, -np.log10(y)


def _molecules(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Load an assay of ChEMBL that RDKit brings: Morgan fingerprints, and the activity."""
    path = _needs("rdkit") / "Contrib" / "FreeWilson" / "data"
    if not path.is_dir():
        raise Absent("needs the folder Contrib of rdkit")
    from rdkit import Chem
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    lines = (path / "CHEMBL2321810_act.csv").read_text().split()[1:]
    activity = dict(line.split(",") for line in lines)
    make = GetMorganGenerator(radius=2, fpSize=BITS)
    x, y = [], []
    for line in (path / "CHEMBL2321810.smi").read_text().splitlines():
        smiles, name = line.split()
        if name in activity:
            x.append(make.GetFingerprintAsNumPy(Chem.MolFromSmiles(smiles)))
            y.append(float(activity[name]))
    return np.array(x, np.float32), np.array(y)


def linear(samples: int = 200, columns: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Draw a target that is linear in 20 of the columns; a tenth of its variance is noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, columns))
    y = x[:, :20] @ rng.normal(size=20)
    return x, y + y.std() / 3 * rng.normal(size=samples)


def friedman(samples: int = 300, columns: int = 1_010) -> tuple[np.ndarray, np.ndarray]:
    """Draw Friedman's first function of five columns; the others carry nothing."""
    return datasets.make_friedman1(samples, columns, noise=1.0, random_state=0)


TABLES = {
    **{name: Table(partial(_collected, name), "wide") for name in COLLECTED},
    "madelon": Table(_madelon, "wide"),
    **{name: Table(partial(_sklearn, name), "small") for name in ("iris", "wine")},
    **{name: Table(partial(_sklearn, name), "small") for name in ("breast_cancer", "digits")},
    "anes96": Table(partial(_statsmodels, "anes96", "vote"), "small"),
    "modechoice": Table(partial(_statsmodels, "modechoice", "choice"), "small"),
    **{
        f"{name} (CSR)": Table(partial(_collected, name, csr=True), "CSR")
        for name in ("BASEHOCK", "PCMAC")
    },
    "documents": Table(partial(_csr, documents), "CSR"),
    "gasoline": Table(partial(_spectra, "gasoline", "octane"), "wide regression"),
    "yarn": Table(partial(_spectra, "yarn", "density"), "wide regression"),
    "tecator": Table(partial(_caret, "tecator", "absorp", "endpoints", 1), "wide regression"),
    "BloodBrain": Table(
        partial(_caret, "BloodBrain", "bbbDescr", "logBBB", None), "wide regression"
    ),
    "cox2": Table(_cox2, "wide regression"),
    "CHEMBL2321810": Table(_molecules, "wide regression"),
    "linear": Table(partial(_drawn, linear), "wide regression"),
    "friedman": Table(partial(_drawn, friedman), "wide regression"),
    "diabetes": Table(partial(_sklearn, "diabetes"), "small regression"),
    "statecrime": Table(partial(_statsmodels, "statecrime", "murder"), "small regression"),
    "indicators": Table(partial(_csr, indicators), "CSR regression"),
}
