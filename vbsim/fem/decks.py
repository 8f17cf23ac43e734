"""Solve a deck of Abaqus or CalculiX as it stands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput, require
from vbsim.fem.statics import (
    Static,
    body_force,
    elastic_matrices,
    face_pressure,
    isotropic_constants,
    solve_static,
    strains,
    stresses,
)
from vbsim.mesh.io.abaqus_deck import Deck, FaceLoad, Material

__all__ = ["DeckSolution", "solve_deck"]

FloatArray = NDArray[np.float64]

# The 21 constants of an anisotropic material in the order of the file, as places in the elastic
# matrix in Voigt order xx yy zz yz xz xy.
_XX, _YY, _ZZ, _YZ, _XZ, _XY = range(6)
_ORDER = (_XX, _YY, _ZZ, _XY, _XZ, _YZ)


class DeckSolution(NamedTuple):
    """Result of a deck.

    Attributes
    ----------
    displacement : (n_points, 3) float
        Displacement.
    forces : (n_points, 3) float
        Internal force at every point, as CalculiX prints it under ``RF``: reactions and loads.
    stress : (n_cells, n_quadrature, 6) float
        Stress at the quadrature points, Voigt ``xx yy zz yz xz xy``.
    """

    displacement: FloatArray
    forces: FloatArray
    stress: FloatArray


def solve_deck(deck: Deck) -> DeckSolution:
    """Solve the first step of a deck.

    Raises
    ------
    InvalidInput
        If it asks for something that is not supported; every such keyword is named.
    NotConverged
        If the body is not held.
    """
    if deck.unsupported:
        raise InvalidInput("deck: not supported: " + "; ".join(deck.unsupported))
    mesh, element = deck.mesh, deck.element
    constants, density, expansion = _materials(deck)
    held = np.zeros((mesh.n_points, 3), bool)
    displacement = np.zeros((mesh.n_points, 3))
    for points, direction, value in deck.prescribed:
        held[points, direction] = True
        displacement[points, direction] = value
    forces = np.zeros((mesh.n_points, 3))
    for points, direction, value in deck.loads:
        forces[points, direction] += value  # points of one line are all different
    for load in deck.face_loads:
        forces += _distributed(deck, load, density)
    warmer = (deck.temperature - deck.initial_temperature)[mesh.cells].mean(axis=1)
    initial = (expansion * warmer)[:, None] * np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    heated = initial if initial.any() else None
    axes = _axes(deck)
    problem = Static(mesh, element, constants, held, displacement, forces, heated, axes)
    found = solve_static(problem)
    strain = strains(mesh, element, found.displacement, constants=constants, initial_strain=heated)
    stress = stresses(strain, constants, heated)
    return DeckSolution(found.displacement, found.reactions + forces, stress)


def _materials(deck: Deck) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return elastic matrices (n_cells, 36), density and expansion of every cell."""
    n = deck.mesh.n_cells
    constants, density, expansion = np.zeros((n, 36)), np.zeros(n), np.zeros(n)
    given = np.zeros(n, bool)
    for cells, name in deck.sections:
        require(name in deck.materials, "material", name, f"one of {', '.join(deck.materials)}")
        material = deck.materials[name]
        constants[cells] = _elastic(material).ravel()
        density[cells], expansion[cells] = material.density, material.expansion
        given[cells] = True
    require(bool(given.all()), "section", f"{np.sum(~given)} cells without", "given for every cell")
    return constants, density, expansion


def _elastic(material: Material) -> FloatArray:
    """Return the elastic matrix, (6, 6)."""
    C = np.zeros((6, 6))
    given = material.elastic
    if material.kind.startswith("ISO"):
        return np.asarray(elastic_matrices(isotropic_constants(given[0], given[1], 1))[0])
    if material.kind.startswith("ORTHO"):
        for value, (i, j) in zip(given[:6], _triangle(3), strict=True):
            C[i, j] = C[j, i] = value
        for value, k in zip(given[6:9], (_XY, _XZ, _YZ), strict=True):
            C[k, k] = value
        return C
    for value, (i, j) in zip(given[:21], _triangle(6), strict=True):
        a, b = _ORDER[i], _ORDER[j]
        C[a, b] = C[b, a] = value
    return C


def _triangle(n: int) -> list[tuple[int, int]]:
    """Return the upper triangle column by column."""
    return [(i, j) for j in range(n) for i in range(j + 1)]


def _distributed(deck: Deck, load: FaceLoad, density: FloatArray) -> FloatArray:
    """Return the forces on the points of one distributed load."""
    cells, label, values = load
    mesh, element = deck.mesh, deck.element
    if label.startswith("P"):
        return face_pressure(mesh, element, cells, int(label[1:]) - 1, values[0])
    per_volume = np.zeros((mesh.n_cells, len(element.rule.weights), 3))
    if label == "GRAV":
        per_volume[cells] = values[0] * np.array(values[1:4]) * density[cells, None, None]
    else:
        shape_values = element.values(element.rule.points)[0]
        places = np.einsum("qa,cai->cqi", shape_values, mesh.points[mesh.cells[cells]])
        origin, axis = np.array(values[1:4]), np.array(values[4:7])
        axis = axis / np.linalg.norm(axis)
        arm = places - origin
        outwards = arm - (arm @ axis)[..., None] * axis
        per_volume[cells] = values[0] * density[cells, None, None] * outwards
    return body_force(mesh, element, per_volume)


def _axes(deck: Deck) -> FloatArray | None:
    """Return the axes of every point, columns, or None where all are the world's."""
    if not deck.transforms:
        return None
    axes = np.tile(np.eye(3), (deck.mesh.n_points, 1, 1))
    for points, kind, numbers in deck.transforms:
        first, second = np.array(numbers[:3]), np.array(numbers[3:6])
        if kind == "C":
            up = (second - first) / np.linalg.norm(second - first)
            arm = deck.mesh.points[points] - first
            radial = arm - (arm @ up)[:, None] * up
            radial /= np.linalg.norm(radial, axis=1, keepdims=True)
            around = np.cross(up, radial)
            axes[points] = np.stack([radial, around, np.tile(up, (len(points), 1))], axis=2)
        else:
            x = first / np.linalg.norm(first)
            z = np.cross(first, second)
            z /= np.linalg.norm(z)
            axes[points] = np.stack([x, np.cross(z, x), z], axis=1)
    return axes
