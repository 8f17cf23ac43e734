"""Moving pictures: a turn around the body."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.views.scenes.drawing import scene
from vbsim.views.scenes.panes import Pane, Style

__all__ = ["SUFFIXES", "movie"]

SUFFIXES = (".gif", ".webp")
"""Formats that need no other package."""

_FRAME_MS = 70


def movie(
    path: Path,
    panes: Sequence[Pane],
    style: Style | None = None,
    *,
    n_frames: int = 48,
    size: tuple[int, int] | None = None,
) -> None:
    """Write a turn of 360 degrees about the body's long axis.

    Parameters
    ----------
    path : Path
        File to write, ``.gif`` or ``.webp``.
    panes : sequence of Pane
        What is shown, from left to right.
    style : Style, optional
        How.
    n_frames : int
        Pictures of a turn.
    size : tuple of int, optional
        Width and height, pixels.
    """
    from PIL import Image

    require(path.suffix.lower() in SUFFIXES, "movie", str(path), f"a {' or '.join(SUFFIXES)} file")
    require(n_frames >= 2, "n_frames", n_frames, "2 or more")
    size = size or (360 * len(panes), 400)
    plotter = scene(panes, style, off_screen=True, size=size)
    frames: list[NDArray[np.uint8]] = []
    for _ in range(n_frames):
        frames.append(np.asarray(plotter.screenshot(return_img=True)))
        plotter.camera.Azimuth(360.0 / n_frames)
        plotter.render()
    plotter.close()
    pictures = [Image.fromarray(frame) for frame in frames]
    if path.suffix.lower() == ".gif":
        # One palette for all frames, or colours would flicker.
        palette = pictures[0].quantize(255)
        pictures = [
            picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures
        ]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=_FRAME_MS, loop=0, quality=88
    )
