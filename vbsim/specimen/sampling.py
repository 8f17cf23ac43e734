"""Means of fields on a grid over the cells of a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

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
# Places along each reference axis at which a hexahedron is read: across z, and along z, where
# layers of crushed bone and cement may be thinner than a cell.
_ACROSS, _ALONG = 2, 4
# A tetrahedron is read in the middles of the parts that halving its edges so often leaves.
_HALVINGS = 2
# Keeps compliances finite where a voxel has no stiffness.
_LEAST_MPA = 1e-9


def _places(n: int) -> FloatArray:
    """Return the middles of n equal parts of -1 ... 1."""
    return (2.0 * np.arange(n) + 1.0) / n - 1.0


# Edges on whose middles the four inner parts of a halved tetrahedron stand.
_INNER = (
    ((0, 1), (0, 2), (0, 3), (1, 3)),
    ((0, 1), (0, 2), (1, 2), (1, 3)),
    ((0, 2), (0, 3), (1, 3), (2, 3)),
    ((0, 2), (1, 2), (1, 3), (2, 3)),
)


def _parts_of_tetrahedron() -> FloatArray:
    """Return the middles of equal parts of the reference tetrahedron, (8^n, 3)."""
    parts = np.array([[(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]], dtype=np.float64)
    for _ in range(_HALVINGS):
        half = 0.5 * (parts[:, :, None] + parts[:, None])
        pieces = [[half[:, i, j] for j in range(4)] for i in range(4)]
        # Around the diagonal between the middles of edges 02 and 13 (Bey 1995).
        made = [np.stack(piece, axis=1) for piece in pieces]
        made += [np.stack([half[:, i, j] for i, j in corners], axis=1) for corners in _INNER]
        parts = np.concatenate(made)
    return np.asarray(parts.mean(axis=1))


class CellSampler:
    """Takes means of a specimen's fields over the cells of a mesh.

    Hexahedra are read at 2 x 2 x 4 points, tetrahedra at 64, weighted by the volume they stand
    for: stiffness as that of the voxel they lie in, other fields by trilinear interpolation between
    the centres of voxels.

    Parameters
    ----------
    specimen : Specimen
        Fields on a grid aligned with the body.
    mesh : Mesh
        Hexahedra, their third reference axis upwards, or tetrahedra, in body coordinates.
    """

    def __init__(self, specimen: Specimen, mesh: Mesh) -> None:
        self._axes = specimen.body_axes()
        self._spacing = specimen.domain.spacing_mm
        self._points = mesh.points
        self._corners = mesh.cells[:, : mesh.geometry.n_corners]
        self._is_hexahedra = mesh.geometry.n_corners == 8
        if self._is_hexahedra:
            x, z = _places(_ACROSS), _places(_ALONG)
            grid = np.meshgrid(z, x, x, indexing="ij")
            self._at = np.stack([part.ravel() for part in grid[::-1]], axis=1)
        else:
            self._at = _parts_of_tetrahedron()

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
            weights, samples, _ = self._read(filled, cells)
            parts.append(np.einsum("cq,kcq->kc", weights, samples))
        return np.concatenate(parts, axis=1)

    def stiffness(
        self,
        fields: Sequence[FloatArray],
        c33: FloatArray,
        valid: Mask,
        chosen: Mask,
        *,
        filled: FloatArray,
    ) -> list[FloatArray]:
        """Return the moduli of constituents over chosen cells, each (K, n_chosen).

        Parts of a cell that lie one over the other share a stress, parts beside each other a
        strain. Which it is follows from the samples: between the mean of layers in series and the
        mean of all, weighted by the share of z in the squared differences of stiffness. Where the
        surface of cement cuts a cell, all of it is in series, whichever way the surface faces (see
        `specimen.stiffness`).

        Parameters
        ----------
        fields : sequence of (K, n_z, n_y, n_x) float
            Moduli of each constituent on the unit materials.
        c33 : (K,) float
            Stiffness of each unit material along z.
        valid, chosen : bool arrays
            As in `means`.
        filled : (n_z, n_y, n_x) float
            Cement / pore space, 0 to 1.
        """
        n_units = len(c33)
        whole = self._filled(np.concatenate([*fields, filled[None]]), valid)
        parts = []
        for cells in self._chunks(chosen):
            # Each point has what its voxel holds: interpolated between intact bone and cement, a
            # layer of crushed bone one voxel thin would be several times as stiff along the load.
            weights, (*samples, cement), places = self._read(whole, cells, order=0)
            moduli = np.array(samples)
            mean = np.einsum("cq,kcq->kc", weights, moduli)
            along = np.einsum("k,fkcq->cq", c33, moduli.reshape(-1, n_units, *weights.shape))
            along = np.maximum(along, _LEAST_MPA)
            if self._is_hexahedra:
                layered = _layering(weights, along)
            else:
                layered = _layering_anywhere(places, along)
            series = _series(weights, along)
            sharp = cement.max(axis=1) - cement.min(axis=1)
            parts.append(mean * (layered + sharp * (series - layered)))
        found = np.concatenate(parts, axis=1)
        return list(found.reshape(-1, n_units, found.shape[1]))

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

    def _read(
        self, fields: FloatArray, cells: NDArray[np.intp], *, order: Literal[0, 1] = 1
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return weights (c, q) that sum to 1, samples (K, c, q) and their places (c, q, 3)."""
        element = ELEMENTS["hex8" if self._is_hexahedra else "tet4"]
        corners = self._corners[cells]
        places = np.einsum("qa,cai->cqi", element.values(self._at)[0], self._points[corners])
        if self._is_hexahedra:
            _, volumes = cell_gradients(self._points, corners, element, self._at)
        else:
            volumes = np.ones(places.shape[:2])
        at = [(places[..., k] - self._axes[k][0]) / self._spacing[k] for k in (2, 1, 0)]
        samples = np.stack(
            [map_coordinates(field, at, order=order, mode="nearest") for field in fields]
        )
        return volumes / volumes.sum(axis=1, keepdims=True), samples, places


