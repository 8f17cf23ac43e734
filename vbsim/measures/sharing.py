"""How cement, trabecular bone, shell and endplate share the axial force."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.fem.response import Response
from vbsim.measures.fields import Fields, axial_stress
from vbsim.measures.fitted import AnyFields, FittedFields, fields_of
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.fitted import AnySpecimen
from vbsim.specimen.specimen import Specimen

__all__ = ["LoadProfile", "load_profile", "load_sharing", "COMPARTMENTS", "mid_height_mm"]

FloatArray = NDArray[np.float64]

COMPARTMENTS = ("cement", "trabecular", "shell", "endplate", "arch")

_NAMES = {
    "cement": "cement and the bone it fills",
    "trabecular": "trabecular bone outside cement (in imaged bone, all bone outside cement)",
    "shell": "the cortical shell",
    "endplate": "the bony endplates",
    "arch": "the posterior elements",
}
for _name, _text in _NAMES.items():
    define(
        f"load_share_{_name}",
        "1",
        f"Part of the axial force through the body's mid-height that {_text} carries: mean stress "
        "of each voxel by its constituents' own stiffness, between the two nearest voxel layers; "
        "the parts sum to 1.",
    )
define(
    "load_share_imbalance",
    "1",
    "Force through the mid-height plane over the platen force, minus 1: an error, not a result.",
)


class LoadProfile(NamedTuple):
    """Compressive axial force by constituent along the height.

    Attributes
    ----------
    height_mm : (n_z,) float array
        Body coordinate z of the voxel layers, mm.
    names : tuple of str
        Constituents.
    force_n : (n_names, n_z) float array
        Compressive force of each constituent in each layer, N; the columns sum to the platen
        force in every layer between the platens.
    """

    height_mm: FloatArray
    names: tuple[str, ...]
    force_n: FloatArray


def load_profile(
    specimen: Specimen,
    response: Response,
    *,
    layers: slice = slice(None),
    fields: Fields | None = None,
) -> LoadProfile:
    """Return the axial force by constituent in some or all voxel layers.

    The mean stress of a trilinear voxel summed over a layer is exactly the layer's internal force,
    so that the total differs from the platen force only by the solver's residual.

    Parameters
    ----------
    specimen, response : Specimen, Response
        A potted specimen on a grid aligned with its body, and its response.
    layers : slice
        Layers along z.
    fields : Fields or None
        Shared fields of this pair.
    """
    fields = fields or Fields(specimen, response)
    h_x, h_y, _ = specimen.domain.spacing_mm
    _, _, z = specimen.body_axes()
    names = tuple(fields.compartments)
    force = np.stack(
        [
            -h_x * h_y * axial_stress(fields.strain, part, layers).sum(axis=(1, 2))
            for part in fields.compartments.values()
        ]
    )
    return LoadProfile(z[layers], names, force + 0.0)  # an empty constituent carries 0, not -0


def load_sharing(
    specimen: AnySpecimen, response: Response, *, fields: AnyFields | None = None
) -> tuple[Quantity, ...]:
    """Return the parts of the axial force carried at mid-height, which sum to 1.

    The arch is named only where the specimen has one. On a mesh, mid-height is the layer of cells
    half-way between the endplates.
    """
    fields = fields or fields_of(specimen, response)
    if isinstance(fields, FittedFields):
        by_name = fields.mid_height_forces()
    else:
        by_name = _at_mid_height(fields)
    total = sum(by_name.values())
    shares = [
        quantity(f"load_share_{name}", by_name.get(name, 0.0) / total)
        for name in COMPARTMENTS
        if name != "arch" or name in by_name
    ]
    return (*shares, quantity("load_share_imbalance", total / response.force_n - 1.0))


def _at_mid_height(fields: Fields) -> dict[str, float]:
    """Return the force of each constituent between the two voxel layers next to mid-height, N."""
    specimen, response = fields.specimen, fields.response
    _, _, z = specimen.body_axes()
    plane = mid_height_mm(specimen)
    below = int(np.clip(np.searchsorted(z, plane) - 1, 0, len(z) - 2))
    profile = load_profile(specimen, response, layers=slice(below, below + 2), fields=fields)
    weight = (plane - z[below]) / (z[below + 1] - z[below])
    force = profile.force_n @ np.array([1.0 - weight, weight])
    return {name: float(f) for name, f in zip(profile.names, force, strict=True)}


def mid_height_mm(specimen: Specimen) -> float:
    """Return body z halfway between the mean heights of the two endplates, mm."""
    frame = specimen.anatomy.frame
    over = frame.footprint()
    return 0.5 * float(frame.superior_mm[over].mean() + frame.inferior_mm[over].mean())
