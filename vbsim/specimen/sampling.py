"""Means of fields on a grid over the cells of a mesh."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.mesh import Mesh, cell_gradients
from vbsim.specimen.specimen import Specimen

__all__ = ["CellSampler"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Cells sampled at once; bounds memory.
_CHUNK = 1 << 14
# Places along each reference axis at which a cell is read: across z, and along z, where layers of
# crushed bone and cement may be thinner than a cell.
_ACROSS, _ALONG = 2, 4


def _places(n: int) -> FloatArray:
    """Return the middles of n equal parts of -1 ... 1."""
    return (2.0 * np.arange(n) + 1.0) / n - 1.0


class CellSampler:
    """Takes means of a specimen's fields over the cells of a hexahedral mesh.

    Each cell is read at 2 x 2 x 4 points, weighted by the volume they stand for, with trilinear
    interpolation between the centres of voxels.

    Parameters
    ----------
    specimen : Specimen
        Fields on a grid aligned with the body.
    mesh : Mesh
        Hexahedra in body coordinates, their third reference axis upwards.
    """

    def __init__(self, specimen: Specimen, mesh: Mesh) -> None:
        self._axes = specimen.body_axes()
        self._spacing = specimen.domain.spacing_mm
        self._mesh = mesh
        x, z = _places(_ACROSS), _places(_ALONG)
        grid = np.meshgrid(z, x, x, indexing="ij")
        self._at = np.stack([part.ravel() for part in grid[::-1]], axis=1)

    def means(self, fields: FloatArray, valid: Mask, chosen: Mask) -> FloatArray:
        """Return the means of some fields over chosen cells, (K, n_chosen).

        Parameters
        ----------
        fields : (K, n_z, n_y, n_x) float
            Fields of intensive quantities.
        valid : (n_z, n_y, n_x) bool
            Voxels where they mean something; others take the value of the nearest of those.
        chosen : (n_cells,) bool
            Cells.
        """
        filled = self._filled(fields, valid)
        parts = []
        for cells in self._chunks(chosen):
            weights, samples = self._read(filled, cells)
            parts.append(np.einsum("cq,kcq->kc", weights, samples))
        return np.concatenate(parts, axis=1)

    def stiffness(
        self, fields: Sequence[FloatArray], c33: FloatArray, valid: Mask, chosen: Mask
    ) -> list[FloatArray]:
        """Return the moduli of constituents over chosen cells, each (K, n_chosen).

        Parts of a cell that lie one over the other share a stress, parts beside each other a
        strain. Which it is follows from the samples: between the mean of layers in series and the
        mean of all, weighted by the share of z in the squared differences of stiffness.

        Parameters
        ----------
        fields : sequence of (K, n_z, n_y, n_x) float
            Moduli of each constituent on the unit materials.
        c33 : (K,) float
            Stiffness of each unit material along z.
        valid, chosen : bool arrays
            As in `means`.
        """
        n_units = len(c33)
        filled = self._filled(np.concatenate(list(fields)), valid)
        parts = []
        for cells in self._chunks(chosen):
            weights, samples = self._read(filled, cells)
            mean = np.einsum("cq,kcq->kc", weights, samples)
            along = np.einsum("k,fkcq->cq", c33, samples.reshape(-1, n_units, *weights.shape))
            parts.append(mean * _layering(weights, along))
        whole = np.concatenate(parts, axis=1)
        return list(whole.reshape(-1, n_units, whole.shape[1]))

    def _filled(self, fields: FloatArray, valid: Mask) -> FloatArray:
        if valid.all():
            return fields
        nearest = distance_transform_edt(
            ~valid, sampling=self._spacing[::-1], return_distances=False, return_indices=True
        )
        result: FloatArray = fields[(slice(None), *np.asarray(nearest))]
        return result

    def _chunks(self, chosen: Mask) -> list[NDArray[np.intp]]:
        cells = np.flatnonzero(chosen)
        return [cells[k : k + _CHUNK] for k in range(0, max(len(cells), 1), _CHUNK)]

    def _read(self, fields: FloatArray, cells: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        """Return weights (c, q) that sum to 1 and samples (K, c, q)."""
        element = ELEMENTS["hex8"]
        corners = self._mesh.cells[cells]
        places = np.einsum("qa,cai->cqi", element.values(self._at)[0], self._mesh.points[corners])
        _, volumes = cell_gradients(self._mesh.points, corners, element, self._at)
        at = [(places[..., k] - self._axes[k][0]) / self._spacing[k] for k in (2, 1, 0)]
        samples = np.stack(
            [map_coordinates(field, at, order=1, mode="nearest") for field in fields]
        )
        return volumes / volumes.sum(axis=1, keepdims=True), samples


def _layering(weights: FloatArray, along: FloatArray) -> FloatArray:
    """Return the factor on the mean that layers in series make of it, (n_cells,), at most 1."""
    shape = (-1, _ALONG, _ACROSS, _ACROSS)
    w, c = weights.reshape(shape), np.maximum(along, 1e-9).reshape(shape)
    layer = w.sum(axis=(2, 3))
    mean = (w * c).sum(axis=(2, 3)) / layer
    series = 1.0 / (layer / mean).sum(axis=1)
    log = np.log(c)
    varied = [np.var(log.mean(axis=other), axis=1) for other in ((2, 3), (1, 3), (1, 2))]
    total = np.sum(varied, axis=0)
    vertical = np.divide(varied[0], total, out=np.zeros_like(total), where=total > 1e-12)
    result: FloatArray = 1.0 + vertical * (series / (layer * mean).sum(axis=1) - 1.0)
    return result
