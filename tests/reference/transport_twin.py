"""Slow twin of the front: cells by falling pressure, each a dictionary entry, one at a time."""

import numpy as np


def advance(pressure, faces, leak, source, now, capacity, held, waiting, entered):
    """Return cement held, waiting, its time of entry, and leaked, after one step.

    Arrays have a ghost layer of zeros. `faces` are conductances (x, y, z) to the next cell.
    """
    held, waiting, entered = held.copy(), waiting.copy(), entered.copy()
    leaked = np.zeros_like(held)
    arriving = {}
    cells = [tuple(c) for c in np.argwhere(capacity > 0.0)]
    for cell in sorted(cells, key=lambda c: -pressure[c]):
        came = arriving.pop(cell, [])
        came += [(source[cell], now), (waiting[cell], entered[cell])]
        waiting[cell] = 0.0
        inflow = sum(v for v, _ in came)
        if inflow <= 0.0:
            continue
        inside = [*came, (held[cell], entered[cell])]
        entered[cell] = sum(v * t for v, t in inside) / sum(v for v, _ in inside)
        stored = min(inflow, capacity[cell] - held[cell])
        held[cell] += stored
        excess = inflow - stored
        out = {"outside": leak[cell] * pressure[cell]}
        for axis, face in ((2, faces[0]), (1, faces[1]), (0, faces[2])):
            for step in (1, -1):
                other = tuple(n + step * (k == axis) for k, n in enumerate(cell))
                conductance = face[cell] if step == 1 else face[other]
                out[other] = conductance * (pressure[cell] - pressure[other])
        out = {where: rate for where, rate in out.items() if rate > 0.0}
        total = sum(out.values())
        if excess <= 0.0:
            continue
        if total <= 0.0:
            waiting[cell] = excess
            continue
        for where, rate in out.items():
            share = excess * rate / total
            if where == "outside":
                leaked[cell] = share
            else:
                arriving.setdefault(where, []).append((share, entered[cell]))
    return held, waiting, entered, leaked


def soft_solid(pressure, faces, shares, permeability, capacity, held, threshold, most):
    """Return the viscosity of marrow at the front: thresholds as power, cell by cell."""
    is_full = (capacity > 0.0) & (held >= capacity * (1.0 - 1e-9))
    found = np.zeros_like(pressure)
    for cell in map(tuple, np.argwhere((capacity > 0.0) & (threshold > 0.0) & ~is_full)):
        power, losses, is_front = 0.0, 0.0, False
        for axis, face in ((2, faces[0]), (1, faces[1]), (0, faces[2])):
            for step in (1, -1):
                other = tuple(n + step * (k == axis) for k, n in enumerate(cell))
                conductance = face[cell] if step == 1 else face[other]
                entering = conductance * (pressure[other] - pressure[cell])
                half_cell = 1.0 / (2.0 * permeability[cell] * shares[2 - axis])
                losses += entering**2 * half_cell
                if is_full[other]:
                    is_front = True
                    power += threshold[cell] * max(entering, 0.0)
        if is_front:
            found[cell] = most[cell] if losses == 0.0 else min(power / losses, most[cell])
    return found
