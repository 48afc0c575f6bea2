# SPDX-License-Identifier: GPL-2.0
"""out/report.html in a browser: narrow and wide, light and dark, one pair and a hundred; the page
of costs with 6 and 60 operations."""

import os
import tempfile
import unittest
from pathlib import Path
from typing import Any

from kplib.common import cache
from kplib.common.errors import KparityError
from kplib.configure import request
from kplib.report import explained, files
from kplib.report.page import gather
from kplib.selftest import browser
from kplib.selftest.copies import environment
from kplib.selftest.pytests import needs

from ..unit import test_costpage, test_pages, test_webpage

#: Elements that are wider than the page although no box around them scrolls.
WIDER = """[...document.body.querySelectorAll("*")].filter(one => !one.closest(".box, pre")
  && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(one => one.tagName + "." + one.getAttribute("class")).slice(0, 5)"""
#: Drawings in which something is outside of the drawing, or on other words.
CUT = """[...document.querySelectorAll("svg.drawing")].filter(svg => {
  const box = svg.getBoundingClientRect(), words = [...svg.querySelectorAll("text")]
    .map(one => one.getBoundingClientRect());
  const out = one => one.left < box.left - 1 || one.right > box.right + 1 ||
    one.top < box.top - 1 || one.bottom > box.bottom + 1;
  const on = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 3 &&
    b.top < a.bottom - 3;
  return !words.length || words.some(out) ||
    [...svg.querySelectorAll("path, rect")].some(one => out(one.getBoundingClientRect())) ||
    words.some((one, at) => words.slice(at + 1).some(other => on(one, other)));
}).map(svg => svg.querySelector("title").textContent).slice(0, 5)"""
#: The least contrast of a text with what is behind it (WCAG: 4.5 can be read).
CONTRAST = """(() => {
  const light = colour => { const [r, g, b] = colour.match(/[0-9.]+/g).map(Number)
    .map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const clear = colour => /, 0\\)$/.test(colour);
  let least = [99, ""];
  for (const one of document.body.querySelectorAll("*")) {
    const own = [...one.childNodes].some(c => c.nodeType === 3 && c.data.trim());
    if (!own || !one.getClientRects().length) continue;
    let behind = one;
    while (behind && clear(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    const a = light(getComputedStyle(one).color);
    const b = behind ? light(getComputedStyle(behind).backgroundColor) : 1;
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < least[0]) least = [ratio, one.outerHTML.slice(0, 80)];
  }
  return least;
})()"""


