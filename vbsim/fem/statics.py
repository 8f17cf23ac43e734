"""Small linear problems on any mesh: held components, forces, thermal strain; stress at points.

The workhorse of verification and of decks read from files; factorised directly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vbsim.checks import NotConverged, require
from vbsim.fem.assembled import assemble
from vbsim.fem.sparse import Factorisation
from vbsim.mesh.elements import Element, reference_corners
from vbsim.mesh.mesh import Mesh, cell_gradients

__all__ = [
    "Static",
    "StaticSolution",
    "body_force",
    "elastic_matrices",
    "face_pressure",
    "isotropic_constants",
    "solve_static",
    "strains",
    "stresses",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Where the nine constants of an orthotropic material stand in the elastic matrix.
_NINE = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2), (3, 3), (4, 4), (5, 5))


@dataclass(frozen=True, eq=False)
class Static:
    """A linear elastic problem.

    Parameters
    ----------
    mesh : Mesh
        The body.
    element : Element
        The finite element.
    constants : (n_cells, 9) or (n_cells, 36) float, MPa
        See `assemble`.
    held : (n_points, 3) bool
        Components that are prescribed.
    displacement : (n_points, 3) float, mm
        Prescribed values at held components.
    forces : (n_points, 3) float, N
        Forces on the points.
    initial_strain : (n_cells, 6) float, optional
        Stress-free strain of every cell (thermal), Voigt with engineering shear.
    axes : (n_points, 3, 3) float, optional
        Columns are the directions in which a point's components are held; the world's by default.
    """

    mesh: Mesh
    element: Element
    constants: FloatArray
    held: BoolArray
    displacement: FloatArray
    forces: FloatArray
    initial_strain: FloatArray | None = None
    axes: FloatArray | None = None


class StaticSolution(NamedTuple):
    """Displacement and internal minus applied force of every point, each (n_points, 3)."""

    displacement: FloatArray
    reactions: FloatArray


def solve_static(problem: Static) -> StaticSolution:
    """Solve a linear problem by factorisation.

    Raises
    ------
    NotConverged
        If the body is not held (singular stiffness).
    """
    mesh = problem.mesh
    matrix = assemble(mesh, problem.element, problem.constants).to_scipy().tocsc()
    loads = problem.forces + _thermal_forces(problem)
    turn = _turn(problem)
    if turn is not None:
        matrix, loads = (turn.T @ matrix @ turn).tocsc(), (turn.T @ loads.ravel()).reshape(-1, 3)
    free = ~problem.held.ravel()
    u = np.where(problem.held, problem.displacement, 0.0).ravel()
    rest = loads.ravel() - matrix @ u
    factor = Factorisation(matrix[free][:, free])
    u[free] = factor.solve(rest[free])
    size = max(float(np.abs(rest).max()), 1e-300)
    force = matrix @ u
    if not np.isfinite(u).all() or np.abs((force - loads.ravel())[free]).max() > 1e-6 * size:
        raise NotConverged("the body is not held: its stiffness is singular")
    reactions = force - loads.ravel()
    reactions[free] = 0.0
    if turn is not None:
        u, reactions = np.asarray(turn @ u), np.asarray(turn @ reactions)
    return StaticSolution(u.reshape(-1, 3), reactions.reshape(-1, 3))


def isotropic_constants(young_mpa: FloatArray | float, poisson: float, n_cells: int) -> FloatArray:
    """Return the nine constants of isotropic cells, (n_cells, 9), MPa."""
    E = np.broadcast_to(np.asarray(young_mpa, dtype=np.float64), (n_cells,))
    lam, mu = E * poisson / ((1 + poisson) * (1 - 2 * poisson)), E / (2 * (1 + poisson))
    return np.stack([lam + 2 * mu] * 3 + [lam] * 3 + [mu] * 3, axis=1)


def elastic_matrices(constants: FloatArray) -> FloatArray:
    """Return the elastic matrices of constants (n, 9) or (n, 36), (n, 6, 6)."""
    if constants.shape[1] == 36:
        return constants.reshape(-1, 6, 6)
    C = np.zeros((len(constants), 6, 6))
    for k, (i, j) in enumerate(_NINE):
        C[:, i, j] = C[:, j, i] = constants[:, k]
    return C


def strains(
    mesh: Mesh,
    element: Element,
    displacement: FloatArray,
    *,
    constants: FloatArray | None = None,
    at: FloatArray | None = None,
    initial_strain: FloatArray | None = None,
) -> FloatArray:
    """Return the strain at the quadrature points or at given reference points.

    Parameters
    ----------
    mesh, element : Mesh, Element
        The body.
    displacement : (n_points, 3) float, mm
        Displacement of the points.
    constants : array
        As in `assemble`; needed for elements with incompatible modes, whose part is added.
    at : (n, 3) float, optional
        Reference points.
    initial_strain : (n_cells, 6) float, optional
        Stress-free strain, which moves incompatible modes too.

    Returns
    -------
    (n_cells, n, 6) float
        Voigt ``xx yy zz yz xz xy`` with engineering shear.
    """
    gradients, _ = cell_gradients(mesh.points, mesh.cells, element, at)
    u = displacement[mesh.cells]
    found = _voigt(np.einsum("cqaj,cai->cqij", gradients, u))
    if element.n_modes:
        require(constants is not None, "constants", None, "given for incompatible modes")
        assert constants is not None
        found += _mode_strains(mesh, element, u, constants, at, initial_strain)
    return found


def stresses(
    strain: FloatArray, constants: FloatArray, initial_strain: FloatArray | None = None
) -> FloatArray:
    """Return the stress of strains (n_cells, n, 6), MPa, in the same order."""
    elastic = strain if initial_strain is None else strain - initial_strain[:, None]
    return np.asarray(np.einsum("cij,cqj->cqi", elastic_matrices(constants), elastic))


def body_force(mesh: Mesh, element: Element, density: FloatArray) -> FloatArray:
    """Return the forces on the points of a force density.

    Parameters
    ----------
    density : (n_cells, 3) or (n_cells, n_quadrature, 3) float, N/mm3
        Force per volume, of each cell or at its quadrature points.
    """
    _, volumes = cell_gradients(mesh.points, mesh.cells, element)
    values = element.values(element.rule.points)[0]
    if density.ndim == 2:
        density = np.repeat(density[:, None], volumes.shape[1], axis=1)
    forces = np.zeros((mesh.n_points, 3))
    np.add.at(forces, mesh.cells, np.einsum("cq,qa,cqi->cai", volumes, values, density))
    return forces


def face_pressure(
    mesh: Mesh, element: Element, cells: NDArray[np.int64], face: int, traction: FloatArray | float
) -> FloatArray:
    """Return the forces on the points of a pressure or traction on one face of some cells.

    Parameters
    ----------
    cells : (n,) int
        The cells.
    face : int
        Number of the face in the cell, in Abaqus' order.
    traction : float or (3,) float, MPa
        Pressure, pushing inwards where positive; or a traction vector.
    """
    places, weights, tangents = _face_rule(element, face)
    values, slopes = element.values(places)
    x = mesh.points[mesh.cells[cells]]
    jacobian = np.einsum("qak,cai->cqki", slopes, x)
    first = np.einsum("k,cqki->cqi", tangents[0], jacobian)
    second = np.einsum("k,cqki->cqi", tangents[1], jacobian)
    area = np.cross(first, second) * weights[:, None]
    if np.ndim(traction) == 0:
        load = -float(np.asarray(traction)) * area
    else:
        load = np.linalg.norm(area, axis=2, keepdims=True) * np.asarray(traction)
    forces = np.zeros((mesh.n_points, 3))
    np.add.at(forces, mesh.cells[cells], np.einsum("qa,cqi->cai", values, load))
    return forces


def _face_rule(element: Element, face: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return reference points and weights of a face and its two outward-turning tangents."""
    corners = reference_corners(element.shape)[list(element.shape.faces[face])]
    if len(corners) == 4:
        g = np.sqrt(0.6)
        line, weight = np.array([-g, 0.0, g]), np.array([5.0, 8.0, 5.0]) / 9.0
        r, s = (part.ravel() for part in np.meshgrid(line, line))
        weights = np.outer(weight, weight).ravel()
        tangents = 0.5 * np.array([corners[1] - corners[0], corners[3] - corners[0]])
        middle = corners.mean(axis=0)
        return middle + r[:, None] * tangents[0] + s[:, None] * tangents[1], weights, tangents
    r = np.array([1.0, 4.0, 1.0]) / 6.0
    s = np.array([1.0, 1.0, 4.0]) / 6.0
    tangents = np.array([corners[1] - corners[0], corners[2] - corners[0]])
    places = corners[0] + r[:, None] * tangents[0] + s[:, None] * tangents[1]
    return places, np.full(3, 1.0 / 6.0), tangents


