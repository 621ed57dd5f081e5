"""Which features a network needs: they leave while it trains, the weakest first."""
