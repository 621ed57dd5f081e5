"""No value, whatever it is, crashes a public call, raises a raw error, or harms what refuses it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import cases, limits

pytestmark = pytest.mark.cases
TESTS = Path(__file__).parents[1]
PARTS = cases.some(1, 8)
EVERY = cases.some(100, 4)  # each kind still is met by five arguments or more


@pytest.mark.parametrize("part", range(PARTS))
def test_every_argument_of_every_public_call(part):
    for needed in ("matplotlib", "pandas"):
        pytest.importorskip(needed, reason=f"is tried too: pip install {needed}")
    script = [sys.executable, "-m", "helpers.bad_anywhere", *map(str, (part, PARTS, EVERY))]
    done = subprocess.run(
        script, capture_output=True, text=True, cwd=TESTS, timeout=limits.CHILD, check=False
    )
    first, *lines, counted = map(json.loads, done.stdout.splitlines() or ["{}", "{}"])
    tried, outcomes = lines[::2], lines[1::2]
    ended = done.returncode not in (0, 1)
    assert not ended, f"{tried[-1:]} ended the process: {done.stderr[-2000:]}"
    assert first["kinds"] > 200
    assert len(tried) == len(outcomes) == counted["tried"] > 1000
    refused = [outcome for outcome in outcomes if not outcome["taken"]]
    assert len(refused) > 0.8 * len(outcomes)
    wrong = [
        (case["case"], outcome["text"])
        for case, outcome in zip(tried, outcomes, strict=True)
        if outcome["raw"] or outcome["harmed"]
    ]
    assert not wrong, wrong
