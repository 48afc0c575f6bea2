# SPDX-License-Identifier: GPL-2.0
"""Which objects of a build folder are up to date, and objects kept of earlier builds.

An object is up to date if the files of the checkout that it was made from have the
content that they had then, whatever their times say. Of each object the last few
builds are kept beside the build folder, so that an edit that is undone, or a branch
that is left and come back to, costs no compiler.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kplib.build import saved
from kplib.common import cache
from kplib.common.errors import EnvironmentFailed

#: How many builds of an object are kept; each takes 250 KB.
KEPT = 8

#: Files by their path in the checkout, each with a digest of its contents.
Contents = dict[str, str]


class Digests:
    """Digests of the checkout's files, each read once; "" is for one that is not there."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._known: Contents = {}

    def of(self, name: str) -> str:
        """The digest of a file, by its path in the checkout, or its whole path."""
        if name not in self._known:
            try:
                data = (self._top / name).read_bytes()
                self._known[name] = hashlib.sha256(data).hexdigest()[:24]
            except OSError:
                self._known[name] = ""
        return self._known[name]

    def match(self, contents: Contents) -> bool:
        """Whether files are as they were."""
        return all(digest and self.of(name) == digest for name, digest in contents.items())


@dataclass
class State:
    """Contents of a build folder.

    `recipe` and `folder` say what its saved commands are good for, `made` what each
    target was made from, `modules` which targets are linked into each module, and
    `shapes` what that follows from beside the recipe.
    """

    recipe: str = ""
    folder: str = ""
    made: dict[str, Contents] = field(default_factory=dict)
    modules: dict[str, list[str]] = field(default_factory=dict)
    shapes: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def read(path: Path) -> "State":
        """The state that was kept, or an empty one."""
        try:
            return State(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return State()

    def write(self, path: Path) -> None:
        """Keep it."""
        cache.write(path, json.dumps(asdict(self)))

    def stale(self, build: Path, modules: tuple[str, ...], now: Digests) -> frozenset[str]:
        """Targets of some modules that are to be made; all are known if all modules are."""
        targets = {name for module in modules for name in self.modules.get(module, ())}
        targets |= {f"{module}.ko" for module in modules}
        return frozenset(name for name in targets if name not in self.made
                         or not now.match(self.made[name]) or not (build / name).exists())

    def forget(self, stale: frozenset[str]) -> None:
        """Drop targets, and the modules that they are linked into."""
        for name in stale:
            self.made.pop(name, None)
        for module, targets in self.modules.items():
            if not stale.isdisjoint(targets):
                self.made.pop(f"{module}.ko", None)


def contents(build: Path, roots: tuple[Path, ...], target: str, now: Digests) -> Contents:
    """The files that a target was made from, by its .cmd file: those below some folders.

    The first of them is the checkout, whose files go by their path in it.
    """
    found: Contents = {}
    for path in saved.load(build, target).reads:
        path = os.path.normpath(build / path)
        if path.startswith(f"{build}/"):
            # Made from a contract; whatever changes it is in that, or in what that includes.
            found |= contents(build, roots, os.path.relpath(path, build), now)
        elif any(path.startswith(f"{root}/") for root in roots):
            top = f"{roots[0]}/"
            name = path.removeprefix(top)
            found[name] = now.of(name)
    return found


def targets(build: Path, module: str) -> list[str]:
    """Targets that kbuild has made for a module, from the checkout's files."""
    found: list[str] = []

    def add(target: str) -> None:
        for made in saved.generated(build, saved.load(build, target)):
            if made not in found:
                add(made)
        found.append(target)

    for part in saved.parts(build, module):
        add(part)
    return found


class Store:
    """Objects of earlier builds. An entry is whole or absent, and used for one recipe alone,
    and for modules of one shape (`of`)."""

    def __init__(self, folder: Path, recipe: str) -> None:
        self._folder = folder
        self._recipe = recipe

    def _entries(self, target: str) -> list[Path]:
        """The entries of a target, the last used first."""
        return sorted((path.parent for path in
                       (self._folder / target.replace("/", "_")).glob("*/.complete")),
                      key=lambda entry: entry.stat().st_mtime, reverse=True)

    def keep(self, build: Path, target: str, made_from: Contents, of: str = "") -> None:
        """Keep an object; a disk without room for it fails no build."""
        name = cache.digest(self._recipe, of, json.dumps(made_from, sort_keys=True))
        entry = self._folder / target.replace("/", "_") / name
        with contextlib.suppress(OSError, EnvironmentFailed):
            if cache.marker(entry) is None:
                with cache.fresh(entry) as partial:
                    shutil.copyfile(build / target, partial / "object")
                    shutil.copyfile(build / saved.beside(target, ".cmd"), partial / "cmd")
                    cache.complete(partial, {"recipe": self._recipe, "of": of,
                                             "from": made_from})
            os.utime(entry)
            for old in self._entries(target)[KEPT:]:
                shutil.rmtree(old, ignore_errors=True)

    def fetch(self, build: Path, target: str, now: Digests, of: str = "") -> Contents | None:
        """Put the object for files as they are now into the build folder, if it was kept.

        It gets the time of now, so that make sees it as newer than what it is made from.
        """
        for entry in self._entries(target):
            marker = cache.marker(entry) or {}
            made_from: Contents = marker.get("from", {})
            if (marker.get("recipe"), marker.get("of")) == (self._recipe, of) \
                    and made_from and now.match(made_from):
                try:
                    (build / target).parent.mkdir(parents=True, exist_ok=True)
                    for name, whence in ((target, "object"), (saved.beside(target, ".cmd"), "cmd")):
                        partial = build / saved.beside(target, ".partial")
                        shutil.copyfile(entry / whence, partial)
                        os.replace(partial, build / name)
                    os.utime(entry)
                except OSError:
                    return None
                return made_from
        return None
