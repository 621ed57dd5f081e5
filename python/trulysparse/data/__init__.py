"""Arrays, sparse matrices and files of a user as arrays that the core takes.

Read first ``arrays``, which makes float32 samples and targets, then ``sparse``, the check of
SciPy's matrices. ``readers``, ``lines`` and ``pickles`` read file formats. A particular data set
is loaded by ``trulysparse.datasets``, into a `Dataset`: a table with a training and a test part.
What training holds while it runs, samples with their targets and weights, is the core's ``Data``.
"""
