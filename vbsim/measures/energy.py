"""Strain energy of a test, in all and by constituent."""

from __future__ import annotations

import numpy as np

from vbsim.fem.response import Response
from vbsim.measures.fitted import AnyFields, fields_of
from vbsim.measures.sharing import COMPARTMENTS
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.fitted import AnySpecimen

__all__ = ["strain_energy"]

define(
    "strain_energy",
    "N mm",
    "Work of the upper platen, half of force times displacement (and of moment times tilt), under "
    "the load that the row names; under the standing load in compression. The caps count.",
)
for _name in (*COMPARTMENTS, "cap"):
    define(
        f"strain_energy_share_{_name}",
        "1",
        f"Part of the strain energy stored in the {_name}: mean strain of each voxel with its "
        "constituents' own stiffness; the parts sum to 1.",
    )


def strain_energy(
    specimen: AnySpecimen,
    response: Response,
    *,
    standing_load_n: float | None = None,
    fields: AnyFields | None = None,
) -> tuple[Quantity, ...]:
    """Return the work of the platen and the part that each constituent stores.

    Parameters
    ----------
    specimen, response : AnySpecimen, Response
        A potted specimen and its linear response.
    standing_load_n : float or None
        Axial force to which the response is scaled, N; as solved if None.
    fields : AnyFields or None
        Shared fields of this pair.
    """
    fields = fields or fields_of(specimen, response)
    scale = 1.0 if standing_load_n is None else standing_load_n / response.force_n
    loads = np.array([response.force_n, *response.moment_n_mm])
    work = 0.5 * float(loads @ response.motion)
    stored = {
        name: sum(
            float(np.vdot(modulus * fields.volume_mm3, fields.unit_energies[unit]))
            for unit, modulus in zip(part.units, part.moduli, strict=True)
        )
        for name, part in fields.compartments.items()
    }
    total = sum(stored.values())
    shares = [
        quantity(f"strain_energy_share_{name}", stored.get(name, 0.0) / total)
        for name in (*COMPARTMENTS, "cap")
        if name != "arch" or name in stored
    ]
    return (quantity("strain_energy", scale * scale * work), *shares)
