"""How the topology of a network changes while it trains: rules, each in a file."""

from typing import TYPE_CHECKING

from trulysparse import _hints
from trulysparse.topology._magnitude import SCHEDULES
from trulysparse.topology._rule import Rule
from trulysparse.topology.custom import EvolvingLayer, TopologyRule
from trulysparse.topology.gradient import GradientGrowth
from trulysparse.topology.pruning import ImportancePruning
from trulysparse.topology.set import SET

__all__ = [
    "SCHEDULES",
    "SET",
    "EvolvingLayer",
    "GradientGrowth",
    "ImportancePruning",
    "Rule",
    "TopologyRule",
]

if not TYPE_CHECKING:  # which would then take any name
    __getattr__ = _hints.of_module(__name__, __all__)
