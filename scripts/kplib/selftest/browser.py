# SPDX-License-Identifier: GPL-2.0
"""A browser to look at pages with: Debian's chromium-headless-shell in a root of its own.

It is spoken to through two pipes, in the DevTools protocol: messages of JSON, a NUL behind each.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Iterator

from kplib.build import apt, toolchain
from kplib.common import cache, proc
from kplib.common.errors import EnvironmentFailed
from kplib.configure.request import TOP

#: Packages of the root: the browser, a font, and what enter-root runs it by.
PACKAGES = ("base-files", "dash", "coreutils", "chromium-headless-shell", "fonts-liberation")
#: Seconds that an answer may take: the first one is of a program that is still being read.
PATIENCE = 60.0
#: Pages are this project's own, and the root is a sandbox: who is root can have no other one.
_OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--remote-debugging-pipe")


def root(folder: Path, mirror: str | None) -> Path:
    """The root with the browser, in the cache, which is made if it is not there."""
    entry = folder / "browser" / f"{apt.SUITE}-{cache.digest(*PACKAGES)}"
    if cache.marker(entry) is None:
        with cache.locked(entry):
            if cache.marker(entry) is None:
                toolchain.extract(entry, apt.Apt(folder / "apt", mirror), PACKAGES,
                                  "a browser (0.6 GB)", 1200)
                cache.complete(entry, {})
    return entry / "root"


class Browser:
    """A browser that runs, with one page."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._number = 0
        self._rest = b""
        #: What has happened, as method and parameters.
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target,
                                  flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _message(self, until: float) -> dict[str, Any]:
        """The next message."""
        pipe = self._process.stdout
        assert pipe is not None
        while b"\0" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise EnvironmentFailed(f"the browser says nothing for {PATIENCE:.0f} s")
            some = pipe.read1(1 << 20)  # type: ignore[attr-defined]
            if not some:
                raise EnvironmentFailed("the browser has ended")
            self._rest += some
        first, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(first)
        return found

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Have the browser do something, and wait until it is done."""
        self._number += 1
        said: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            said["sessionId"] = self._session
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(said).encode() + b"\0")
            self._process.stdin.flush()
        except BrokenPipeError as err:
            raise EnvironmentFailed("the browser has ended") from err
        until = time.monotonic() + PATIENCE
        while True:
            found = self._message(until)
            if found.get("id") == self._number:
                if "error" in found:
                    raise EnvironmentFailed(f"{method}: {found['error'].get('message')}")
                result: dict[str, Any] = found["result"]
                return result
            if "method" in found:
                self.events.append((found["method"], found["params"]))

    def show(self, width: int, scheme: str = "light", media: str = "") -> None:
        """Show pages as wide as so many pixels; `scheme` is light or dark, `media` "" or print."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                  deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media, features=[
            {"name": "prefers-color-scheme", "value": scheme}])

    def open(self, page: Path) -> None:
        """Open a file, and wait until it is there."""
        self.events.clear()
        found = self.call("Page.navigate", url=page.as_uri())
        if found.get("errorText"):
            raise EnvironmentFailed(f"{page}: {found['errorText']}")
        until = time.monotonic() + PATIENCE
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            message = self._message(until)
            if "method" in message:
                self.events.append((message["method"], message["params"]))

    def value(self, expression: str) -> Any:
        """What an expression is, in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise EnvironmentFailed(f"{expression[:60]}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def happened(self, *methods: str) -> list[dict[str, Any]]:
        """What has happened since the page was opened."""
        return [parameters for method, parameters in self.events if method in methods]


@contextlib.contextmanager
def running(place: Path, folder: Path) -> Iterator[Browser]:
    """A browser out of a root, which sees the files of one folder."""
    argv = [str(TOP / "scripts/enter-root"), "--read-only", str(place), str(folder), "--",
            "chromium-headless-shell", *_OPTIONS]
    with tempfile.TemporaryFile() as said:
        # It reads from descriptor 3 and writes to 4.
        with proc.child(["sh", "-c", 'exec "$@" 3<&0 4>&1 >&2 </dev/null', "sh", *argv],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said) as process:
            try:
                yield Browser(process)
            except EnvironmentFailed as err:
                said.seek(0)
                tail = said.read()[-2000:].decode(errors="replace")
                raise EnvironmentFailed(f"{err}; it said: {tail}") from err
