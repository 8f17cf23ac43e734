"""Pages that need nothing but themselves: scripts, style and data lie inside."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

__all__ = ["asset", "embedded_scene", "view_page", "viewer_scripts"]


@cache
def asset(name: str) -> str:
    """Return a script or style sheet of the viewer."""
    return files("vbsim.views.browser").joinpath("assets", name).read_text(encoding="utf-8")


def viewer_scripts() -> str:
    """Return the viewer's program as one script element."""
    return f"<script>{asset('scene.js')}\n{asset('viewer.js')}\n{asset('embedded.js')}</script>"


def embedded_scene(blocks: Sequence[bytes], panes: Sequence[tuple[int, int]]) -> str:
    """Return an element that shows scenes, with their data.

    Parameters
    ----------
    blocks : sequence of bytes
        The scenes (see `scene_bytes`).
    panes : sequence of (int, int)
        What is shown side by side: number of the scene and of its stage.
    """
    names = [f"scene-{k}" for k in range(len(blocks))]
    data = "".join(
        f'<script type="application/octet-stream" id="{name}">'
        f"{base64.b64encode(block).decode('ascii')}</script>"
        for name, block in zip(names, blocks, strict=True)
    )
    shown = ",".join(f"{scene}:{stage}" for scene, stage in panes)
    return (
        f'<div class="scene" data-panes="{shown}" data-from="{",".join(names)}">'
        f"<noscript>The interactive view needs JavaScript.</noscript></div>{data}"
    )


def view_page(blocks: Sequence[bytes], title: str, panes: Sequence[tuple[int, int]]) -> str:
    """Return a whole page with the interactive view of one or more studies alone."""
    scene = embedded_scene(blocks, panes)
    title = html.escape(title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="icon" href="data:,"><style>{asset("viewer.css")}'
        "body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: #222; }"
        "h1 { font-size: 18px; margin: 10px 14px; }"
        ".viewer { margin: 0 14px; } .viewer .stage { height: calc(100vh - 150px); }"
        f"</style></head><body><h1>{title}</h1>{scene}{viewer_scripts()}</body></html>\n"
    )