def _layering(weights: FloatArray, along: FloatArray) -> FloatArray:
    """Return the factor on the mean that layers in series make of it, (n_cells,), at most 1."""
    shape = (-1, _ALONG, _ACROSS, _ACROSS)
    w, c = weights.reshape(shape), along.reshape(shape)
    layer = w.sum(axis=(2, 3))
    mean = (w * c).sum(axis=(2, 3)) / layer
    series = 1.0 / (layer / mean).sum(axis=1)
    log = np.log(c)
    varied = [np.var(log.mean(axis=other), axis=1) for other in ((2, 3), (1, 3), (1, 2))]
    total = np.sum(varied, axis=0)
    vertical = np.divide(varied[0], total, out=np.zeros_like(total), where=total > 1e-12)
    result: FloatArray = 1.0 + vertical * (series / (layer * mean).sum(axis=1) - 1.0)
    return result


def _series(weights: FloatArray, along: FloatArray) -> FloatArray:
    """Return the same factor for all samples in series, what is empty beside them."""
    is_solid = along > _LEAST_MPA
    solid = np.where(is_solid, weights, 0.0)
    compliance, mean = (solid / along).sum(axis=1), (solid * along).sum(axis=1)
    some = mean > 0.0
    result: FloatArray = np.divide(
        solid.sum(axis=1) ** 2, compliance * mean, out=np.ones_like(mean), where=some
    )
    return result


def _layering_anywhere(places: FloatArray, along: FloatArray) -> FloatArray:
    """Return what `_layering` does, from samples of equal weight anywhere in the cells.

    Layers are quarters of the samples from the lowest to the highest; how far they lie across z
    follows from the mean slope of the logarithm of stiffness.
    """
    order = np.argsort(places[..., 2], axis=1, kind="stable")
    layer = np.take_along_axis(along, order, axis=1).reshape(len(along), _ALONG, -1).mean(axis=2)
    series = 1.0 / (1.0 / layer).mean(axis=1)
    arm = places - places.mean(axis=1, keepdims=True)
    log = np.log(along)
    log -= log.mean(axis=1, keepdims=True)
    spread = np.einsum("cqi,cqj->cij", arm, arm)
    slope = np.linalg.solve(spread, np.einsum("cqi,cq->ci", arm, log)[..., None])[..., 0]
    total = np.einsum("ci,ci->c", slope, slope)
    vertical = np.divide(slope[:, 2] ** 2, total, out=np.zeros_like(total), where=total > 1e-12)
    result: FloatArray = 1.0 + vertical * (series / along.mean(axis=1) - 1.0)
    return result
