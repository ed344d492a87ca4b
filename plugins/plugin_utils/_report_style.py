# Copyright (c) fleetauth.twofactor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the fleet's page looks, and the script that sorts and filters its tables.

Private to this collection: may change at any time. The page is complete without the script.
"""

from __future__ import annotations

STYLE = """\
:root {
  color-scheme: light dark;
  --page: #f4f6f8; --sheet: #fff; --text: #18202a; --soft: #55606e; --line: #d9dfe6; --stripe: #f8fafb;
  --link: #1a56b0; --focus: #1a56b0;
  --ok: #176f43; --warning: #8a5700; --error: #b0231b; --none: #5c6673;
  --ok-fill: #2f9e68; --warning-fill: #e3a008; --error-fill: #d2453b; --none-fill: #98a2af;
  --ok-tint: #e4f4eb; --warning-tint: #fdf2d7; --error-tint: #fce8e6; --none-tint: #e9edf1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1318; --sheet: #181e25; --text: #e6eaef; --soft: #a2adba; --line: #313a45; --stripe: #1c232b;
    --link: #8fb8ff; --focus: #8fb8ff;
    --ok: #6fd3a0; --warning: #f2c25c; --error: #ff9c93; --none: #aab4c0;
    --ok-fill: #3fae79; --warning-fill: #d99e1e; --error-fill: #e0574d; --none-fill: #6b7683;
    --ok-tint: #17352a; --warning-tint: #3a2f14; --error-tint: #42201d; --none-tint: #2a323b;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, "Liberation Sans", Arial, sans-serif; }
main, .top, .foot { max-width: 1280px; margin: 0 auto; padding: 0 24px; }
.top { padding-top: 28px; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 1.2rem; line-height: 1.3; }
h2 small { font-weight: 400; color: var(--soft); font-size: .95rem; }
h3 { margin: 0 0 6px; font-size: .95rem; color: var(--soft); font-weight: 600; }
p { margin: 0 0 10px; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -9999px; }
.skip:focus { left: 8px; top: 8px; padding: 8px 14px; background: var(--sheet); z-index: 1; }
.soft { color: var(--soft); }
.made { margin: 6px 0 14px; color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0; padding: 0 0 18px; list-style: none; }
.notice { margin: 0 0 16px; padding: 12px 16px; border-left: 5px solid var(--none-fill);
  background: var(--none-tint); border-radius: 4px; }
section { margin: 0 0 20px; padding: 20px 22px; background: var(--sheet); border: 1px solid var(--line);
  border-radius: 10px; }
.glance { display: grid; grid-template-columns: 2fr 1fr 1fr 1fr; gap: 16px; padding: 0; background: none;
  border: 0; }
.card { padding: 18px 20px; background: var(--sheet); border: 1px solid var(--line); border-radius: 10px;
  min-width: 0; }
.card p { margin: 0; }
.big { font-size: 2.1rem; font-weight: 650; line-height: 1.15; font-variant-numeric: tabular-nums; }
.big small { font-size: 1.05rem; font-weight: 400; color: var(--soft); }
.bar { display: block; width: 100%; height: 16px; margin: 12px 0 10px; border-radius: 8px;
  background: var(--none-tint); }
.fill-ok { fill: var(--ok-fill); }
.fill-warning { fill: var(--warning-fill); } .fill-error { fill: var(--error-fill); }
.fill-none { fill: var(--none-fill); } .fill-dark { fill: var(--none); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0; padding: 0; list-style: none; }
.legend svg { width: 11px; height: 11px; margin-right: 6px; }
.facts { margin: 8px 0 0; padding: 0; list-style: none; }
.tools { display: flex; flex-wrap: wrap; align-items: end; gap: 10px 16px; margin: 0 0 12px; }
.tools[hidden] { display: none; }
.tools label { display: grid; gap: 2px; color: var(--soft); font-size: .85rem; }
.tools input, .tools select { min-height: 38px; padding: 5px 10px; font: inherit; font-size: 1rem;
  color: var(--text);
  background: var(--sheet); border: 1px solid var(--none); border-radius: 6px; }
.tools input { width: 22rem; max-width: 100%; }
.tools output { padding-bottom: 8px; color: var(--soft); }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding: 0 0 8px; }
th, td { padding: 7px 12px 7px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-size: .85rem; font-weight: 600; white-space: nowrap;
  border-bottom: 2px solid var(--line); }
tbody th { font-weight: 600; overflow-wrap: break-word; min-width: 12.5rem; max-width: 19rem; }
td { overflow-wrap: break-word; max-width: 32rem; }
tbody tr:hover { background: var(--stripe); }
tbody tr:last-child > * { border-bottom: 0; }
tr[hidden] { display: none; }
th button { all: unset; cursor: pointer; padding: 4px 6px 4px 0; }
th button:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 3px; }
th button::after { content: "↕"; margin-left: 5px; opacity: .45; }
th[aria-sort] button { color: var(--text); }
th[aria-sort=ascending] button::after { content: "↑"; opacity: 1; }
th[aria-sort=descending] button::after { content: "↓"; opacity: 1; }
.badge { display: inline-block; padding: 1px 9px; border-radius: 20px; font-size: .88rem;
  font-weight: 600; white-space: nowrap; }
