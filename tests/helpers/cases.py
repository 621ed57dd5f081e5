"""How many cases a test tries, in each lane.

A test that lists or draws them without Hypothesis is marked: `pytestmark = pytest.mark.cases`. The
long lane runs those again, with `HYPOTHESIS_PROFILE=thorough`.
"""

import os
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")


def some(here: T, thorough: T) -> T:
    """Give the first, and in the long lane the second."""
    return thorough if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else here


def drawn(usual: int) -> int:
    """Give as many cases of Hypothesis for a slow test as the profile has for one of 60."""
    return max(1, usual * settings().max_examples // 60)
