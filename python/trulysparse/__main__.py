"""``python -m trulysparse`` is the command ``trulysparse``."""

from trulysparse.cli import run

run()
