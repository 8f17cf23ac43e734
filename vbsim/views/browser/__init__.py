"""The browser's side: a study as one block of bytes, and the page that draws it."""

from vbsim.views.browser.page import asset, view_page
from vbsim.views.browser.scene import scene_bytes

__all__ = ["asset", "scene_bytes", "view_page"]
