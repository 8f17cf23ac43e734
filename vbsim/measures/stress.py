"""Axial stress in the bone next to the endplates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim import data
from vbsim.checks import InvalidInput
from vbsim.fem.response import Response
from vbsim.measures.fields import axial_stress, body_fraction
from vbsim.measures.fitted import AnyFields, FittedFields, fields_of
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.fitted import AnySpecimen

__all__ = ["endplate_stress", "weighted_percentile", "ENDPLATES"]

FloatArray = NDArray[np.float64]

ENDPLATES = ("superior", "inferior")

for _end in ENDPLATES:
    _layer = (
        f"axial compressive stress in the body's layer of 2 mm next to the {_end} endplate (bone, "
        "shell and cement, per volume of body), over its footprint, under the standing load"
    )
    define(f"endplate_stress_{_end}", "MPa", f"Mean {_layer}.")
    define(f"endplate_stress_{_end}_p95", "MPa", f"95th percentile, by volume, of the {_layer}.")

# A voxel with less body than this shows the stress of a sliver, not of the endplate.
_LEAST_BODY = 0.5


def endplate_stress(
    specimen: AnySpecimen,
    response: Response,
    *,
    standing_load_n: float,
    fields: AnyFields | None = None,
) -> tuple[Quantity, ...]:
    """Return mean and 95th percentile of the axial stress next to both endplates.

    Parameters
    ----------
    specimen, response : AnySpecimen, Response
        A potted specimen on a grid aligned with its body, and its linear response.
    standing_load_n : float
        Axial force to which the response is scaled, N.
    fields : AnyFields or None
        Shared fields of this pair.
    """
    fields = fields or fields_of(specimen, response)
    scale = standing_load_n / response.force_n
    level = data.value("measures.endplate.percentile")
    result = []
    for end in ENDPLATES:
        stress, volume = _layer_stress(fields, end)
        mean = float(np.average(stress, weights=volume))
        high = weighted_percentile(stress, volume, level)
        result.append(quantity(f"endplate_stress_{end}", scale * mean))
        result.append(quantity(f"endplate_stress_{end}_p95", scale * high))
    return tuple(result)


def weighted_percentile(values: FloatArray, weights: FloatArray, level: float) -> float:
    """Return the value below which `level` percent of the weight lies.

    Examples
    --------
    >>> weighted_percentile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), 75.0)
    2.0
    """
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    # A hair below the level keeps a value whose weight ends exactly there.
    target = level / 100.0 * reached[-1] * (1.0 - 1e-12)
    return float(values[order[np.searchsorted(reached, target)]])


def _layer_stress(fields: AnyFields, end: str) -> tuple[FloatArray, FloatArray]:
    """Return compressive stress and body fraction of the cells next to one endplate."""
    depth_mm = data.value("measures.endplate.layer_mm")
    if isinstance(fields, FittedFields):
        return fields.endplate_layer(end, depth_mm)
    specimen = fields.specimen
    x, y, z = specimen.body_axes()
    frame = specimen.anatomy.frame
    theta, radius = np.arctan2(y[:, None], x), np.hypot(y[:, None], x)
    is_upper = end == "superior"
    over = radius <= frame.wall_radius(theta, 1.0 if is_upper else 0.0)
    sample = frame.superior_at if is_upper else frame.inferior_at
    surface = sample(x[None, :], y[:, None])
    inward = -1.0 if is_upper else 1.0

    reach = np.concatenate([surface[over], surface[over] + inward * depth_mm])
    first, last = np.searchsorted(z, [reach.min(), reach.max()])
    layers = slice(int(first), int(last))
    depth = inward * (z[layers, None, None] - surface)
    body = body_fraction(specimen)[layers]
    chosen = over & (depth > 0) & (depth <= depth_mm) & (body >= _LEAST_BODY)
    if not chosen.any():
        raise InvalidInput(
            f"endplate stress: no bone within {depth_mm:g} mm of the {end} endplate; "
            "the grid is too coarse or the body frame does not fit the tissue"
        )
    total = np.zeros(body.shape)
    for name, part in fields.compartments.items():
        if name not in ("cap", "arch"):
            total += axial_stress(fields.strain, part, layers)
    return -total[chosen] / body[chosen], body[chosen]
