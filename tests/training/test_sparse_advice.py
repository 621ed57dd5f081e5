"""What a fit on sparse samples advises: not to standardise, which would lose their zeros."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts

RNG = np.random.default_rng(3)
DENSE = RNG.normal(size=(200, 12)) * (RNG.random((200, 12)) < 0.3)
Y = (DENSE[:, 0] > 0).astype(int)


def model(loss="cross_entropy"):
    sizes = [12, 20, 2 if loss == "cross_entropy" else 1]
    return ts.SparseMLP(sizes, loss=loss, dropout=0.0, seed=1, density=1)


def batches(x):
    x = x.tocsr() if sp.issparse(x) else x
    return iter([(x[k::10], Y[k::10]) for k in range(10)] * 3)


FITS = {
    "arrays": lambda x: model().fit(x, Y, epochs=3, batch_size=32, progress=False),
    "batches": lambda x: model().fit(batches(x), epochs=3, steps_per_epoch=10, progress=False),
    "workers": lambda x: model().fit(
        x, Y, epochs=3, batch_size=32, strategy=ts.WASSP(workers=2), progress=False
    ),
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_matrix])
def test_an_explosion_of_sparse_samples_advises_to_scale_them(fit, kind):
    x = (DENSE * 300).astype(np.float32)
    with pytest.warns(ts.ExplosionWarning, match="standardised features, or smaller"):
        FITS[fit](x)
    with pytest.warns(ts.ExplosionWarning, match=r"MaxAbsScaler \(with standardize=False\), or"):
        FITS[fit](kind(x))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("standardize", [None, False])
def test_a_selector_learns_from_samples_of_any_scale(standardize):
    for scale in (1e-3, 1, 300) if standardize is None else (1,):
        x = (DENSE * scale).astype(np.float32)
        for samples in (x, sp.csr_array(x)):
            selector = ts.SparseFeatureSelector(1, standardize=standardize, random_state=0)
            assert selector.fit(samples, Y).get_support(indices=True).tolist() == [0]


def test_small_sparse_samples_are_advised_to_be_scaled():
    y = DENSE[:, 0] + 0.5
    for x, advice in (
        (sp.csr_array(DENSE * 1e-4), "not 0 have a typical .*: scale them by .*MaxAbsScaler(;|$)"),
        (RNG.normal(size=(200, 12)) * 1e-4, "scale them, or use standardize=True"),
    ):
        with pytest.warns(ts.ExplosionWarning, match=advice) as caught:
            model("squared_error").fit(
                x,
                y,
                epochs=50,
                batch_size=20,
                optimizer=ts.SGD(0.001),
                topology=None,
                progress=False,
            )
        assert ("standardize=True" in str(caught[0].message)) != sp.issparse(x)
