"""The colours of the drawings, by the class of a shape: f- fills, l- lines, t- text.

Arrived and missing, one path and the other also differ in place or shape: no plot needs colours.
"""

from __future__ import annotations

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b2430",
    "soft": "#5b6776",
    "faint": "#d9dfe6",
    "good": "#2f855a",
    "warn": "#b7791f",
    "bad": "#c53030",
    "one": "#2b6cb0",
    "two": "#c05621",
    "wash": "#e8eef5",
}
DARK = {
    "paper": "#12171e",
    "ink": "#e4e9ef",
    "soft": "#9aa7b5",
    "faint": "#303a46",
    "good": "#5fc08d",
    "warn": "#e0b050",
    "bad": "#fc8181",
    "one": "#74b0ea",
    "two": "#f0a06a",
    "wash": "#1e2833",
}
TONES = tuple(LIGHT)
FAMILY = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif'


def variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def shapes() -> str:
    """Rules for all shapes; the variables are somebody else's to set."""
    rules = [f".f-{one}{{fill:var(--{one})}}.l-{one}{{stroke:var(--{one})}}" for one in TONES]
    rules += [f".t-{one}{{fill:var(--{one})}}" for one in TONES]
    return (
        f"svg text{{font:12px {FAMILY}}}"
        "svg line,svg path[class^=l-]{fill:none;stroke-width:1.5}"
        ".l-faint{stroke-width:1}.dashed{stroke-dasharray:5 4}"
        ".t-title{fill:var(--ink);font-weight:600!important}" + "".join(rules)
    )


def alone() -> str:
    """The sheet of a file that stands by itself, on paper of its own."""
    dark = f"@media(prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    return f":root{{{variables(LIGHT)}}}{dark}{shapes()}"
