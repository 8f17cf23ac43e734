"""Cement that displaces marrow in the pores of a box of cells: viscosity, and a front that moves.

Arrays have one ghost layer all around that holds 0, like those of `stencil`. Fluxes follow from
pressures and conductances; pressure falls along every flux, so that cells taken in the order of
falling pressure have their inflow complete when their turn comes, and any step is conservative.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels import kernel

__all__ = ["Fluid", "shear_rate", "soft_solid", "advance", "carry"]

Array = NDArray[np.float64]


class Fluid(NamedTuple):
    """Cement in the cells, each padded (n_z, n_y, n_x).

    Attributes
    ----------
    capacity : float array
        Pore volume.
    held : float array
        Cement in it.
    waiting : float array
        Cement that found no way on in the last step; the first to enter in the next.
    entered : float array
        Time at which the cement in the cell entered the bone, mean over its volume.
    """

    capacity: Array
    held: Array
    waiting: Array
    entered: Array


@kernel
def shear_rate(u, faces, areas, permeability, factors, porosity, out):
    """Set the shear rate at the walls of the pores, taken as a bundle of capillaries.

    ``4 |v| / sqrt(8 k porosity)`` with the Darcy velocity v, the permeability k along it.

    Parameters
    ----------
    u : padded
        Pressure.
    faces : Faces
        Conductances, volume / (time pressure).
    areas : (3,)
        Area of the faces across x, y and z.
    permeability : padded
        Along the axis of factor 1; 0 where closed.
    factors : (3,)
        Permeability along x, y and z over that.
    porosity : padded
        Pore volume / volume.
    out : padded
        Result; cells that are closed are left.
    """
    n_z, n_y, n_x = u.shape
    for k in range(1, n_z - 1):
        for j in range(1, n_y - 1):
            for i in range(1, n_x - 1):
                k_cell = permeability[k, j, i]
                if k_cell <= 0.0:
                    continue
                here = u[k, j, i]
                v_x = faces.x[k, j, i] * (here - u[k, j, i + 1])
                v_x += faces.x[k, j, i - 1] * (u[k, j, i - 1] - here)
                v_y = faces.y[k, j, i] * (here - u[k, j + 1, i])
                v_y += faces.y[k, j - 1, i] * (u[k, j - 1, i] - here)
                v_z = faces.z[k, j, i] * (here - u[k + 1, j, i])
                v_z += faces.z[k - 1, j, i] * (u[k - 1, j, i] - here)
                s_x = (0.5 * v_x / areas[0]) ** 2
                s_y = (0.5 * v_y / areas[1]) ** 2
                s_z = (0.5 * v_z / areas[2]) ** 2
                square = s_x + s_y + s_z
                # v . K^-1 v = v^2 / k: the permeability along the flow.
                over = s_x / factors[0] + s_y / factors[1] + s_z / factors[2]
                out[k, j, i] = 4.0 * np.sqrt(over / (8.0 * k_cell * porosity[k, j, i]))
                if square == 0.0:
                    out[k, j, i] = 0.0


@kernel
def soft_solid(u, faces, shares, permeability, fluid, threshold, most, out):
    """Set the viscosity by which marrow in the cells of the front costs a pressure to displace.

    Marrow that holds together gives way at a pressure, however slowly. Over the two halves of its
    cell it takes as much power as that pressure times what presses on it from full cells:
    ``viscosity sum(q^2 / (2 k share)) = threshold inflow``, with the flows q of the last solve.
    Where cement cannot raise the pressure, flow falls from solve to solve, down to what `most` lets
    by.

    Parameters
    ----------
    u : padded
        Pressure.
    faces : Faces
        Conductances.
    shares : (3,)
        Area over cell size across x, y and z, times the factor on the permeability there.
    permeability : padded
        Along the axis of factor 1.
    fluid : Fluid
        A cell is of the front if it is not full and lies beside a full one.
    threshold : padded
        The pressure; 0 where marrow is a liquid.
    most : padded
        Largest viscosity, as pressure times time.
    out : padded
        Viscosity, as pressure times time; 0 away from the front.
    """
    n_y, n_x = u.shape[1], u.shape[2]
    flat_u, k_flat, t_flat = u.reshape(-1), permeability.reshape(-1), threshold.reshape(-1)
    f_x, f_y, f_z = faces.x.reshape(-1), faces.y.reshape(-1), faces.z.reshape(-1)
    held, capacity = fluid.held.reshape(-1), fluid.capacity.reshape(-1)
    most_flat, found = most.reshape(-1), out.reshape(-1)
    steps = np.array([1, -1, n_x, -n_x, n_x * n_y, -n_x * n_y])
    flux = np.zeros(6)
    for cell in range(len(found)):
        found[cell] = 0.0
        full = capacity[cell] * (1.0 - 1e-9)
        if t_flat[cell] <= 0.0 or capacity[cell] <= 0.0 or held[cell] >= full:
            continue
        _outflow(cell, flat_u, f_x, f_y, f_z, n_x, n_x * n_y, flux)
        is_front = False
        pressed = 0.0
        losses = 0.0
        for side in range(6):
            beside = cell + steps[side]
            room = capacity[beside] * (1.0 - 1e-9)
            losses += flux[side] ** 2 / (2.0 * k_flat[cell] * shares[side // 2])
            if room > 0.0 and held[beside] >= room:
                is_front = True
                pressed += max(-flux[side], 0.0)
        if not is_front:
            continue
        found[cell] = most_flat[cell]
        if t_flat[cell] * pressed < most_flat[cell] * losses:
            found[cell] = t_flat[cell] * pressed / losses


@kernel
def _outflow(cell, u, f_x, f_y, f_z, row, plane, flux):
    """Set the flow out of a cell through its faces: +x, -x, +y, -y, +z, -z; arrays are flat."""
    here = u[cell]
    flux[0] = f_x[cell] * (here - u[cell + 1])
    flux[1] = f_x[cell - 1] * (here - u[cell - 1])
    flux[2] = f_y[cell] * (here - u[cell + row])
    flux[3] = f_y[cell - row] * (here - u[cell - row])
    flux[4] = f_z[cell] * (here - u[cell + plane])
    flux[5] = f_z[cell - plane] * (here - u[cell - plane])


@kernel
def advance(order, u, faces, leak, source, now, fluid, arriving, arriving_age, leaked):
    """Let cement enter for one step; a cell passes it on only once it is full.

    Parameters
    ----------
    order : (n,) int64
        Flat indices of the padded cells that have pores, by falling pressure.
    u : padded
        Pressure.
    faces : Faces
        Conductances; `sink` is not used.
    leak : padded
        Conductance to the outside that cement can take.
    source : padded
        Volume of cement that enters each cell from the needle in this step.
    now : float
        Time, kept as the time of entry.
    fluid : Fluid
        Changed in place.
    arriving, arriving_age : padded
        Work; 0 on entry and on return.
    leaked : padded
        Cement that left each cell to the outside in this step; set.
    """
    n_y, n_x = u.shape[1], u.shape[2]
    flat_u, flat_leak, flat_source = u.reshape(-1), leak.reshape(-1), source.reshape(-1)
    f_x, f_y, f_z = faces.x.reshape(-1), faces.y.reshape(-1), faces.z.reshape(-1)
    held, waiting = fluid.held.reshape(-1), fluid.waiting.reshape(-1)
    capacity, entered = fluid.capacity.reshape(-1), fluid.entered.reshape(-1)
    come, age, gone = arriving.reshape(-1), arriving_age.reshape(-1), leaked.reshape(-1)
    steps = np.array([1, -1, n_x, -n_x, n_x * n_y, -n_x * n_y])
    flux = np.zeros(6)
    gone[:] = 0.0
    for cell in order:
        inflow = come[cell] + flat_source[cell] + waiting[cell]
        moment = age[cell] + flat_source[cell] * now + waiting[cell] * entered[cell]
        come[cell] = 0.0
        age[cell] = 0.0
        waiting[cell] = 0.0
        if inflow <= 0.0:
            continue
        mean = (moment + held[cell] * entered[cell]) / (inflow + held[cell])
        entered[cell] = mean
        stored = max(min(inflow, capacity[cell] - held[cell]), 0.0)
        held[cell] += stored
        excess = inflow - stored
        if excess <= 0.0:
            continue
        here = flat_u[cell]
        _outflow(cell, flat_u, f_x, f_y, f_z, n_x, n_x * n_y, flux)
        out = max(flat_leak[cell] * here, 0.0)
        total = out
        for side in range(6):
            flux[side] = max(flux[side], 0.0)
            total += flux[side]
        if total <= 0.0:
            waiting[cell] = excess
            continue
        gone[cell] = excess * out / total
        for side in range(6):
            share = excess * flux[side] / total
            come[cell + steps[side]] += share
            age[cell + steps[side]] += share * mean


@kernel
def carry(entering, room, held):
    """Let what enters a tube along its way fill it from there on; return what leaves at its end.

    Parameters
    ----------
    entering : (n,)
        Volume that enters each piece of the tube, from its inner end to its mouth.
    room : (n,)
        Volume of each piece.
    held : (n,)
        What it holds; changed in place.
    """
    moving = 0.0
    for piece in range(len(room)):
        moving += entering[piece]
        kept = max(min(moving, room[piece] - held[piece]), 0.0)
        held[piece] += kept
        moving -= kept
    return moving
