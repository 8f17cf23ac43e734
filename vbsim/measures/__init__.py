"""Measures: a specimen and a response give a quantity with a unit."""
