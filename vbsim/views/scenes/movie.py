"""Moving pictures: a turn around the body.

Pillow writes ``.gif``, ``.webp`` and ``.apng``. ``.mp4`` is left to an ffmpeg that the user has:
the one that Python packages bring is under the GPL.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput, VbsimError, require
from vbsim.views.scenes.drawing import scene
from vbsim.views.scenes.panes import Pane, Style

__all__ = ["SUFFIXES", "movie"]

SUFFIXES = (".gif", ".webp", ".apng", ".mp4")
"""Formats; the last needs the program ffmpeg."""

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
        File to write, ``.gif``, ``.webp``, ``.apng`` or ``.mp4``.
    panes : sequence of Pane
        What is shown, from left to right.
    style : Style, optional
        How.
    n_frames : int
        Pictures of a turn.
    size : tuple of int, optional
        Width and height, pixels.
    """
    kind = path.suffix.lower()
    require(kind in SUFFIXES, "movie", str(path), f"a {' or '.join(SUFFIXES)} file")
    program = _ffmpeg() if kind == ".mp4" else ""
    require(n_frames >= 2, "n_frames", n_frames, "2 or more")
    size = size or (360 * len(panes), 400)
    plotter = scene(panes, style, off_screen=True, size=size)
    frames: list[NDArray[np.uint8]] = []
    for _ in range(n_frames):
        frames.append(np.asarray(plotter.screenshot(return_img=True)))
        plotter.camera.Azimuth(360.0 / n_frames)
        plotter.render()
    plotter.close()
    if kind == ".mp4":
        _encode(path, frames, program)
    else:
        _save(path, frames)


def _save(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    from PIL import Image

    kind = path.suffix.lower()
    pictures = [Image.fromarray(frame) for frame in frames]
    if kind == ".gif":
        # One palette for all frames, or colours would flicker.
        palette = pictures[0].quantize(255)
        pictures = [
            picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures
        ]
    options: dict[str, Any] = {"quality": 88} if kind == ".webp" else {}
    if kind == ".apng":
        options = {"format": "PNG"}
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=_FRAME_MS, loop=0, **options
    )


def _ffmpeg() -> str:
    program = shutil.which("ffmpeg")
    if program is None:
        raise InvalidInput(
            "movie: .mp4 needs the program ffmpeg (apt-get install ffmpeg); .gif, .webp and .apng "
            "need nothing"
        )
    return program


def _encode(path: Path, frames: Sequence[NDArray[np.uint8]], program: str) -> None:
    """Write frames as H.264 through ffmpeg; odd rows and columns are cut off."""
    rows, columns = (n - n % 2 for n in frames[0].shape[:2])
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{columns}x{rows}"]
    rate = ["-r", f"{1000 / _FRAME_MS:.3f}", "-i", "-"]
    target = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
    done = subprocess.run(
        [program, "-loglevel", "error", "-n", *source, *rate, *target],
        input=b"".join(np.ascontiguousarray(f[:rows, :columns, :3]).tobytes() for f in frames),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise VbsimError(f"{path}: ffmpeg failed: {done.stderr.decode(errors='replace').strip()}")
