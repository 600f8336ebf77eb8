"""The import graph of the package: its rooms and floors, and the picture of them in the documentation.

A room is a module or package directly below another package. Its floor follows from what it imports: it stands above
all of that. Imports for annotations only (`TYPE_CHECKING`) are not looked at, as nothing is loaded for them.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "src" / "storescp"

Graph = Mapping[str, set[str]]
"""What each room knows."""

GROUND = "uids · errors · events"
"""The modules at the bottom, drawn as one."""
_OPENED = ("serve", "storage")
"""Packages whose rooms are drawn."""

_WIDTH, _MARGIN, _GAP = 960, 12, 14
_BOX, _HEAD = 44, 30


@cache
def module_graph() -> dict[str, set[str]]:
    """Return which modules import which, as dotted names below the package."""
    modules = {_name(path): path for path in SOURCES.rglob("*.py") if path.name != "__main__.py"}
    return {name: set(_imports(path, modules)) - {name} for name, path in modules.items()}


def _name(path: Path) -> str:
    return (
        ".".join(path.relative_to(SOURCES).with_suffix("").parts)
        .removesuffix("__init__")
        .rstrip(".")
    )


def _imports(path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in _loaded(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("storescp"):
            package = (node.module or "").removeprefix("storescp").lstrip(".")
            for alias in node.names:
                inner = f"{package}.{alias.name}".lstrip(".")
                yield inner if inner in modules else package


def _loaded(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those for annotations only."""
    yield node
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    for child in ast.iter_child_nodes(node):
        yield from _loaded(child)


def rooms(graph: Graph, package: str = "") -> dict[str, set[str]]:
    """Return which rooms of a package know which others of it."""
    prefix = f"{package}." if package else ""

    def room(module: str) -> str:
        return module.removeprefix(prefix).partition(".")[0] if module.startswith(prefix) else ""

    found: dict[str, set[str]] = {room(module): set() for module in graph if room(module)}
    for module, known in graph.items():
        if here := room(module):
            found[here] |= {room(other) for other in known if room(other)} - {here}
    return found


def circles(graph: Graph) -> list[str]:
    """Return what is on a circle: it can reach itself."""
    return sorted(room for room in graph if room in _reached(graph, room))


def _reached(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        if (room := ahead.pop()) not in seen:
            seen.add(room)
            ahead += graph[room]
    return seen


def floors(graph: Graph) -> list[list[str]]:
    """Return the rooms floor by floor, the highest first; each room stands as low as what it knows allows.

    Raises:
        ValueError: there is a circle.
    """
    if circles(graph):
        raise ValueError(f"circle among {', '.join(circles(graph))}")
    heights: dict[str, int] = {}

    def height(room: str) -> int:
        if room not in heights:
            heights[room] = 1 + max(map(height, graph[room]), default=-1)
        return heights[room]

    ordered = sorted(graph, key=lambda room: (-height(room), room))
    return [list(floor) for _, floor in groupby(ordered, key=height)]


def direct(graph: Graph) -> dict[str, set[str]]:
    """Leave out the arrows that only shorten a way along others."""
    return {
        room: {
            other
            for other in known
            if not any(other in _reached(graph, by) for by in known - {other})
        }
        for room, known in graph.items()
    }


def house() -> dict[str, set[str]]:
    """Return which packages know which others; the modules at the bottom count as one room."""
    graph = rooms(module_graph())
    modules = {room for room in graph if not (SOURCES / room).is_dir()}
    ground = {room for room in modules if graph[room] <= modules and room != "cli"}

    def drawn(known: set[str]) -> set[str]:
        return {GROUND if room in ground else room for room in known}

    return {GROUND: set()} | {
        room: drawn(known) for room, known in graph.items() if room not in ground
    }


def duty(room: str) -> str:
    """Return the first sentence of a package or module about itself."""
    path = SOURCES / room.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.exists():
        return ""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].partition(". ")[0].rstrip(".")


# -- the picture -----------------------------------------------------------------------------------------------------

