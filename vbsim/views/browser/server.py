"""A browser's view of a folder of results, served on the loopback address alone.

Every request must carry the token that the start printed, and name this very host, so that neither
another user nor a page from elsewhere reads anything. Results are known by the names that a scan of
the folder found: a path in a request is never joined to the folder.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from collections.abc import Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from vbsim.checks import InvalidInput, VbsimError
from vbsim.study.results import SUMMARY
from vbsim.study.stored import StoredStudy, open_study
from vbsim.views.browser.page import asset
from vbsim.views.browser.scene import scene_bytes

__all__ = ["Server", "described", "found_results"]

log = logging.getLogger("vbsim.views")

HOST = "127.0.0.1"
_KEPT_SCENES = 4
_DEPTHS = ("*", "*/*")  # a folder of results, and results within the folders of sweeps
_COOKIE = "vbsim_token"


class Server(ThreadingHTTPServer):
    """Serves one folder of results until it is closed.

    Parameters
    ----------
    folder : Path
        Holds the folders of results.
    port : int
        Port on the loopback address; 0 for any free one.

    Attributes
    ----------
    token : str
        What every request must carry.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        if not folder.is_dir():
            raise InvalidInput(f"{folder}: no such folder")
        self.folder = folder.resolve()
        self.token = secrets.token_urlsafe(24)
        self.scene = lru_cache(_KEPT_SCENES)(self._scene)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise InvalidInput(f"port = {port}: {error.strerror}") from None

    @property
    def url(self) -> str:
        """Address to open, with the token."""
        return f"http://{HOST}:{self.server_address[1]}/?token={self.token}"

    @property
    def hosts(self) -> set[str]:
        """What a request may call this host."""
        port = self.server_address[1]
        return {f"{HOST}:{port}", f"localhost:{port}"}

    def _scene(self, name: str, written: float) -> bytes:
        """Return the block of a result; asked again when its summary was written anew."""
        del written
        return scene_bytes(open_study(found_results(self.folder)[name]))


def found_results(folder: Path) -> dict[str, Path]:
    """Return the results in a folder by name, ``case`` or ``sweep/case``; none from outside it."""
    folder = folder.resolve()
    found = {}
    for depth in _DEPTHS:
        for path in sorted(folder.glob(f"{depth}/{SUMMARY}")):
            place = path.parent
            hidden = any(part.startswith(".") for part in place.relative_to(folder).parts)
            # A link may lead out of the folder: what is outside is not served.
            if not hidden and path.resolve().is_relative_to(folder):
                found[place.relative_to(folder).as_posix()] = place
    return found


def described(study: StoredStudy) -> dict[str, Any]:
    """Return name, stages, parameters and main measures of a result, for a list of many."""
    has_fields = all((study.folder / "fields" / f"{s}.vti").is_file() for s in study.stages)
    parameters = dict(_parameters(study.case))
    for stage in study.stages:
        for name, factor in (("stiffness", 1e-3), ("strength", 1e-3), ("height_anterior", 1.0)):
            value = study.value(stage, name)
            unit = {"stiffness": "kn_per_mm", "strength": "kn", "height_anterior": "mm"}[name]
            if value is not None:
                parameters[f"{stage}_{name}_{unit}"] = round(factor * value, 3)
    return {
        "name": study.name,
        "stages": list(study.stages),
        "has_fields": has_fields,
        "parameters": parameters,
    }


def _parameters(case: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what tells cases apart, by short names."""
    vertebra, bone = case.get("vertebra", {}), case.get("bone", {})
    yield "level", vertebra.get("level", "")
    if "image" in vertebra:
        yield "image", Path(str(vertebra["image"])).name
    elif "vbmd_mg_cm3" in bone:
        yield "vbmd_mg_cm3", bone["vbmd_mg_cm3"]
    if "spacing_mm" in case.get("mesh", {}):
        yield "spacing_mm", case["mesh"]["spacing_mm"]
    for step in case.get("steps", ()):
        if step["kind"] == "cement":
            yield "cement", step.get("cement", {}).get("name", "")
            yield "distribution", step.get("distribution", {}).get("kind", "")
            if "volume_ml" in step:
                yield "volume_ml", step["volume_ml"]
        elif step["kind"] != "reduction":
            grade = f" {step['grade']}" if "grade" in step else ""
            yield "fracture", f"{step['kind']}{grade}"


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    server_version, sys_version = "vbsim", ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a page, the list, a scene or a report."""
        try:
            self._answer()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the browser went away
        except VbsimError as error:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", str(error).encode())
        except Exception:
            log.exception("request failed")
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"failed; see the log")

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal quiet; the token must not reach a log."""

    def _answer(self) -> None:
        address = urlsplit(self.path)
        if self.headers.get("Host") not in self.server.hosts:
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"unknown host")
            return
        if not self._is_known(parse_qs(address.query)):
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"wrong token")
            return
        path = unquote(address.path)
        if path == "/":
            self._page()
        elif path == "/api/results":
            self._send(HTTPStatus.OK, "application/json", json.dumps(self._list()).encode())
        elif path.startswith("/api/scene/"):
            self._send(HTTPStatus.OK, "application/octet-stream", self._block(path[11:]))
        elif path.startswith("/api/report/"):
            self._report(path[12:])
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"no such page")

    def _is_known(self, query: Mapping[str, list[str]]) -> bool:
        """Tell whether a request carries the token, in its address or its cookie."""
        given = [*query.get("token", ())]
        try:
            kept = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            kept = SimpleCookie()
        if _COOKIE in kept:
            given.append(kept[_COOKIE].value)
        token = self.server.token.encode()
        return any(hmac.compare_digest(word.encode(), token) for word in given)

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(12)
        page = asset("serve.html").replace("{{nonce}}", nonce)
        page = page.replace("/*style*/", asset("viewer.css"))
        for name in ("scene.js", "viewer.js", "serve.js"):
            page = page.replace(f"/*{name}*/", asset(name))
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; "
            "connect-src 'self'; img-src data: blob:; frame-ancestors 'none'; base-uri 'none'"
        )
        cookie = f"{_COOKIE}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
        headers = {"Content-Security-Policy": policy, "Set-Cookie": cookie}
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", page.encode(), headers)

    def _list(self) -> list[dict[str, Any]]:
        told = []
        for name, folder in found_results(self.server.folder).items():
            try:
                told.append({"id": name, **described(open_study(folder))})
            except VbsimError as error:
                log.warning("left out: %s", error)
        return told

    def _folder(self, name: str) -> Path:
        found = found_results(self.server.folder)
        if name not in found:
            raise InvalidInput("no such result")
        return found[name]

    def _block(self, name: str) -> bytes:
        folder = self._folder(name)
        return self.server.scene(name, (folder / SUMMARY).stat().st_mtime)

    def _report(self, name: str) -> None:
        from vbsim.views.report import case_report

        page = case_report(open_study(self._folder(name)))
        policy = (
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
            "img-src data: blob:; frame-ancestors 'none'; base-uri 'none'"
        )
        headers = {"Content-Security-Policy": policy}
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", page.encode(), headers)

    def _send(
        self,
        status: HTTPStatus,
        kind: str,
        content: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        always = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        for name, text in {**always, **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)
