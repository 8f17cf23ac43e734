"""The specimen: a vertebra sampled on a grid, and its loading caps."""
