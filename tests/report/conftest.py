"""What the tests of pages share."""

import pytest
from trulysparse.report import html, pictures


@pytest.fixture
def without_pictures(request, monkeypatch):
    """Leave pictures out of pages, for speed, where a test does not ask for `drawn`."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(
            pictures,
            "draw",
            lambda paint, told, salt, size=None: f"<svg>{html.escaped(told)}</svg>",
        )
