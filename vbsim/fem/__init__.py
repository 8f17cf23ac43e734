"""Finite elements: loads, operators, multigrid, linear solves, recovery of stress."""
