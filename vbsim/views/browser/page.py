"""Pages that need nothing but themselves: scripts, style and data lie inside."""

from __future__ import annotations

import base64
import html
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


def embedded_scene(block: bytes, name: str, panes: str) -> str:
    """Return an element that shows a scene, with its data.

    Parameters
    ----------
    block : bytes
        The scene (see `scene_bytes`).
    name : str
        Names the element.
    panes : str
        Stages to show side by side, by number, with commas.
    """
    data = base64.b64encode(block).decode("ascii")
    name, panes = html.escape(name, quote=True), html.escape(panes, quote=True)
    return (
        f'<div class="scene" id="{name}" data-panes="{panes}" data-from="{name}-data">'
        "<noscript>The interactive view needs JavaScript.</noscript></div>"
        f'<script type="application/octet-stream" id="{name}-data">{data}</script>'
    )


def view_page(block: bytes, title: str, n_stages: int) -> str:
    """Return a whole page with the interactive view of a study alone."""
    scene = embedded_scene(block, "scene", ",".join(str(k) for k in range(n_stages)[-3:]))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{asset('viewer.css')}"
        "body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: #222; }"
        "h1 { font-size: 18px; margin: 10px 14px; }"
        ".viewer { margin: 0 14px; } .viewer .stage { height: calc(100vh - 150px); }"
        f"</style></head><body><h1>{html.escape(title)}</h1>{scene}{viewer_scripts()}</body></html>\n"
    )
