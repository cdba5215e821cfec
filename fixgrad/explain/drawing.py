"""A chart as text for a terminal, as Graphviz dot, or as Mermaid."""

from __future__ import annotations

from fixgrad.explain.chart import Chart, Edge, Mark, Node
from fixgrad.flow.values import Site
from fixgrad.hazards import span
from fixgrad.report.colour import harmless, paint
from fixgrad.report.summary import count

FORMS = ("text", "dot", "mermaid")

_TEXT = {"carries": "dim", "cut": "red", "assumed": "yellow", "alias": "dim"}
_DOT = {
    "carries": "",
    "cut": ', color=red, fontcolor=red, style=bold, arrowhead=tee, label="cut"',
    "assumed": ', style=dashed, label="assumed"',
    "alias": ', style=dotted, arrowhead=none, label="alias"',
}
_MERMAID = {"carries": "-->", "cut": "--x|cut|", "assumed": "-.->|assumed|", "alias": "---|alias|"}


def draw(chart: Chart, form: str, *, colour: bool) -> str:
    """Return the chart in one of FORMS."""
    if form == "dot":
        return _dot(chart)
    return _mermaid(chart) if form == "mermaid" else _text(chart, colour)


def _text(chart: Chart, colour: bool) -> str:
    demands = sum(mark.demand for node in chart.nodes for mark in node.marks)
    sizes = (count(len(chart.nodes), "node"), count(len(chart.edges), "edge"))
    summary = ", ".join((*sizes, count(demands, "demand")))
    lines = [f"{paint(harmless(chart.title), 'bold', colour)}: {summary}"]
    for number, node in enumerate(chart.nodes):
        place = paint(harmless(_place(node.site, chart)), "cyan", colour)
        facts = ", ".join((node.kind, *node.facts) if node.kind != "tensor" else node.facts)
        shown = f"  {place} {harmless(node.text)}"
        lines.append(f"{shown}  {paint(f'({facts})', 'dim', colour)}" if facts else shown)
        lines += [_mark(mark, chart, colour) for mark in node.marks]
        lines += [_arrow(edge, chart, colour) for edge in chart.edges if edge.source == number]
    return "\n".join(lines) + "\n"


def _mark(mark: Mark, chart: Chart, colour: bool) -> str:
    word = "demand" if mark.demand else "mark"
    what = paint(f"{word}: {mark.what}", "bold" if mark.demand else "dim", colour)
    return f"       {what} at {harmless(_place(mark.site, chart))}"


def _arrow(edge: Edge, chart: Chart, colour: bool) -> str:
    target = chart.nodes[edge.target]
    effect = paint(edge.effect, _TEXT[edge.effect], colour)
    return f"       {effect} -> {harmless(_place(target.site, chart))} {harmless(target.text)}"


def _place(site: Site, chart: Chart) -> str:
    here = next((node.site.path for node in chart.nodes if node.inside), "")
    whole = str(span(site))
    return whole.removeprefix(f"{here}:")


def _dot(chart: Chart) -> str:
    lines = ["digraph fixgrad {", f"  label={_quoted(chart.title)};", "  node [shape=box];"]
    for number, node in enumerate(chart.nodes):
        lines.append(f"  n{number} [label={_quoted(_label(node, chart))}{_shape(node)}];")
    for edge in chart.edges:
        effect = _DOT[edge.effect].removeprefix(", ")
        lines.append(f"  n{edge.source} -> n{edge.target} [{effect}];")
    return "\n".join([*lines, "}"]) + "\n"


def _shape(node: Node) -> str:
    styles = [] if node.inside else ["dashed"]
    if node.kind == "conversion":
        styles.append("filled")
    style = f", style={_quoted(','.join(styles))}" if styles else ""
    if node.kind == "unknown":
        style += ", shape=ellipse"
    return style + (", penwidth=3" if any(mark.demand for mark in node.marks) else "")


def _label(node: Node, chart: Chart) -> str:
    lines = [f"{_place(node.site, chart)} {node.text}", ", ".join(node.facts)]
    lines += [
        f"{'DEMAND: ' * mark.demand}{mark.what}, {_place(mark.site, chart)}" for mark in node.marks
    ]
    return "\n".join(filter(None, lines))


def _quoted(text: str) -> str:
    escaped = "\n".join(map(harmless, text.split("\n"))).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n") + '"'


def _mermaid(chart: Chart) -> str:
    lines = ["flowchart TD"]
    for number, node in enumerate(chart.nodes):
        lines.append(f'  n{number}["{_entities(_label(node, chart))}"]')
    for edge in chart.edges:
        lines.append(f"  n{edge.source} {_MERMAID[edge.effect]} n{edge.target}")
    cut = [str(n) for n, edge in enumerate(chart.edges) if edge.effect == "cut"]
    if cut:
        lines.append(f"  linkStyle {','.join(cut)} stroke:red")
    for number, node in enumerate(chart.nodes):
        if any(mark.demand for mark in node.marks):
            lines.append(f"  style n{number} stroke-width:4px")
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    """Write what Mermaid would take for its own syntax as entities."""
    shown = "\n".join(map(harmless, text.split("\n")))
    safe = "".join(c if c.isalnum() or c in " .,:=_-+*/()\n" else f"#{ord(c)};" for c in shown)
    return safe.replace("\n", "<br/>")
