"""Looks into a wheel and uses what was installed from it; `tests/wheel` runs this."""

import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import trulysparse as ts

wheel = Path(sys.argv[1])
# One binary for CPython 3.10 and all later ones, or for one without a global lock, which has no
# stable interface, and nothing but the package.
free = "t" in getattr(sys, "abiflags", "")
version = f"cp{sys.version_info.major}{sys.version_info.minor}"
tag = f"-{version}-{version}t-" if free else "-cp310-abi3-"
assert tag in wheel.name, wheel.name
with zipfile.ZipFile(wheel) as archive:
    names = archive.namelist()
    unpacked = sum(info.file_size for info in archive.infolist())
    [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
    described = archive.read(metadata).decode()
assert re.search(rf"^Version: {re.escape(ts.__version__)}$", described, re.MULTILINE), described
folders = {name.split("/")[0] for name in names}
assert {folder.split("-")[0] for folder in folders} == {"trulysparse"}, folders
for needed in ("py.typed", "_core.pyi", "callbacks/__init__.py", "plot/__init__.py"):
    assert f"trulysparse/{needed}" in names, needed
binaries = [name for name in names if name.endswith((".so", ".pyd", ".dylib"))]
assert len(binaries) == 1, binaries
assert binaries[0].startswith("trulysparse/_core."), binaries
assert not any(name.endswith((".rs", ".pyc")) for name in names)

assert Path(sys.prefix) in Path(ts.__file__).parents, ts.__file__
for name in ts.__all__:
    getattr(ts, name)

rng = np.random.default_rng(0)
x = rng.normal(size=(600, 30))
y = (x[:, 0] + x[:, 1] > 0).astype(int)
model = ts.SparseMLP(
    [30, 100, 100, 2], epsilon=10, init="lecun_uniform", fan="real", standardize=True, seed=0
)
stopping = ts.EarlyStopping(patience=5, restore_best_weights=True)
model.fit(
    x[:400],
    y[:400],
    epochs=30,
    batch_size=32,
    validation_data=(x[400:], y[400:]),
    optimizer=ts.SGD(0.05, nesterov=True, weight_decay=2e-5, schedule="cosine"),
    topology=ts.SET(grow_init=0.1),
    callbacks=[stopping],
    progress=False,
)
accuracy = model.evaluate(x[400:], y[400:])["accuracy"]
assert accuracy > 0.85, accuracy
model.save("model.safetensors")
assert np.array_equal(ts.load("model.safetensors").predict(x), model.predict(x))

size = wheel.stat().st_size / 1e6
print(f"{wheel.name}: {size:.2f} MB, {unpacked / 1e6:.2f} MB unpacked, instructions {ts._core.isa}")
