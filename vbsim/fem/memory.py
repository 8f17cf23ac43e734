"""Memory that a solve needs, counted vector by vector."""

from __future__ import annotations

__all__ = ["forecast_bytes", "forecast_mesh_bytes", "forecast_tetra_bytes"]

_VECTOR, _SINGLE = 24, 12  # bytes a point: three components in double and single precision
# Fitted to full blocks, ellipsoids, and sheets and struts of 2 to 10 voxels that fill 5 to 50 % of
# their box: runs of cells and points number about a third of the points at the surface, which
# points in excess of cells count, and all coarser grids together have so many points a point.
_RUNS = 15  # bytes a point in excess of cells
_COARSE_FULL, _COARSE_SURFACE = 1.0 / 7.0, 0.3
_FIXED = 700_000  # inverse on the coarsest grid, planes of sums


def forecast_bytes(
    n_points: int,
    n_cells: int,
    *,
    box_points: int,
    n_units: int = 1,
    motions: int = 3,
    keeps_fields: bool = True,
) -> int:
    """Return the memory that solving a body needs above its moduli, bytes.

    Parameters
    ----------
    n_points, n_cells : int
        Points and cells with material that join the platens.
    box_points : int
        Points of the box around them.
    n_units : int
        Unit materials.
    motions : int
        Motions of the platen that are solved; a single one is axial.
    keeps_fields : bool
        Whether displacements are spread over the box in the end, as `solve_modes` does.
    """
    surface = max(n_points - n_cells, 0)
    body = n_points * _SINGLE + n_cells * 4 * n_units + surface * _RUNS  # diagonal, moduli, runs
    dense = box_points * (4 * n_units * 8 / 7 + 5)  # moduli of all grids, masks and flags
    setting_up = body + dense + 3 * n_points
    coarser = _COARSE_FULL * n_points + _COARSE_SURFACE * surface
    cycle = n_points * 4 * _SINGLE + coarser * (5 * _SINGLE + 4 * n_units)
    arms = 2 * 8 * n_points if motions > 1 else 0
    spread = motions * _VECTOR * box_points if keeps_fields else 0
    # The direction of the search is gone when the displacements are spread out.
    outer = n_points * _VECTOR * (motions + 1) + max(n_points * _VECTOR, spread)
    return int(_FIXED + max(setting_up, body + cycle + arms + outer))


# Hexahedra of a sweep: points that share a cell with a point, and how many times fewer points each
# coarser grid has.
_NEIGHBOURS, _COARSER = 26, 7
_BLOCK, _PAIRS = 72, 36  # bytes of nine numbers; pairs of nodes of a cell of eight
_BELOW = 1.0 / (_COARSER - 1.0)  # points of all coarser grids together, a point
# Numbers in a row of parameters and in one of state, a constituent of a cell.
_PARAMETERS, _STATE = 30, 10
# Numbers that a cell whose laws are asked across its thickness holds above one that is flat: twice
# a tangent of 18 x 18 while the remainder of its stiffness is made, moments, stress, relief.
_THIN = 2 * 171 - 45 + 24 + 9 + 6
_DIRECT = 25_000_000  # factors of meshes so small that they have no multigrid cycle


def forecast_mesh_bytes(
    n_points: int,
    n_cells: int,
    *,
    coarsest_points: int,
    motions: int = 3,
    n_entries: int | None = None,
    n_thin: int = 0,
) -> int:
    """Return the memory that solving swept hexahedra needs, bytes, matrix by matrix.

    Parameters
    ----------
    n_points, n_cells : int
        Of the mesh, caps included.
    coarsest_points : int
        Points between the platens on the coarsest grid (`mesh.hexa.coarsest_points`).
    motions : int
        Motions of the platen that are solved.
    n_entries : int, optional
        Constituents of all cells together that follow laws, as in strength tests and mechanics;
        left out for a linear solve.
    n_thin : int
        Cells of these whose laws are asked across their thickness.
    """
    pattern = n_points * (8 * _NEIGHBOURS + 8) + n_cells * 4 * _PAIRS
    matrix = n_points * _NEIGHBOURS * _BLOCK
    smoothed = n_points * (_NEIGHBOURS * _BLOCK // 2 + 2 * _BLOCK // 2 + 4 * _SINGLE + 4)
    carried = n_points * 2 * 8 * (4 + 4)  # interpolation to the next grid and back
    dense = 2 * 8 * (3 * coarsest_points) ** 2
    cycle = (smoothed + carried) * (1.0 + _BELOW) + pattern * _BELOW + dense
    vectors = n_points * _VECTOR * (2 * motions + 6)
    linear = pattern + matrix + cycle + vectors + n_cells * _BLOCK
    if n_entries is None:
        return int(_DIRECT + linear)
    kept = n_cells * _PAIRS * (_BLOCK + 8) + 4 * n_points * _NEIGHBOURS
    cells = n_cells * (8 * 3 * 8 + 3 * _BLOCK + 45 * 8 + 24)  # means, constants, stress, tangent
    laws = n_entries * 8 * (2 * _PARAMETERS + 4 * _STATE + 16) + n_thin * 8 * _THIN
    # The whole tangent stands beside the part of it that stays through a step.
    return int(_DIRECT + linear + matrix + kept + cells + laws + 4 * n_points * _VECTOR)


# Measured on bodies of 3500 to 25 000 points: bytes a point of a linear solve, and with laws.
_TETRA = {1: (17_000, 24_000), 2: (8_700, 15_800)}


def forecast_tetra_bytes(n_points: int, *, order: int, has_laws: bool) -> int:
    """Return the memory that solving tetrahedra needs, bytes.

    Parameters
    ----------
    n_points : int
        Of the mesh, caps included.
    order : {1, 2}
        First or second order: a point of first order has more cells, and more neighbours.
    has_laws : bool
        Whether the cells follow laws, as in strength tests and mechanics.
    """
    return n_points * _TETRA[order][int(has_laws)]
