"""Names that do something to those who do not take care, and graphs of them."""

from __future__ import annotations

from itertools import cycle, islice

from syncra import Graph

#: What the formats of pictures take for their own.
SPECIAL = (
    *("end", "graph", "class", "subgraph", "default", "style", "click", "o", "x", "t0"),
    *('"quoted"', "it's", '"', "[a](b)", "{c}", "{{x}}", "(", "]", "{", "}", "a|b"),
    *(
        "a\nb",
        "a\r\nb",
        "a\tb",
        "\\",
        "a\\",
        "a\\nb",
        "\\N",
        "\\G \\E",
        '\\"',
        "\\l\\r",
    ),
    *("&", "&amp;", "&lt;", "&#60;", "#35;", "#quot;", "ﬂ°°35¶ß", ";", ":::x"),
    *("%%{init: {'theme': 'dark'}}%%", "%% no", "---", "-->", "a-->b", "@{ shape: x }"),
    *("1. first", "- item", "# head", "> quote", "`code`", "**bold**", "$$x^2$$"),
    *("fa:fa-car", "https://x.example/y", "www.x.example", "accTitle: x", "${x}"),
    *(
        "🚀",
        "👩‍👩‍👧 family",
        "Größe",
        "数据",
        "עברית",
        "e\u0301",
        "a  b",
        "<b>bold</b>",
    ),
    *("\u202egnp.exe", "\x00nul", "\x1b[31mred", "\ud800", "\u2028", "   ", "x" * 500),
)

_TEMPLATES = (
    "<script>{}</script>",
    "</script><script>{}</script>",
    "</title><script>{}</script>",
    "<img src=x onerror={}>",
    "<svg onload={}>",
    "<svg><script>{}</script></svg>",
    "<a href=javascript:{}>x</a>",
    "javascript:{}",
    '" onclick="{}',
    "' onclick='{}",
    '"><script>{}</script>',
    "<iframe srcdoc='<script>{}</script>'></iframe>",
    "<foreignObject><body onload={}></foreignObject>",
    "--><script>{}</script>",
    "]]><script>{}</script>",
    "<!--><script>{}</script>-->",
    "&lt;script&gt;{}&lt;/script&gt;",
    "&#60;script&#62;{}&#60;/script&#62;",
    "#60;script#62;{}#60;/script#62;",
    "\\<script>{}",
)
_CODES = (
    *("alert(1)", "alert`1`", "fetch('//x')", "top.x=1", "eval('1')", "import('//x')"),
    *("alert(document.cookie)", "window.hit=1", "confirm(1)", "prompt(1)"),
)
#: Two hundred names that try to run a program in the browser of who looks at them.
PAYLOADS = [template.format(code) for template in _TEMPLATES for code in _CODES]


def graph_of(names: list[str], title: str = "names") -> Graph:
    """Return a chain of tasks with these names."""
    graph = Graph(title)
    before = None
    for name in names:
        before = graph.add(
            lambda *results: None,
            name=name,
            dependencies=() if before is None else before,
        )
    return graph


def graph_of_payloads(names: list[str]) -> Graph:
    """Return a graph in which tasks, parts of results and tags have such names."""
    graph = Graph(names[0])
    others = cycle(names)
    before = None
    for name in names:
        output, tag = islice(others, 1, 3)
        before = graph.add(
            lambda *results: (1,),
            name=name,
            dependencies=() if before is None else before[before.outputs[0]],
            outputs=(output,),
            tags=[tag],
        )
    return graph
