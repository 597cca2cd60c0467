"""The page's style sheet: one column, light and dark, tables as cards on a narrow screen."""

from __future__ import annotations

from emonk_ops.reporting.plots.style import DARK, FAMILY, LIGHT, shapes, variables

RULES = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 FAMILY}
main{max-width:56rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 1rem}
h2{font-size:1.45rem;line-height:1.25;margin:3rem 0 .75rem;padding-top:1.25rem;
 border-top:3px solid var(--faint)}
h3{font-size:1.12rem;margin:2.25rem 0 .5rem}
p{margin:.6rem 0}
ol{padding-left:1.5rem;margin:1rem 0}
li{margin:.55rem 0;padding-left:.2rem}
code{font:.86em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--wash);
 padding:.1em .35em;border-radius:4px;overflow-wrap:anywhere}
.notice{border-left:5px solid var(--warn);background:var(--wash);padding:.7rem 1rem;
 border-radius:0 6px 6px 0}
.notice.bad{border-color:var(--bad)}
.badge{display:inline-block;font-size:.78rem;font-weight:650;line-height:1.5;padding:0 .5em;
 border:1px solid currentColor;border-radius:999px;color:var(--soft);white-space:nowrap}
.badge.good{color:var(--good)}.badge.warn{color:var(--warn)}.badge.bad{color:var(--bad)}
figure{margin:1.5rem 0;padding:1rem;border:1px solid var(--faint);border-radius:8px}
figcaption{font-weight:600;margin-bottom:.75rem;line-height:1.4}
figure svg{display:block;width:100%;height:auto}
.note{font-size:.82rem;color:var(--soft);margin:.6rem 0 0;overflow-wrap:anywhere}
.narrow{display:none}
table{border-collapse:collapse;width:100%;font-size:.88rem;margin:.75rem 0;line-height:1.45}
th{text-align:left;color:var(--soft);font-weight:600;padding:.35rem .6rem .35rem 0;
 border-bottom:2px solid var(--faint)}
td{vertical-align:top;padding:.45rem .6rem .45rem 0;border-bottom:1px solid var(--faint);
 overflow-wrap:break-word}
code.id{white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
details{border:1px solid var(--faint);border-radius:8px;padding:.1rem .9rem;margin:.5rem 0}
summary{cursor:pointer;padding:.45rem 0}
details[open]{padding-bottom:.6rem}
@media(max-width:700px){
 main{padding:1.25rem .9rem 3rem}
 h1{font-size:1.5rem}
 figure{padding:.7rem .5rem}
 .wide{display:none}.narrow{display:block}
 thead{display:none}
 table,tbody,tr,td{display:block;width:100%}
 tr{padding:.5rem 0;border-bottom:1px solid var(--faint)}
 td{border:0;padding:.12rem 0;display:grid;grid-template-columns:6.2rem minmax(0,1fr);
  gap:.5rem;overflow-wrap:anywhere}
 code.id{white-space:normal}
 td::before{content:attr(data-name);color:var(--soft);font-size:.8rem}
}
@media print{details:not([open])>*{display:block}}
"""


def sheet() -> str:
    dark = f"@media(prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    return f":root{{{variables(LIGHT)}}}{dark}{RULES.replace('FAMILY', FAMILY)}{shapes()}"
