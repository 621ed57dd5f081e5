"""Settings and presets in the words of the command line."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trulysparse import presets
from trulysparse.activations import ACTIVATIONS
from trulysparse.cli.common import say
from trulysparse.parallel import WASAP, WASSP
from trulysparse.presets import PRESETS, Preset
from trulysparse.topology import GradientGrowth

_OTHERS = "your own files, higgs, leukemia"
_TABLE, _RECIPE, _PAPER = (PRESETS[name] for name in ("table", "recipe", "paper"))
_FIRST = {"recipe": None, "paper": "fashion-mnist"}
"""The data whose settings stand for a preset's in a table of all."""

_ABOUT = {
    "table": f"the default for {_OTHERS}",
    "recipe": "the default for all other data, such as digits",
    "paper": "as in Truly Sparse Neural Networks at Scale (arXiv 2102.01732), for "
    + ", ".join(map(str, _PAPER)),
}
_BY_ROWS = {
    "epochs": f"those of {presets.FEWEST_STEPS:,} steps, at least {presets.FEWEST_EPOCHS}",
    "batch_size": f"rows / {presets.STEPS}, from {presets.SMALLEST} to {presets.LARGEST}",
    "evolve_every": f"those of {presets.EVOLVE_STEPS} steps",
}
"""What goes by the number of rows."""
_UNUSED = "-"
_LINE = 78

SLOPED = [name for name, kind in ACTIVATIONS.items() if kind.slope and kind.slope(1, 1)]
"""Activations that have the slope that they are given."""


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
        return f"preset {self.preset.name}, with what was given:\n{_settings(shown)}"


def add_preset(parser: Any) -> None:
    """Add the flag that chooses a preset."""
    parser.add_argument(
        "--preset",
        choices=list(PRESETS),
        help="settings of all flags that are not given, which --help-presets shows (default: table "
        "for your own files, higgs and leukemia; recipe for other data)",
    )


def add_help(parser: Any) -> None:
    """Add the flag that shows all presets."""
    parser.add_argument(
        "--help-presets", action=_ShowPresets, nargs=0, help="show the settings of all presets"
    )


class _ShowPresets(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        for line in "\n".join(table()).split("\n"):
            say(line)
        parser.exit()


def of_preset(parser: Any, flag: str, text: str, also: str = "", **options: Any) -> None:
    """Add a flag that a preset decides: only what was given is in the namespace.

    Its help is `text`, the defaults of ``table`` and ``recipe``, and what `also` adds to them.
    """
    options.setdefault("default", argparse.SUPPRESS)
    usual = defaults(flag.lstrip("-").replace("-", "_"))
    parser.add_argument(flag, help=f"{text} (default: {usual}{also})", **options)


def defaults(name: str) -> str:
    """Say what a setting is where its flag is not given: of ``table``, and of ``recipe``."""
    usual, recipe = _of_table(name), _word(name, _RECIPE["digits" if name != "hidden" else None])
    if usual in (recipe, _UNUSED):
        return recipe
    return f"{usual}; recipe: {recipe}"


def _of_table(name: str) -> str:
    """Say a setting of ``table``, by the number and kind of the rows if it goes by them."""
    if name in _BY_ROWS:
        return _BY_ROWS[name]
    usual = _TABLE[None]
    if name in ("nesterov", "schedule_decay"):  # which only SGD has
        usual = presets.SHARED
    few, many = (_word(name, usual._for(rows)) for rows in (presets.MANY - 1, presets.MANY))
    sparse = _word(name, usual._for(presets.MANY - 1, sparse=True))
    if few != many:
        return f"{few}, {many} from {presets.MANY:,} rows on"
    return many if sparse == few else f"{many}, {sparse} for sparse rows"


def _word(name: str, preset: Preset) -> str:
    """Say a setting of a preset as it is given."""
    value = getattr(preset, name)
    if name == "grow_init" and preset.grow == "gradient":
        value = GradientGrowth.grow_init
    if name == "slope" and preset.activation not in SLOPED:
        return _UNUSED
    if value is None:
        return "the end" if name == "zeta_stop" else "as table"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


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


def _settings(shown: Mapping[str, object]) -> str:
    """Write settings as flags, in lines that break between flags."""
    lines = [""]
    for name, value in shown.items():
        flag = _flag(name, value)
        if len(lines[-1]) + len(flag) >= _LINE:
            lines.append("")
        lines[-1] += f" {flag}"
    return "\n".join(f" {line}" for line in lines)


def table() -> list[str]:
    """Show all presets beside each other, and what other data of each have otherwise."""
    firsts = {name: PRESETS[name][data] for name, data in _FIRST.items()}
    rows = [["setting", *PRESETS]]
    for name in _TABLE[None]._flags():
        others = [_word(name, preset) for preset in firsts.values()]
        rows.append([f"--{name.replace('_', '-')}", _of_table(name), *others])
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_wrapped(f"{name}: {text}", "") for name, text in _ABOUT.items()]
    lines.append("")
    for row in rows:
        cells = (f"{cell:<{size}}" for cell, size in zip(row, wide, strict=True))
        lines.append("  ".join(cells).rstrip())
    for name, first in firsts.items():
        lines += ["", f"{name} has otherwise:"]
        for data, preset in PRESETS[name].items():
            other = _other(preset, first)
            if data is not None and other:
                lines.append(_wrapped(f"{data}: {other}", "  "))
    lines += ["", _wrapped(_NEW_STARTS, "")]
    return lines


_NEW_STARTS = (
    f"If training is unstable, table, and recipe for {_OTHERS}, start again with a quarter of the "
    f"learning rate, up to {presets.RETRIES} times, unless --learning-rate was given."
)


def _other(preset: Preset, first: Preset) -> str:
    """Write as flags what a preset has otherwise than another."""
    usual = first._flags()
    own = {key: value for key, value in preset._flags().items() if value != usual[key]}
    if preset.augment is not None and first.augment is None:
        own["augment"] = True
    return flags(own)


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        text,
        90,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,
    )
