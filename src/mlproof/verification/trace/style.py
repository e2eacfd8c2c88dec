"""How a trace's page looks: in light and in dark, on a wide screen and on a narrow one.

Every rule is inside .mlproof, as a notebook shows the page among others.  Entries are
tinted by sign, blue below 0 and orange above, which colour-blind readers tell apart.
"""

_LIGHT = """
--paper: #fff; --sheet: #f6f7f9; --ink: #1b1f24; --quiet: #59636e; --line: #d8dde3;
--link: #0b57d0; --below: 38,98,217; --above: 230,126,20; --good: #13693a;
--good-sheet: #e4f5ea; --bad: #a3131a; --bad-sheet: #fde7e8;
"""
_DARK = """
--paper: #14171b; --sheet: #1d2126; --ink: #e6e9ed; --quiet: #a1abb6; --line: #363d45;
--link: #8ab4f8; --below: 92,148,255; --above: 240,140,40; --good: #7fd8a0;
--good-sheet: #17301f; --bad: #ff9b9f; --bad-sheet: #3d1a1d;
"""

_RULES = """
.mlproof, .mlproof * { box-sizing: border-box; }
.mlproof { color-scheme: light dark; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans",
    sans-serif;
  max-width: 78rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
.mlproof h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .4rem; }
.mlproof h2 { font-size: 1.2rem; margin: 2.5rem 0 .25rem; }
.mlproof p { margin: .25rem 0; max-width: 44rem; }
.mlproof a { color: var(--link); text-decoration: none; }
.mlproof a:hover, .mlproof a:focus { text-decoration: underline; }
.mlproof code, .mlproof table { font-family: ui-monospace, "SF Mono", Menlo, Consolas,
  "DejaVu Sans Mono", monospace; }
.mlproof math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math",
  "Libertinus Math", "DejaVu Math TeX Gyre", math, serif; }
.mlproof .quiet { color: var(--quiet); }
.mlproof .verdict { display: inline-block; margin: .75rem 0; padding: .4rem .8rem;
  border-radius: .5rem; background: var(--good-sheet); color: var(--good);
  font-weight: 600; }
.mlproof .wrong { background: var(--bad-sheet); color: var(--bad); }
.mlproof nav { margin: 1rem 0 0; border: 1px solid var(--line); border-radius: .75rem;
  padding: .6rem .9rem; background: var(--sheet); }
.mlproof nav div { display: flex; flex-wrap: wrap; align-items: center;
  gap: .3rem .55rem; padding: .3rem 0; }
.mlproof nav b { width: 6rem; font-weight: 600; }
.mlproof nav a { display: inline-flex; align-items: center; min-height: 1.9rem;
  padding: .15rem .6rem; border: 1px solid var(--line); border-radius: .5rem;
  font-size: 1.1rem;
  background: var(--paper); color: var(--ink); }
.mlproof article { display: grid;
  grid-template-columns: minmax(0, 21rem) minmax(0, 1fr); gap: .4rem 2rem;
  padding: 1.1rem 0; border-top: 1px solid var(--line);
  scroll-margin-top: .5rem; }
.mlproof article:target { background: var(--sheet); border-radius: .2rem;
  box-shadow: 0 0 0 .6rem var(--sheet); }
.mlproof h3 { font-size: 1rem; margin: 0; display: flex; flex-wrap: wrap;
  align-items: baseline; gap: 0 .7rem; }
.mlproof h3 code { font-size: 1.05rem; }
.mlproof h3 .quiet { font-weight: 400; font-size: .85rem; }
.mlproof .formula { font-size: 1.3rem; padding: .5rem 0 .35rem; overflow-x: auto;
  overflow-y: hidden; }
.mlproof .long { grid-template-columns: minmax(0, 1fr); }
.mlproof article.given { padding: .6rem 0; }
.mlproof .given .meaning { margin-top: .1rem; }
.mlproof h3 math { font-size: 1.25rem; font-weight: 400; }
.mlproof .code { display: block; font-size: .82rem; overflow-wrap: anywhere;
  color: var(--quiet); }
.mlproof .meaning { font-size: .93rem; margin-top: .5rem; }
.mlproof .from { font-size: .85rem; color: var(--quiet); margin-top: .4rem; }
.mlproof .from a { margin-right: .35rem; white-space: nowrap; }
.mlproof .numbers { display: flex; flex-wrap: wrap; gap: .9rem 1.6rem;
  align-content: flex-start; min-width: 0; }
.mlproof figure { margin: 0; max-width: 100%; overflow-x: auto; }
.mlproof figcaption { font-size: .8rem; color: var(--quiet);
  padding: 0 0 .15rem .4rem; }
.mlproof figcaption b { color: var(--ink); }
.mlproof table { border-collapse: separate; border-spacing: 2px; font-size: .8rem;
  font-variant-numeric: tabular-nums; margin: 0; width: auto; color: inherit; }
.mlproof tr, .mlproof tr:nth-child(n) { background: none; }
.mlproof th { font-weight: 400; color: var(--quiet); padding: .1rem .4rem;
  white-space: nowrap; text-align: right; }
.mlproof th[scope=row] { text-align: left; }
.mlproof td { padding: .15rem .45rem; text-align: right; white-space: nowrap;
  min-width: 3.6rem; border-radius: .2rem; background: var(--sheet); color: inherit; }
.mlproof .scalar { font: 1.25rem ui-monospace, Menlo, Consolas, "DejaVu Sans Mono",
  monospace; padding-left: .4rem; }
.mlproof .worked { flex-basis: 100%; font: .8rem/1.6 ui-monospace, "SF Mono", Menlo,
  Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere;
  padding-left: .4rem; }
.mlproof .check { flex-basis: 100%; font-size: .88rem; padding-left: .4rem;
  color: var(--good); }
.mlproof .check.wrong { color: var(--bad); background: none; font-weight: 600; }
.mlproof dl { display: grid; grid-template-columns: auto minmax(0, 1fr);
  gap: .15rem 1rem; margin: .5rem 0; font-size: .93rem; }
.mlproof dt { font-weight: 600; } .mlproof dd { margin: 0; }
.mlproof dt:target, .mlproof dt:target + dd { background: var(--sheet);
  box-shadow: 0 0 0 .25rem var(--sheet); }
@media (max-width: 52rem) {
  .mlproof { padding: 1rem .8rem 2rem; }
  .mlproof article { grid-template-columns: minmax(0, 1fr); }
  .mlproof nav b { width: 100%; }
}
@media print {
  .mlproof { max-width: none; padding: 0; }
  .mlproof article { break-inside: avoid; }
  .mlproof td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

# Behind the page, where it is a file of its own.
BODY = (
    "body { margin: 0; background: #fff; } "
    "@media (prefers-color-scheme: dark) { body { background: #14171b; } }"
)

# How strongly an entry is tinted, from a fifth of the largest one to all of it.
_TINTS = "\n".join(
    f".mlproof td.{side}{level} {{ background: rgba(var(--{side}), {opacity}); }}"
    for side in ("below", "above")
    for level, opacity in enumerate((0.08, 0.15, 0.23, 0.31, 0.4), start=1)
)

STYLE = (
    f".mlproof {{ {_LIGHT} }}\n"
    f"@media (prefers-color-scheme: dark) {{ .mlproof {{ {_DARK} }} }}\n"
    f"{_RULES}\n{_TINTS}\n"
)
