# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a report looks: in light and dark, on a telephone and on paper. Private to the collection."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --page: #fbfaf8; --paper: #fff; --ink: #22262b; --soft: #636b75; --rule: #e3e0da;
  --ok: #2f7d54; --warning: #9a6700; --failed: #c22b25; --unchecked: #7d858f; --out: #7d858f;
  --ok-fill: #f3f9f5; --warning-fill: #fdf6e3; --failed-fill: #fdecea; --unchecked-fill: #f3f3f2; --on: #fff; }
@media (prefers-color-scheme: dark) { :root { --page: #15181c; --paper: #1c2025; --ink: #e4e6e9; --soft: #98a1ac;
  --rule: #30363d; --ok: #5cb985; --warning: #e0a93b; --failed: #ff7b72; --unchecked: #8b949e; --out: #8b949e;
  --ok-fill: #1a2620; --warning-fill: #2b2415; --failed-fill: #38201f; --unchecked-fill: #21262c; --on: #15181c; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
main { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; font-weight: 650; letter-spacing: -.015em; margin: 0 0 .35rem; }
h1.failed { color: var(--failed); } h1.warning { color: var(--warning); } h1.ok { color: var(--ok); }
header { margin-bottom: 1.5rem; }
h2 { font-size: 1.15rem; font-weight: 650; margin: 3rem 0 .75rem; break-after: avoid; }
h3 { font-size: .95rem; font-weight: 650; margin: 1.75rem 0 .25rem; break-after: avoid; }
p { margin: .35rem 0; max-width: 46rem; } .soft { color: var(--soft); }
code { font: .9em ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; }
ul.plain { list-style: none; margin: 0; padding: 0; }
.trouble { background: var(--paper); border: 1px solid var(--rule); border-left: 4px solid var(--failed);
  border-radius: 6px; padding: .75rem 1rem; margin: .6rem 0; break-inside: avoid; }
.trouble.warning { border-left-color: var(--warning); }
.trouble b { font-weight: 650; } .trouble .which { color: var(--soft); font-size: .875rem; margin-left: .4rem; }
.trouble p { margin: .15rem 0 0; }
.next { margin-top: 1rem; }
.picture { background: var(--paper); border: 1px solid var(--rule); border-radius: 8px; padding: 1.25rem; }
svg { display: block; width: 100%; height: auto; } svg.tall { display: none; max-width: 26rem; margin: 0 auto; }
svg text { fill: var(--ink); font-size: 13px; } svg .name { font-weight: 600; } svg .small { font-size: 11.5px;
  fill: var(--soft); } svg .heading { font-size: 11.5px; fill: var(--soft); letter-spacing: .04em; }
.box rect { fill: var(--paper); stroke: var(--rule); stroke-width: 1.25; } .frame rect { fill: none;
  stroke: var(--rule); stroke-width: 1.25; }
.box.failed rect { fill: var(--failed-fill); stroke: var(--failed); } .frame.failed > rect { stroke: var(--failed); }
.box.warning rect { fill: var(--warning-fill); stroke: var(--warning); } .box.unchecked rect { stroke-dasharray: 3 3; }
.sign circle { fill: none; } .sign text { font-size: 11px; font-weight: 700; }
.sign.ok text { fill: var(--ok); } .sign.failed circle { fill: var(--failed); } .sign.failed text { fill: var(--on); }
.sign.warning circle { fill: var(--warning); } .sign.warning text { fill: var(--on); }
.sign.unchecked circle, .sign.out circle { fill: var(--unchecked-fill); stroke: var(--unchecked); }
.sign.unchecked text, .sign.out text { fill: var(--unchecked); }
.trunk { fill: none; stroke: var(--rule); stroke-width: 1.5; }
.edge .line { fill: none; stroke-width: 1.5; } .edge.ok .line { stroke: var(--ok); } .edge.ok .head { fill: var(--ok); }
.edge.ok.standby { opacity: .4; } .edge.standby .line { stroke-dasharray: 2 4; }
.edge.warning .line { stroke: var(--warning); stroke-dasharray: 8 4; stroke-width: 2; }
.edge.warning .head { fill: var(--warning); }
.edge.failed .line { stroke: var(--failed); stroke-width: 2.5; } .edge.failed .head { fill: var(--failed); }
.edge.unchecked .line, .edge.out .line { stroke: var(--unchecked); stroke-dasharray: 2 4; }
.edge.unchecked .head, .edge.out .head { fill: var(--unchecked); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .75rem 0 0; padding: 0; list-style: none;
  color: var(--soft); font-size: .8125rem; }
.state { display: inline-block; width: 1.25em; text-align: center; font-weight: 700; font-size: .9em; }
.state.ok { color: var(--ok); } .state.warning { color: var(--warning); } .state.failed { color: var(--failed); }
.state.unchecked, .state.out { color: var(--unchecked); }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: .8125rem; }
th, td { padding: .4rem 1rem .4rem 0; vertical-align: top; border-bottom: 1px solid var(--rule); }
td:last-child, th:last-child { padding-right: 0; } tr { break-inside: avoid; } thead { display: table-header-group; }
td.row { white-space: nowrap; width: 4.5rem; } td.what { width: 36%; } td.detail { color: var(--soft); }
tr.failed td.detail, tr.warning td.detail { color: var(--ink); } tr.failed td.what { font-weight: 600; }
.versions td + td { overflow-wrap: normal; } th { overflow-wrap: normal; }
.life { display: inline-block; width: 5rem; height: .4rem; border-radius: .2rem; background: var(--rule);
  overflow: hidden; vertical-align: middle; margin-right: .6rem; } .life i { display: block; height: 100%;
  background: var(--ok); } .life.warning i { background: var(--warning); } .life.failed i { background: var(--failed); }
.life.unchecked i { background: var(--unchecked); }
footer { margin-top: 3rem; color: var(--soft); font-size: .8125rem; }
@media screen and (max-width: 46rem) { main { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.6rem; }
  .picture { padding: .5rem .25rem; } svg.tall text { font-size: 13.5px; }
  svg.tall .small, svg.tall .heading { font-size: 12.5px; } svg.tall .sign text { font-size: 12px; }
  svg.wide { display: none; } svg.tall { display: block; }
  table, tbody, tr, td { display: block; width: auto !important; } thead { display: none; }
  tr { border-bottom: 1px solid var(--rule); padding: .55rem 0; } td { border: 0; padding: 0 !important; }
  td[data-is]::before { content: attr(data-is) " "; color: var(--soft); font-size: .8125rem; }
  td.row, td.what { display: inline; } td.row { padding-right: .4em !important; } td:empty { display: none; } }
@media print { :root { color-scheme: light; --page: #fff; --paper: #fff; --ink: #000; --soft: #444; --rule: #ccc;
  --ok: #1c6b42; --warning: #7d5300; --failed: #b01f19; --unchecked: #666; --out: #666; --ok-fill: #fff;
  --warning-fill: #fff; --failed-fill: #fff; --unchecked-fill: #fff; --on: #fff; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 10pt; } main { max-width: none; padding: 0; } h2 { margin-top: 1.6rem; }
  .picture { break-inside: avoid; } @page { margin: 15mm; } }
""".strip()
