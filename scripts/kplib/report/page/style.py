# SPDX-License-Identifier: GPL-2.0
"""The page's style: for light and dark, narrow and wide, screen and paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f6f7f9; --text: #1c2127; --quiet: #5b6570; --line: #d9dee4;
  --link: #0b57a4; --good: #1a6b33; --bad: #b3171d; --bad-ground: #fdecec; --warn: #835a00;
  --warn-ground: #fdf3d8; --good-ground: #e8f5ec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --raised: #1d2126; --text: #dfe3e8; --quiet: #98a2ad; --line: #343b44;
    --link: #7db8f5; --good: #7acb90; --bad: #ff8a88; --bad-ground: #3b1c1e; --warn: #e3b95a;
    --warn-ground: #352b14; --good-ground: #182b1e;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1rem clamp(.75rem, 3vw, 2rem) 4rem; max-width: 80rem;
  background: var(--ground); color: var(--text); overflow-wrap: anywhere;
  font: 15px/1.5 -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
}
h1, h2, h3, h4 { line-height: 1.25; margin: 0; font-weight: 600; }
h1 { font-size: 1rem; color: var(--quiet); }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
h4 { font-size: .95rem; margin: 1.25rem 0 .4rem; }
p { margin: .4rem 0 .6rem; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; }
code, pre { font-family: ui-monospace, "Liberation Mono", monospace; font-size: .87em; }
pre {
  margin: .4rem 0; padding: .6rem .8rem; overflow-x: auto; max-height: 32rem; tab-size: 8;
  background: var(--raised); border: 1px solid var(--line); border-radius: 4px; line-height: 1.45;
  overflow-wrap: normal;
}
.quiet, small { color: var(--quiet); }
small { font-size: .9em; }
small code { font-size: .95em; }
.verdict { display: flex; flex-wrap: wrap; gap: .2rem .9rem; align-items: baseline;
  border-left: .35rem solid; padding: .7rem 1rem; margin: .5rem 0 1rem; border-radius: 4px; }
.verdict strong { font-size: 1.6rem; letter-spacing: .02em; }
.verdict span { color: var(--text); }
.verdict.pass { background: var(--good-ground); border-color: var(--good); color: var(--good); }
.verdict.fail, .verdict.error {
  background: var(--bad-ground); border-color: var(--bad); color: var(--bad); }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; font-size: .93rem; }
.box { overflow-x: auto; margin: .5rem 0 1rem; max-width: 100%; }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.4;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .2rem 0; color: var(--quiet); }
th, td { padding: .28rem .7rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th, td { overflow-wrap: normal; }
th { font-weight: 600; }
tbody th { font-weight: 500; white-space: nowrap; }
thead th { color: var(--quiet); white-space: nowrap; border-bottom-width: 2px; }
thead th[colspan] { border-left: 1px solid var(--line); color: var(--text); }
td.n, th.n, td.s { white-space: nowrap; }
td.n { text-align: right; }
th.n { text-align: right; }
td.prose { min-width: 16rem; max-width: 34rem; overflow-wrap: anywhere; }
td.short { min-width: 10rem; max-width: 16rem; }
td.gave { min-width: 11rem; max-width: 60rem; overflow-wrap: anywhere; }
td.first { border-left: 1px solid var(--line); }
.ok { color: var(--good); } .skip { color: var(--quiet); }
.bad { color: var(--bad); font-weight: 600; } .warn { color: var(--warn); font-weight: 600; }
td.bad, tr.bad > * { background: var(--bad-ground); }
td.warn { background: var(--warn-ground); }
.matrix thead th:first-child, .matrix tbody th { position: sticky; left: 0;
  background: var(--ground); }
article { border: 1px solid var(--line); border-radius: 6px; padding: .9rem 1.1rem 1rem;
  margin: 1rem 0; }
article > :first-child { margin-top: 0; }
article.failure { border-left: .3rem solid var(--bad); }
:target { outline: 2px solid var(--link); outline-offset: 2px; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1rem;
  margin: .5rem 0; font-size: .93rem; }
dt { color: var(--quiet); } dd { margin: 0; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--link); }
.cells { display: flex; flex-wrap: wrap; gap: 0 2.5rem; }
.cells > div { min-width: 0; max-width: 100%; }
.lines { white-space: pre; }
.lines span { display: block; min-width: max-content; }
.lines .at { background: var(--warn-ground); font-weight: 600; }
.lines i { color: var(--quiet); font-style: normal; user-select: none; }
.card { margin: 1.5rem 0; }
@media (max-width: 40rem) {
  body { font-size: 14px; }
  article { padding: .7rem .7rem; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: .35rem; }
  td.prose { min-width: 13rem; }
}
@page { margin: 11mm; }
@media print {
  :root { color-scheme: light; --ground: #fff; --raised: #fff; --text: #000; --quiet: #444;
    --line: #bbb; --link: #000; --good: #1a6b33; --bad: #b3171d; --bad-ground: #fff;
    --warn: #835a00; --warn-ground: #fff; --good-ground: #fff; }
  body { font-size: 8pt; line-height: 1.35; padding: 0; max-width: none; }
  nav, .screen { display: none; }
  .box, pre { overflow: visible; max-height: none; }
  pre, .lines { white-space: pre-wrap; }
  .lines span { min-width: 0; }
  td.prose, td.short, td.gave { min-width: 0; }
  table { font-size: .85em; }
  h4 { margin: .6rem 0 .2rem; }
  p { margin: .2rem 0; }
  .box { margin: .2rem 0 .4rem; }
  th, td { padding: .06rem .3rem; line-height: 1.3; overflow-wrap: break-word; }
  thead th, tbody th, td.s { white-space: normal; }
  .card { break-before: page; border: 0; padding: 0; }
  tr, h3, h4 { break-inside: avoid; }
  h3, h4 { break-after: avoid; }
}
"""
