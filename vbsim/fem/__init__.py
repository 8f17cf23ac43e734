"""Finite elements: loads, operators, multigrid, linear solves, recovery of stress."""

from vbsim.fem.linear import Settings, respond, solve, solve_modes
from vbsim.fem.loads import TESTS, Compression, Flexion, LateralBending, LoadCase, Strength
from vbsim.fem.memory import forecast_bytes, forecast_mesh_bytes, forecast_tetra_bytes
from vbsim.fem.response import PlatenModes, Response, SolverReport, Status

__all__ = [
    "Compression",
    "Flexion",
    "LateralBending",
    "Strength",
    "LoadCase",
    "TESTS",
    "Settings",
    "solve",
    "solve_modes",
    "respond",
    "forecast_bytes",
    "forecast_mesh_bytes",
    "forecast_tetra_bytes",
    "Response",
    "PlatenModes",
    "SolverReport",
    "Status",
]
