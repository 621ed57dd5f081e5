"""How many cases a test tries that lists or draws them itself, without Hypothesis.

A test that asks is marked: `pytestmark = pytest.mark.cases`. The long lane runs those again, with
`HYPOTHESIS_PROFILE=thorough`.
"""

import os
from typing import TypeVar

T = TypeVar("T")


def some(here: T, thorough: T) -> T:
    """Give the first, and in the long lane the second."""
    return thorough if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else here
