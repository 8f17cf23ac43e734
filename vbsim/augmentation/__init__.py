"""Augmentation: where the cement goes and how much of it."""