def _voigt(gradient: FloatArray) -> FloatArray:
    """Return Voigt strains of displacement gradients (..., 3, 3), row the component."""
    g = gradient
    return np.stack(
        [
            g[..., 0, 0],
            g[..., 1, 1],
            g[..., 2, 2],
            g[..., 1, 2] + g[..., 2, 1],
            g[..., 0, 2] + g[..., 2, 0],
            g[..., 0, 1] + g[..., 1, 0],
        ],
        axis=-1,
    )


def _operators(gradients: FloatArray) -> FloatArray:
    """Return strain matrices of gradients (c, q, m, 3), (c, q, 6, 3m); column 3 a + i."""
    c, q, m, _ = gradients.shape
    B = np.zeros((c, q, 6, m, 3))
    for voigt, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        B[:, :, voigt, :, i] = gradients[..., j]
        if i != j:
            B[:, :, voigt, :, j] = gradients[..., i]
    return B.reshape(c, q, 6, 3 * m)


def _mode_gradients(
    mesh: Mesh, element: Element, at: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return corrected gradients of the incompatible modes (c, q, 3, 3) and volumes (c, q)."""
    places = element.rule.points if at is None else np.atleast_2d(at)
    _, volumes = cell_gradients(mesh.points, mesh.cells, element, at)
    weights = element.rule.weights if at is None else np.ones(len(places))
    centre = element.values(np.zeros((1, 3)))[1][0]
    jacobian = np.einsum("ak,cai->cki", centre, mesh.points[mesh.cells])
    ratio = np.linalg.det(jacobian)[:, None] / (volumes / weights)
    slopes = -2.0 * places[:, :, None] * np.eye(3)
    gradients = np.einsum("cq,cik,qmk->cqmi", ratio, np.linalg.inv(jacobian), slopes)
    return gradients, volumes


def _mode_strains(
    mesh: Mesh,
    element: Element,
    u: FloatArray,
    constants: FloatArray,
    at: FloatArray | None,
    initial_strain: FloatArray | None,
) -> FloatArray:
    """Return what the incompatible modes add to the strain, (n_cells, n, 6)."""
    C = elastic_matrices(constants)
    gradients, _ = cell_gradients(mesh.points, mesh.cells, element)
    strain = _voigt(np.einsum("cqaj,cai->cqij", gradients, u))
    if initial_strain is not None:
        strain = strain - initial_strain[:, None]
    modes, volumes = _mode_gradients(mesh, element, None)
    B = _operators(modes)
    own = np.einsum("cq,cqvi,cvw,cqwj->cij", volumes, B, C, B, optimize=True)
    push = np.einsum("cq,cqvi,cvw,cqw->ci", volumes, B, C, strain, optimize=True)
    # Cells without material bend with those around them: their modes are not asked.
    own[~own.any(axis=(1, 2))] = np.eye(own.shape[1])
    amplitude = -np.linalg.solve(own, push[..., None])[..., 0]
    shown = B if at is None else _operators(_mode_gradients(mesh, element, at)[0])
    return np.asarray(np.einsum("cqvi,ci->cqv", shown, amplitude))


def _thermal_forces(problem: Static) -> FloatArray:
    if problem.initial_strain is None:
        return np.zeros((problem.mesh.n_points, 3))
    mesh, element = problem.mesh, problem.element
    stress = stresses(problem.initial_strain[:, None], problem.constants)[:, 0]
    gradients, volumes = cell_gradients(mesh.points, mesh.cells, element)
    sigma = stress[:, [0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(-1, 3, 3)
    # A uniform stress does no work on the corrected incompatible modes: their mean gradient is 0.
    local = np.einsum("cq,cqaj,cij->cai", volumes, gradients, sigma)
    forces = np.zeros((mesh.n_points, 3))
    np.add.at(forces, mesh.cells, local)
    return forces


def _turn(problem: Static) -> sp.csr_array | None:
    if problem.axes is None:
        return None
    n = problem.mesh.n_points
    parts = (problem.axes, np.arange(n), np.arange(n + 1))
    return sp.bsr_array(parts, shape=(3 * n, 3 * n)).tocsr()
