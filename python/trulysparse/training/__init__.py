"""One fit: what was asked for (``request``), who trains (``start``), the epochs (``loop``)."""
