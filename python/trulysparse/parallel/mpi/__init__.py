"""Parallel fits whose workers are processes of an MPI job, through mpi4py.

Rank 0 is the server and has no share of the samples; rank k is worker k - 1. What is computed is
the core's, here is only who sends what to whom:

- `link`: messages, signs of life, and what happens when a rank fails;
- `processes`: which ranks' processes are gone;
- `session`: the start of a fit, on all ranks;
- `server`: rank 0, as a driver of the loop over epochs;
- `worker`: the loop of the other ranks.

mpi4py itself is imported by whoever makes the communicator.
"""
