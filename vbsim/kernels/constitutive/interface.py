r"""Surface of cement on bone: bonded until it separates or slides; smeared over the voxel.

Isotropic elasticity of the logarithmic strain E (see `logarithmic`) less what the surface with
normal n has opened and slid: ``sig = C : (E - g n n - (s n + n s) / 2)`` with an opening strain
``g >= 0`` and a slip s in the surface. On the surface

- tension is at most ``b tension``. Beyond, g grows; it closes again without stress, and pressure
  comes back once it is shut;
- shear is at most ``b cohesion + friction p`` with p the pressure on the surface after the last
  step. Beyond, s grows. (With the pressure of this step the tangent would not be symmetric.)

The bond ``b = exp(-x / fading)`` falls with what has opened and slid, x, as it was after the last
step: within a step nothing softens.
"""

from __future__ import annotations

from math import exp, sqrt

import numpy as np

from vbsim.kernels import kernel
from vbsim.kernels.constitutive import logarithmic
from vbsim.kernels.constitutive.slots import DAMAGE, DISSIPATED, INELASTIC, OWN, SOFTENING

__all__ = ["N_PARAMS", "N_STATE", "respond"]

LAMBDA, MU, TENSION, COHESION, FRICTION, FADING, NORMAL = 0, 1, 2, 3, 4, 5, 6
N_PARAMS = 9
# Own state: opening, slip (3), pressure on the surface.
_GAP, _SLIP, _PRESSURE = OWN, OWN + 1, OWN + 4
N_STATE = OWN + 5

_strain = logarithmic.strain
_piola = logarithmic.piola
_ROW = (0, 1, 2, 1, 0, 0)
_COLUMN = (0, 1, 2, 2, 2, 1)


@kernel
def _pair(a, b, v):
    """Set v to ``a b + b a`` in Voigt order: what it takes of strain, and gives to stress."""
    for row in range(6):
        i, j = _ROW[row], _COLUMN[row]
        v[row] = a[i] * b[j] + a[j] * b[i]


@kernel
def _elastic(lam, mu, eps, sig, C):
    trace = eps[0] + eps[1] + eps[2]
    for i in range(3):
        sig[i] = lam * trace + 2.0 * mu * eps[i]
        sig[3 + i] = mu * eps[3 + i]
        for j in range(6):
            C[i, j] = lam if j < 3 else 0.0
            C[3 + i, j] = 0.0
        C[i, i] += 2.0 * mu
        C[3 + i, 3 + i] += mu


@kernel
def _stress(eps, row, old, sig, C, new, work):
    """Set stress (6,), its derivative (6, 6) and the state, from the strain (6,)."""
    lam, mu, n = row[LAMBDA], row[MU], row[NORMAL : NORMAL + 3]
    stiff = lam + 2.0 * mu
    d, e, nn, pair, along = work[0, :3], work[1, :3], work[2, :6], work[3, :6], work[4, :6]
    _elastic(lam, mu, eps, sig, C)
    bond = exp(-old[SOFTENING] / row[FADING])
    new[SOFTENING], new[DAMAGE] = old[SOFTENING], 1.0 - bond
    _pair(n, n, nn)
    opened, shear = 0.0, work[5, :3]
    for k in range(6):
        opened += 0.5 * nn[k] * eps[k]
    trace = eps[0] + eps[1] + eps[2]
    # Traction of the trial: along n, and in the surface.
    gap = old[_GAP]
    across = lam * trace + 2.0 * mu * opened - stiff * gap
    for i in range(3):
        total = 0.0
        for j in range(3):
            voigt = i if i == j else 6 - i - j
            total += (eps[voigt] if i == j else 0.5 * eps[voigt]) * n[j]
        shear[i] = 2.0 * mu * (total - opened * n[i])
    for i in range(3):
        shear[i] -= mu * old[_SLIP + i]
    # Opening: separation, or a gap that closes without stress.
    step, spent = 0.0, 0.0
    if across > bond * row[TENSION]:
        step = (across - bond * row[TENSION]) / stiff
        spent = bond * row[TENSION] * step
    elif across < 0.0 and gap > 0.0:
        step = max(across / stiff, -gap)
    moves = step > 0.0 or (step < 0.0 and step > -gap)
    new[_GAP] = gap + step
    across -= stiff * step
    new[_PRESSURE] = max(-across, 0.0)
    for i in range(3):
        along[i], along[3 + i] = lam, 0.0
    for k in range(6):
        along[k] += mu * nn[k]  # C : n n; `nn` is twice n n
    opened_total = new[_GAP]
    for k in range(6):
        sig[k] -= opened_total * along[k]
    if moves:
        for k in range(6):
            for m in range(6):
                C[k, m] -= along[k] * along[m] / stiff
    # Slip.
    length = sqrt(shear[0] ** 2 + shear[1] ** 2 + shear[2] ** 2)
    most = bond * row[COHESION] + row[FRICTION] * old[_PRESSURE]
    slid = 0.0
    if length > most:
        slid = (length - most) / mu
        share = most / length
        for i in range(3):
            d[i] = shear[i] / length
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            e[i] = n[j] * d[k] - n[k] * d[j]
        _pair(d, n, pair)
        _pair(e, n, nn)
        for k in range(6):
            for m in range(6):
                C[k, m] -= mu * (pair[k] * pair[m] + (1.0 - share) * nn[k] * nn[m])
        spent += most * slid
    for i in range(3):
        new[_SLIP + i] = old[_SLIP + i] + (slid * d[i] if slid > 0.0 else 0.0)
        shear[i] = new[_SLIP + i]
    _pair(shear, n, pair)
    for k in range(6):
        sig[k] -= mu * pair[k]
    new[INELASTIC] = old[INELASTIC] + max(step, 0.0) + slid
    new[DISSIPATED] = old[DISSIPATED] + spent


@kernel
def respond(F, params, old, dt, P, A, new):
    """Bonded surface; see the package for the form. Returns 1 if the voxel is inverted."""
    work = np.empty((14, 6))
    eps, sig, C = work[0], work[1], work[2:8]
    lengths, Q = np.empty(3), np.empty((3, 3))
    if not _strain(F, eps, lengths, Q):
        return 1
    _stress(eps, params, old, sig, C, new, work[8:])
    _piola(F, sig, C, lengths, Q, P, A)
    return 0