.badge.ok { color: var(--ok); background: var(--ok-tint); }
.badge.warning { color: var(--warning); background: var(--warning-tint); }
.badge.error { color: var(--error); background: var(--error-tint); }
.badge.none { color: var(--none); background: var(--none-tint); }
.t-warning { color: var(--warning); font-weight: 600; } .t-error { color: var(--error); font-weight: 600; }
.none-found { display: none; padding: 12px 0; color: var(--soft); }
code { font: .88em "Liberation Mono", "DejaVu Sans Mono", monospace; color: var(--soft); }
figure { margin: 0; }
figcaption { margin-top: 6px; color: var(--soft); }
.clocks { display: block; overflow: visible; font-size: 12px; }
.clocks .band { fill: var(--ok-tint); } .clocks .bandname { fill: var(--ok); }
.clocks line { stroke: var(--soft); } .clocks .tick text { fill: var(--soft); }
.clocks circle { stroke: var(--sheet); stroke-width: .8px; }
.clocks .ok { fill: var(--ok-fill); }
.clocks .warning { fill: var(--warning-fill); } .clocks .error { fill: var(--error-fill); }
.foot { padding-bottom: 32px; color: var(--soft); font-size: .9rem; }
@media (max-width: 1000px) { .glance { grid-template-columns: 1fr 1fr 1fr;
  } .glance .card:first-child { grid-column: 1 / -1; } }
@media (max-width: 700px) {
  main, .top, .foot { padding-left: 14px; padding-right: 14px; }
  .top { padding-top: 18px; }
  h1 { font-size: 1.4rem; }
  section { padding: 16px 14px; }
  .glance { grid-template-columns: 1fr 1fr; gap: 10px; padding: 0; }
  .clocks .fine { display: none; }
  .glance .card:last-child { grid-column: 1 / -1; }
  .glance .card:not(:first-child) { padding: 14px 16px; }
  .tools label:first-child { flex: 3 1 9rem; }
  .tools label { flex: 2 1 6rem; }
  .tools input, .tools select { width: 100%; }
  .tools output { flex: 1 0 100%; padding: 0; }
  thead { display: none; }
  .scripted thead { display: block; }
  .scripted thead::before { content: "Sort by"; color: var(--soft); font-size: .85rem; }
  .scripted thead tr { display: flex; flex-wrap: wrap; gap: 0 14px; padding-bottom: 6px; }
  .scripted thead th { border: 0; padding: 0; }
  .scripted thead th button { padding: 8px 0; }
  table, caption, tbody, tbody tr, tbody th, tbody td { display: block; }
  tbody tr { padding: 10px 0; border-bottom: 1px solid var(--line); }
  tbody tr:last-child { border-bottom: 0; }
  tbody th, tbody td { min-width: 0; max-width: none; padding: 1px 0; border: 0; }
  tbody td:empty { display: none; }
  tbody td::before { color: var(--soft); font-weight: 400; }
}
@media print {
  body { background: none; font-size: 10pt; }
  section, .card { break-inside: auto; border-color: #999; }
  .tools, nav { display: none; }
  tr { break-inside: avoid; }
}
"""

SCRIPT = """\
"use strict";
(() => {
  const order = new Intl.Collator(undefined, {numeric: true, sensitivity: "base"});
  document.documentElement.classList.add("scripted");

  function key(row, column, numeric) {
    const cell = row.cells[column], given = cell.dataset.key;
    const text = given === undefined ? cell.textContent.trim() : given;
    return text === "" ? null : numeric ? Number(text) : text;
  }

  function sort(table, head, column) {
    const body = table.tBodies[0], numeric = "number" in head.dataset;
    const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const keyed = [...body.rows].map((row, place) => [key(row, column, numeric), place, row]);
    keyed.sort(([a, i], [b, j]) => {
      if (a === null || b === null) return (a === null) - (b === null) || i - j;
      return down * (numeric ? a - b : order.compare(a, b)) || i - j;
    });
    body.remove(); // what is not on the page is not laid out row by row
    body.append(...keyed.map((one) => one[2]));
    table.append(body);
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
  }

  function sortable(table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => sort(table, head, column));
    });
  }

  function filterable(tools) {
    const section = tools.closest("section"), rows = [...section.querySelectorAll("tbody tr")];
    const find = tools.querySelector("input"), only = tools.querySelector("select");
    const said = tools.querySelector("output"), none = section.querySelector(".none-found");
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const apply = () => {
      const words = find.value.toLowerCase().split(/\\s+/).filter(Boolean), kind = only ? only.value : "";
      let shown = 0;
      rows.forEach((row, n) => {
        const fits = (!kind || row.dataset.kind === kind) && words.every((word) => texts[n].includes(word));
        row.hidden = !fits;
        shown += fits;
      });
      said.textContent = `${shown} of ${rows.length}`;
      none.style.display = shown ? "none" : "block";
    };
    find.addEventListener("input", apply);
    if (only) only.addEventListener("change", apply);
    tools.hidden = false;
    apply();
    return {section, only, apply};
  }

  document.querySelectorAll("table.live").forEach(sortable);
  const filters = [...document.querySelectorAll(".tools")].map(filterable);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-only]");
    const filter = link && filters.find((one) => "#" + one.section.id === link.getAttribute("href"));
    if (filter && filter.only) {
      filter.only.value = link.dataset.only;
      filter.apply();
    }
  });
})();
"""
