"""Places in a row of state that all laws share; what a law keeps for itself starts at `OWN`."""

from __future__ import annotations

__all__ = ["INELASTIC", "SOFTENING", "DISSIPATED", "DAMAGE", "OWN"]

INELASTIC = 0
"""Accumulated inelastic strain, never falling."""

SOFTENING = 1
"""Its mean over the neighbourhood after the last step: what strength and damage depend on."""

DISSIPATED = 2
"""Energy dissipated / volume of the constituent, MPa."""

DAMAGE = 3
"""Loss of unloading modulus, 0 to 1."""

OWN = 4
