#include "quant/report/html/page.h"

namespace sub1quant::report {

const char* StyleSheet() {
  return R"css(
:root { color-scheme: light dark; --page: #f6f6f3; --card: #ffffff; --ink: #14140f; --soft: #5c5b54; --line: #dedcd3; --accent: #2a78d6;
  --c0: #e34948; --c1: #eb6834; --c2: #eda100; --c3: #008300; --c4: #1baf7a; --c5: #2a78d6; --c6: #4a3aa7; --c7: #d55181; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) {
  :root { --page: #121211; --card: #1c1c1a; --ink: #f3f2ec; --soft: #a9a79c; --line: #393832; --accent: #5598e7;
    --c0: #ef6b6a; --c1: #f0834f; --c2: #e0a422; --c3: #4db04d; --c4: #2fc48e; --c5: #5598e7; --c6: #9085e9; --c7: #e87ba4; --warn: #e0a422; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
header p { color: var(--soft); margin: 2px 0 0; overflow-wrap: anywhere; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 12px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin-top: 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(185px, 1fr)); gap: 14px; margin-top: 22px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.tile .what { color: var(--soft); font-size: 13px; }
.tile .value { font-size: 25px; font-weight: 650; letter-spacing: -0.01em; font-variant-numeric: tabular-nums; }
.tile .more { color: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; }
.chart { display: block; width: 100%; height: auto; }
.chart text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.chart .end { text-anchor: end; } .chart .middle { text-anchor: middle; } .chart .name { fill: var(--ink); }
.grid { stroke: var(--line); stroke-width: 1; } .axis { stroke: var(--soft); stroke-width: 1; } .zero { stroke: var(--soft); stroke-dasharray: 4 4; }
.points { fill: none; stroke: var(--accent); stroke-width: 4; stroke-linecap: round; opacity: 0.55; }
.mean { fill: none; stroke: var(--c0); stroke-width: 2; }
.cell { fill: var(--accent); }
.m0 { fill: var(--c0); stroke: var(--c0); } .m1 { fill: var(--c1); stroke: var(--c1); } .m2 { fill: var(--c2); stroke: var(--c2); }
.m3 { fill: var(--c3); stroke: var(--c3); } .m4 { fill: var(--c4); stroke: var(--c4); } .m5 { fill: var(--c5); stroke: var(--c5); }
.m6 { fill: var(--c6); stroke: var(--c6); } .m7 { fill: var(--c7); stroke: var(--c7); }
.hollow { fill: none; } .chosen { opacity: 0.8; } .faint { opacity: 0.28; stroke: none; } .faint.hollow { stroke: currentColor; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; font-size: 13px; color: var(--soft); margin-top: 8px; }
.legend b { color: var(--ink); } .swatch { width: 12px; height: 12px; margin-right: 6px; vertical-align: -1px; }
.note { color: var(--soft); font-size: 13px; margin: 8px 0 0; }
.warning { color: var(--warn); margin: 4px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th, td { text-align: left; padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); }
td { white-space: nowrap; } .long { white-space: normal; overflow-wrap: anywhere; min-width: 16em; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
th button { all: unset; cursor: pointer; } th button:hover, th button:focus-visible { color: var(--ink); text-decoration: underline; }
th[aria-sort=ascending] button::after { content: " ↑"; } th[aria-sort=descending] button::after { content: " ↓"; }
.plain { width: auto; } .plain td, .plain th { padding-right: 26px; } .plain th.n { text-align: right; }
details pre { overflow-x: auto; font-size: 12.5px; margin: 8px 0 0; } summary { cursor: pointer; color: var(--soft); }
)css";
}

const char* SortScript() {
  return R"js(
for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, table = head.closest("table"), body = table.tBodies[0];
    const column = head.cellIndex, up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = row => {
      const cell = row.cells[column];
      return "v" in cell.dataset ? (cell.dataset.v === "" ? -Infinity : Number(cell.dataset.v)) : cell.textContent;
    };
    const rows = [...body.rows].map(row => [value(row), row]);
    rows.sort(([a], [b]) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", {numeric: true})) * (up ? 1 : -1));
    body.append(...rows.map(([, row]) => row));
  });
}
)js";
}

}  // namespace sub1quant::report
