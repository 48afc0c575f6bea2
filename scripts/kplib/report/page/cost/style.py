# SPDX-License-Identifier: GPL-2.0
"""The style of drawings, beside that of all pages: a colour for each path, light and dark."""

STYLE = """
:root { --p0: #4a5560; --p1: #b3560b; --p2: #0b6fb3; --p3: #8a2f8f; --within: #dff1e4; }
@media (prefers-color-scheme: dark) {
  :root { --p0: #b9c2cc; --p1: #f0a35e; --p2: #6db8f0; --p3: #d99ae0; --within: #1d3626; }
}
.p0 { --path: var(--p0); } .p1 { --path: var(--p1); } .p2 { --path: var(--p2); }
.p3 { --path: var(--p3); }
svg { display: block; color: var(--text); overflow: visible; }
svg text { fill: currentColor; font-size: 11.5px; }
svg text.quiet { color: var(--quiet); } svg text.bad { color: var(--bad); font-weight: 600; }
svg .full, svg .bars { fill: var(--path); }
svg .hollow { fill: var(--ground); stroke: var(--path); stroke-width: 1.6; }
svg .whisker, svg .line { fill: none; stroke: var(--path); stroke-width: 1.6; }
svg .mean { stroke: var(--text); stroke-width: 1; stroke-dasharray: 3 2; }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .axis { stroke: var(--quiet); }
svg .one { stroke: var(--text); stroke-width: 1; } svg .within { fill: var(--within); }
svg .limit { stroke: var(--good); stroke-width: 1.5; }
svg .margin { fill: var(--quiet); fill-opacity: .3; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; align-items: center; }
.legend > span { display: inline-flex; gap: .4rem; align-items: center; }
.legend svg { width: 1rem; height: 1rem; }
figure { margin: 0; min-width: 0; flex: 1 1 19rem; max-width: 27rem; }
figcaption { color: var(--quiet); font-size: .85rem; min-height: 1.5em; }
.figures { display: flex; flex-wrap: wrap; gap: .8rem 1.6rem; margin: .5rem 0; }
.drawing { width: 100%; height: auto; }
.strip { width: 13rem; height: auto; }
.overview td, .overview th { padding: .15rem .6rem; vertical-align: middle; }
.made tbody th { white-space: normal; overflow-wrap: anywhere; min-width: 11rem; }
@media print { .overview { font-size: .9em; } figure { break-inside: avoid; } }
"""