@needs(cores=2.0, seconds=20.0)
class TestBrowser(unittest.TestCase):
    """page.gather, of results made up"""

    folder: Path
    browser: browser.Browser
    pages: dict[str, Path]

    @classmethod
    def setUpClass(cls) -> None:
        req = request.parse([], {**environment(), **{
            name: os.environ[name] for name in ("KPARITY_CACHE",) if name in os.environ}})
        try:
            root = browser.root(req.cache, req.mirror)
        except KparityError as err:
            raise unittest.SkipTest(f"there is no chromium-headless-shell: {err}") from err
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.pages = {name: cls.write(name, results) for name, results in (
            ("one", test_webpage.many(1)), ("ten", test_webpage.many(10, failed=3)),
            ("hundred", test_webpage.many(100, failed=10)), ("hostile", cls.hostile()))}
        cls.pages |= {f"{number} operations": cls.costs(number) for number in (6, 60)}
        timed = test_costpage.results(3)
        timed["pairs"]["ring"] |= {"outcomes": {}, "instructions": {}}
        cls.write("timed", timed)
        cls.pages["timed"] = cls.folder / "timed/x86_64/base" / files.COSTS
        cls.browser = cls.enterClassContext(browser.running(root, cls.folder))

    @classmethod
    def write(cls, name: str, *documents: dict[str, Any]) -> Path:
        """The page of some results."""
        out = cls.folder / name
        out.mkdir()
        return gather.write(request.parse([f"OUT={out}"], {}), list(documents), {})

    @classmethod
    def costs(cls, operations: int) -> Path:
        """The page of costs of a pair, with what make explain has left of an operation."""
        where = cls.folder / f"{operations}" / "x86_64/base"
        cache.write(explained.path_of(where, "ring", "operation0"), test_costpage.kept())
        found = test_costpage.results(operations)
        gather.write(request.parse([f"OUT={where.parent.parent}"], {}), [found], {})
        return where / files.COSTS

    @staticmethod
    def hostile() -> dict[str, Any]:
        """Results in which names, messages and logs are as long as they can be, and worse."""
        text = "<script>document.title = 'taken'</script><img src=http://[::1]/x>" + "w" * 3000
        found = test_pages.TestMarkdown.saying(text)
        return {**found, "pairs": {**found["pairs"], text: found["pairs"]["ring"]}}

    def open(self, name: str) -> None:
        """Open a page, wide and light."""
        self.browser.show(1280)
        self.browser.open(self.pages[name])

    def look(self, name: str, width: int, scheme: str) -> None:
        """See what holds of each page that is open."""
        self.browser.show(width, scheme)
        value = self.browser.value
        self.assertEqual(value("document.documentElement.clientWidth"), width)
        self.assertLessEqual(value("document.documentElement.scrollWidth"), width, value(WIDER))
        self.assertEqual(value(WIDER), [])
        self.assertEqual(value(f"matchMedia('(prefers-color-scheme: {scheme})').matches"), True)
        self.assertEqual(self.browser.happened("Runtime.exceptionThrown", "Log.entryAdded",
                                               "Runtime.consoleAPICalled"), [])
        asked = [one["request"]["url"] for one in
                 self.browser.happened("Network.requestWillBeSent")]
        self.assertEqual(asked, [self.pages[name].as_uri()])

    def test_sizes(self) -> None:
        """No sideways scrolling, no error, no request; each pair has its card."""
        for name, pairs in (("one", 1), ("hundred", 100)):
            self.open(name)
            for width in (400, 1280):
                for scheme in ("light", "dark"):
                    with self.subTest(f"{name} {width} {scheme}"):
                        self.look(name, width, scheme)
                        cards = self.browser.value(
                            "[...document.querySelectorAll('.card')].filter(one => "
                            "one.getBoundingClientRect().height > 100).map(one => one.id)")
                        self.assertEqual(cards, [f"pair-pair{n}" for n in range(pairs)])

    def test_costs(self) -> None:
        """The page of costs: the same, and all operations with drawings that nothing is cut of."""
        for number in (6, 60):
            name = f"{number} operations"
            self.open(name)
            for width in (400, 1280):
                for scheme in ("light", "dark"):
                    with self.subTest(f"{name} {width} {scheme}"):
                        self.look(name, width, scheme)
                        self.assertEqual(self.browser.value(CUT), [])
                        shown = self.browser.value(
                            "[...document.querySelectorAll('.operation')].filter(one => "
                            "one.querySelectorAll('svg.drawing').length === 5 && "
                            "[...one.querySelectorAll('svg.drawing')].every(svg => "
                            "svg.getBoundingClientRect().height > 70)).map(one => one.id)")
                        self.assertEqual(shown, [f"pair-ring.op-operation{at}"
                                                 for at in range(number)])
        self.open("timed")
        self.look("timed", 400, "light")
        self.assertEqual(self.browser.value(CUT), [])
        self.open("6 operations")
        # An outcome has tables of its own, before those of the whole operation.
        seen = "document.querySelector('.operation > details .made').checkVisibility()"
        self.assertFalse(self.browser.value(seen))
        self.browser.value("document.querySelector('.operation > details summary').click()")
        self.assertTrue(self.browser.value(seen))
        self.look("6 operations", 400, "dark")

    def test_hostile(self) -> None:
        """What results say is shown, and no more than that."""
        self.open("hostile")
        for width in (400, 1280):
            with self.subTest(width):
                self.look("hostile", width, "light")
                self.assertTrue(self.browser.value("document.title").startswith("kparity: FAIL"))
                self.assertEqual(self.browser.value(
                    "document.querySelectorAll('script, img, iframe').length"), 0)

    def test_colours(self) -> None:
        """Light and dark differ, and all text can be read in both."""
        for name in ("ten", "6 operations"):
            grounds = []
            self.open(name)
            for scheme in ("light", "dark"):
                self.browser.show(1280, scheme)
                grounds.append(
                    self.browser.value("getComputedStyle(document.body).backgroundColor"))
                least, where = self.browser.value(CONTRAST)
                self.assertGreaterEqual(least, 4.5, where)
            self.assertNotEqual(*grounds)

    def test_links(self) -> None:
        """From the verdict to a failure's program, and from it to the source line, by clicks."""
        self.open("ten")
        at = "(() => {{ const one = document.querySelector('{0}'); one.click(); return one.hash; " \
             "}})()"
        self.assertEqual(self.browser.value(at.format(".matrix td.bad a")), "#failure-1")
        seen = "(() => { const one = document.querySelector(':target').getBoundingClientRect(); " \
               "return one.top < innerHeight && one.bottom > 0; })()"
        self.assertTrue(self.browser.value(seen))
        self.assertIn("push 0", self.browser.value("document.querySelector(':target').innerText"))
        self.browser.value(at.format(":target dd a[href^=\"#pair\"]"))
        self.assertEqual(self.browser.value("document.querySelector(':target').id"), "pair-pair0")
        self.assertTrue(self.browser.value(seen))

    def test_unfold(self) -> None:
        """A log unfolds by a click, without a script."""
        self.open("ten")
        seen = "document.querySelector('details pre').checkVisibility()"
        self.assertFalse(self.browser.value(seen))
        self.browser.value("document.querySelector('details summary').click()")
        self.assertTrue(self.browser.value(seen))

    def test_print(self) -> None:
        """A card begins a page of its own on paper, and nothing is cut off at its side."""
        self.open("one")
        self.browser.show(700, media="print")
        self.assertEqual(self.browser.value(
            "getComputedStyle(document.querySelector('.card')).breakBefore"), "page")
        self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), 700)


if __name__ == "__main__":
    unittest.main()
