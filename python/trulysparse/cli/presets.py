"""Settings and presets in the words of the command line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trulysparse import presets
from trulysparse.parallel import WASAP, WASSP
from trulysparse.presets import PRESETS, Preset

_OTHERS = "your own files, higgs, leukemia"
_INTRODUCTIONS = {
    "table": f"the default for {_OTHERS}; batches of a fortieth of the rows, from "
    f"{presets.SMALLEST} to {presets.LARGEST}; at least {presets.FEWEST_STEPS:,} steps and "
    f"{presets.FEWEST_EPOCHS} epochs; 300 neurons from {presets.MANY:,} rows on, "
    "unless these are sparse, and else 100; if training is unstable it starts again with a "
    "quarter of the learning rate, up to "
    f"{presets.RETRIES} times, unless --learning-rate was given",
    "recipe": f"the default for other data; for {_OTHERS} it has batches and new starts as above",
    "paper": "as in Truly Sparse Neural Networks at Scale (arXiv 2102.01732), by data set and for "
    "no other data",
}


@dataclass(frozen=True)
class Chosen:
    """A preset's settings; over them what suits the data, and then the flags that were given."""

    preset: Preset
    given: Mapping[str, Any]
    suited: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """Give a setting by the name of its flag."""
        if name in self.given:
            return self.given[name]
        return self.suited[name] if name in self.suited else getattr(self.preset, name)

    def sized(self, samples: int, strategy: WASSP | WASAP | None = None, **kind: Any) -> Chosen:
        """Fill in the batch size, with a strategy that of a worker, the decay, and the epochs.

        The decay of an epoch is the same for any number of workers.
        """
        given = self.given.get("batch_size")
        size = step = self.preset._for(samples, given, **kind).batch_size
        assert size is not None
        if strategy is not None:
            if given is None:
                size = max(size // strategy.workers, 1)
            step = strategy._samples_a_step(size)
        return replace(
            self, preset=replace(self.preset._for(samples, step, **kind), batch_size=size)
        )

    def said(self, settings: Mapping[str, object]) -> str:
        """Say the name of the preset, and settings as flags: first those that presets have."""
        names = [name for name in self.preset._flags() if settings.get(name) is not None]
        others = [name for name in settings if name not in self.preset._flags()]
        shown = {name: settings[name] for name in (*names, *others)}
        return f"preset {self.preset.name}, with what was given: {flags(shown)}"


def add_preset(parser: Any) -> None:
    """Add the flag that chooses a preset."""
    parser.add_argument(
        "--preset",
        choices=list(PRESETS),
        help="settings for all flags that are not given, listed below (default: table for your own "
        "files, higgs and leukemia, recipe for other data)",
    )


def flags(settings: Mapping[str, object]) -> str:
    """Write settings as they are given on the command line."""
    return " ".join(_flag(key, value) for key, value in settings.items())


def _flag(key: str, value: object) -> str:
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    return f"--{name} {value}"


def epilog() -> str:
    """Describe all presets: what the data sets of each have in common, then what they have not."""
    lines = ["presets:"]
    for name, by_data in PRESETS.items():
        lines.append(_wrapped(f"{name}: {_INTRODUCTIONS[name]}", "  "))
        all_flags = {data: preset._flags() for data, preset in by_data.items()}
        common = _common(all_flags.values())
        known = {key: value for key, value in common.items() if value is not None}
        lines.append(_wrapped(flags(known), "    "))
        if len(all_flags) == 1:
            continue
        for data, settings in all_flags.items():
            own = {k: v for k, v in settings.items() if k not in common and v is not None}
            own |= {} if by_data[data].augment is None else {"augment": True}
            lines.append(_wrapped(f"{data or _OTHERS}: {flags(own)}", "    "))
    return "\n".join(lines)


def _common(settings: Iterable[Mapping[str, object]]) -> dict[str, object]:
    first, *others = settings
    return {
        key: value for key, value in first.items() if all(other[key] == value for other in others)
    }


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        text,
        90,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,
    )