Box = tuple[float, float, float, float]
"""Left, top, width, height, in pixels."""

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .duty { font-size: 11.5px; fill: #59636e }
  .room { fill: #ffffff; stroke: #8c959f }
  .frame { fill: #f6f8fa; stroke: #8c959f }
  .arrow { stroke: #8c959f; fill: none; marker-end: url(#tip) }
  #tip path { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .duty { fill: #9198a1 }
    .room { fill: #151b23 } .frame { fill: #0d1117 }
    .room, .frame, .arrow { stroke: #656c76 } #tip path { fill: #656c76 }
  }
"""

_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>'
)


def picture() -> str:
    """Return the house as SVG: the floors of the package, and those inside its largest rooms."""
    graph = house()
    boxes: dict[str, Box] = {}
    frames: list[str] = []
    inner: list[str] = []
    top = float(_MARGIN)
    for floor in floors(graph):
        height = max(_height(room) for room in floor)
        width = (_WIDTH - 2 * _MARGIN - _GAP * (len(floor) - 1)) / len(floor)
        left = float(_MARGIN)
        for room in floor:
            boxes[room] = (left, top, width, height)
            if room in _OPENED:
                frames.append(_frame(room, boxes[room]))
                inner += _rooms(room, boxes[room])
            else:
                frames.append(_room(room, boxes[room]))
            left += width + _GAP
        top += height + 2 * _GAP
    arrows = list(_arrows(direct(graph), boxes))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top - _GAP:g}" role="img">',
            "<title>The rooms of the package; arrows lead to what a room knows</title>",
            f"<style>{_STYLE}</style>",
            _TIP,
            *arrows,
            *frames,
            *inner,
            "</svg>\n",
        ]
    )


def _height(room: str) -> float:
    if room not in _OPENED:
        return _BOX
    return _HEAD + len(floors(rooms(module_graph(), room))) * (_BOX + 2 * _GAP)


def _rooms(package: str, frame: Box) -> Iterator[str]:
    graph = rooms(module_graph(), package)
    left, top, width, _ = frame
    boxes: dict[str, Box] = {}
    for number, floor in enumerate(floors(graph)):
        size = (width - 2 * _MARGIN - _GAP * (len(floor) - 1)) / len(floor)
        for place, room in enumerate(floor):
            at = left + _MARGIN + place * (size + _GAP)
            boxes[room] = (at, top + _HEAD + number * (_BOX + 2 * _GAP), size, _BOX)
    yield from _arrows(direct(graph), boxes)
    for room, box in boxes.items():
        yield _room(f"{package}.{room}", box)


def _arrows(graph: Graph, boxes: Mapping[str, Box]) -> Iterator[str]:
    for room, known in sorted(graph.items()):
        for other in sorted(known):
            left, top, width, height = boxes[room]
            to_left, to_top, to_width, _ = boxes[other]
            # Straight down where one stands below the other, else from middle to middle.
            low, high = max(left, to_left), min(left + width, to_left + to_width)
            start, end = (
                ((low + high) / 2,) * 2
                if low < high
                else (left + width / 2, to_left + to_width / 2)
            )
            yield (
                f'<path class="arrow" d="M{start:.0f} {top + height:.0f} L{end:.0f} {to_top - 1:.0f}"/>'
            )


def _room(room: str, box: Box) -> str:
    left, top, width, height = box
    path = SOURCES / room.replace(".", "/")
    name = room.rpartition(".")[2] + ("/" if path.is_dir() else "")
    text = duty(room)
    middle = left + width / 2
    lines = [
        f'<rect class="room" x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" rx="5"/>'
    ]
    if text and len(text) * 5.6 < width:
        lines += [
            f'<text x="{middle:.0f}" y="{top + 18:.0f}" text-anchor="middle">{escape(name)}</text>',
            f'<text class="duty" x="{middle:.0f}" y="{top + 34:.0f}" text-anchor="middle">{escape(text)}</text>',
        ]
    else:
        lines.append(
            f'<text x="{middle:.0f}" y="{top + height / 2 + 5:.0f}" text-anchor="middle">{escape(name)}</text>'
        )
    return "".join(lines)


def _frame(room: str, box: Box) -> str:
    left, top, width, height = box
    return (
        f'<rect class="frame" x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" rx="8"/>'
        f'<text x="{left + _MARGIN:.0f}" y="{top + 20:.0f}">{room}/'
        f'<tspan class="duty" dx="8">{escape(duty(room))}</tspan></text>'
    )
