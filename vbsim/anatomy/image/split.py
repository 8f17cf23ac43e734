"""Body and arch of a vertebra that carries one label: cut at the back wall of the body."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

from vbsim.anatomy.image.columns import Pose
from vbsim.anatomy.image.labels import refuse_cut
from vbsim.anatomy.image.pose import Evidence, find_pose
from vbsim.anatomy.image.sampling import Sampler
from vbsim.checks import InvalidInput, PhysicsWarning

__all__ = ["split"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

# A ball of this part of the largest inscribed radius fits into a body, but not into its pedicles.
_CORE_BALL = 0.75
# A second part that holds this share of the first is no joint of the arch but another body.
_RIVAL = 0.5
# Cut, fit the frame to what is in front, cut again.
_ROUNDS = 3
# The back wall is read on a strip about the midline, over this part of the height.
_STRIP_MM = 4.0
_HEIGHT_PART = (0.1, 0.9)
# An empty gap behind the wall of at least this depth is the canal.
_LEAST_CANAL_MM = 5.0
# The rest must be this part of the whole to be an arch; a body's rounded corners are less.
_LEAST_ARCH = 0.12


class Parts(NamedTuple):
    """Body and arch, each (n_z, n_y, n_x)."""

    body: Mask
    arch: Mask


def split(evidence: Evidence) -> Parts:
    """Return body and arch of a vertebra labelled as one piece.

    A ball that fits only into the body finds its core; its frame shows where, on the midline, the
    body ends and the canal begins; a plane through the back rim parts the two, and the frame of
    the front part does the same again. A label without an arch is returned as a body.

    Parameters
    ----------
    evidence : Evidence
        Its ``body`` is the whole vertebra, its arch is ignored.

    Raises
    ------
    InvalidInput
        If there is an arch but no canal behind the body, or more than one part as thick as a body.
    """
    whole, grid = evidence.body, evidence.grid
    body = _core(evidence)
    arch = _far_from(body, whole, grid.spacing_mm)
    if arch.sum() < _LEAST_ARCH * whole.sum():
        return Parts(whole, np.zeros_like(whole))
    for _ in range(_ROUNDS):
        with warnings.catch_warnings():
            # The final fit repeats what there is to say.
            warnings.simplefilter("ignore", PhysicsWarning)
            pose = find_pose(replace(evidence, body=body, arch=arch, front_back="auto"))
        body = _in_front(evidence, body, pose)
        arch = whole & ~body
    return Parts(body, arch)


def _in_front(evidence: Evidence, body: Mask, pose: Pose) -> Mask:
    """Return what lies in front of the back wall of a first guess of the body."""
    whole, grid = evidence.body, evidence.grid
    wall = _back_wall_mm(evidence, body, pose)
    index = np.argwhere(whole)
    local = (index[:, ::-1] + 0.5) * np.array(grid.spacing_mm)
    in_front = pose.to_body(grid.to_world(local))[:, 1] <= wall
    front = np.zeros_like(whole)
    front[tuple(index[in_front].T)] = True
    # Processes that reach forward beside the body are not connected to it in front of the wall.
    parts, _ = ndimage.label(front)
    return np.asarray(parts == np.bincount(parts[body & front]).argmax())


def _core(evidence: Evidence) -> Mask:
    """Return the whole opened by a ball too large for the pedicles."""
    whole, sampling = evidence.body, evidence.grid.spacing_mm[::-1]
    # Outside the image is no bone: a vertebra cut off there is not thicker for it.
    padded = ndimage.distance_transform_edt(np.pad(whole, 1), sampling=sampling)
    radius = _CORE_BALL * float(padded.max())
    seed = padded[1:-1, 1:-1, 1:-1] >= radius
    away = ndimage.distance_transform_edt(~seed, sampling=sampling)
    # In a collapsed body the joints of the arch may hold the ball too; the body holds most of it.
    parts, _ = ndimage.label(whole & (away <= radius))
    sizes = np.bincount(parts.ravel())[1:]
    largest = int(sizes.argmax())
    large = int((sizes > _RIVAL * sizes[largest]).sum())
    if large > 1:
        refuse_cut(whole, evidence.path, name="vertebra")
        raise InvalidInput(
            f"{evidence.path}: {large} large parts of the vertebra, each as thick as a body: must "
            "be one vertebra; or name body and arch (body_labels, arch_labels)"
        )
    return np.asarray(parts == largest + 1)


def _far_from(core: Mask, whole: Mask, spacing_mm: tuple[float, float, float]) -> Mask:
    """Return what lies beyond the rounded corners that the ball leaves over."""
    sampling = spacing_mm[::-1]
    radius = float(ndimage.distance_transform_edt(core, sampling=sampling).max())
    away = ndimage.distance_transform_edt(~core, sampling=sampling)
    return np.asarray(whole & (away > 0.5 * radius))


def _back_wall_mm(evidence: Evidence, body: Mask, pose: Pose) -> float:
    """Return y of the rearmost rim of the body on the midline, mm."""
    sampler = Sampler(evidence.body.astype(np.float32), evidence.grid)
    index = np.argwhere(body)[:, ::-1] + 0.5
    points = pose.to_body(evidence.grid.to_world(index * np.array(evidence.grid.spacing_mm)))
    lower, upper = points[:, 2].min(), points[:, 2].max()
    step = 0.5 * min(evidence.grid.spacing_mm)
    z = lower + np.arange(_HEIGHT_PART[0], _HEIGHT_PART[1], 0.05) * (upper - lower)
    x = np.arange(-_STRIP_MM, _STRIP_MM + 0.5, 1.0)
    y = np.arange(0.0, points[:, 1].max() + 40.0, step)
    line = np.stack(np.broadcast_arrays(x, y[:, None], z[:, None, None]), axis=-1)
    solid = sampler.at(pose.to_world(line)) >= 0.5
    # First empty stretch behind the middle of the body that is as deep as a canal.
    needed = int(np.ceil(_LEAST_CANAL_MM / step))
    gap: Mask = np.asarray(np.all(sliding_window_view(~solid, needed, axis=1), axis=-1))
    first = np.argmax(gap, axis=1)
    last_bone = len(y) - 1 - np.argmax(solid[:, ::-1], axis=1)
    seen = first[gap.any(axis=1) & solid.any(axis=1) & (last_bone > first)]
    if len(seen) < 0.2 * first.size:
        raise InvalidInput(
            f"{evidence.path}: no canal between body and arch of the label: must be a vertebra "
            "with an open canal, or body and arch with labels of their own (body_labels, "
            "arch_labels)"
        )
    # The rim, not the hollow of the wall, yet not its last stray voxel.
    return float(y[int(np.percentile(seen, 95))])
