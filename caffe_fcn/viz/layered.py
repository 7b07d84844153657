"""Places for the boxes of a directed graph and for the lines between them, in layers from top to bottom.

The method of Sugiyama, Tagawa and Toda (1981): every box gets a rank below all that lead to it; a line over
several ranks is cut into pieces by points of no size, which lines from one box share; the order within each rank
is improved by sweeps that sort by the mean place of the neighbours, the best order met being kept. Then chains
without branches become columns, which stand upright, and sweeps move each column to the mean place of its
neighbours, as far as the columns beside it leave room.

A sweep is linear in boxes and pieces of lines, but for the sorting.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
Edge = tuple[int, int]

BOX_GAP = 28.0  # between neighbours
LINE_GAP = 12.0  # between lines that pass a rank, and to boxes
RANK_GAP = 46.0
_ORDER_SWEEPS = 12
_PLACE_SWEEPS = 40


@dataclass(frozen=True)
class Layout:
    """Centres of the boxes, the points that each line passes from box to box, and the size of it all."""

    centres: list[Point]
    lines: list[list[Point]]
    width: float
    height: float


def layout(sizes: Sequence[tuple[float, float]], edges: Sequence[Edge]) -> Layout:
    """Lay out boxes of (width, height). Every edge must lead from a box to a later one."""
    graph = _Ranked(sizes, edges)
    graph.sort()
    x = graph.place()
    y, height = graph.heights()
    left = min((x[v] - w / 2 for v, (w, _) in enumerate(graph.sizes)), default=0.0)
    right = max((x[v] + w / 2 for v, (w, _) in enumerate(graph.sizes)), default=0.0)
    x = [each - left for each in x]
    centres = [(x[v], y[graph.rank[v]]) for v in range(len(sizes))]
    return Layout(centres, [graph.line(chain, x, y) for chain in graph.chains], right - left, height)


class _Ranked:
    """The graph with its ranks, in which every line is a chain of vertices one rank apart."""

    def __init__(self, sizes: Sequence[tuple[float, float]], edges: Sequence[Edge]) -> None:
        self.sizes = list(sizes)
        self.boxes = len(sizes)
        self.rank = _ranks(self.boxes, edges)
        self.chains: list[list[int]] = []
        self.trails: dict[int, list[int]] = {}
        self.above: list[list[int]] = [[] for _ in sizes]
        self.below: list[list[int]] = [[] for _ in sizes]
        for u, v in edges:
            self._add(u, v)
        self.ranks: list[list[int]] = [[] for _ in range(max(self.rank, default=-1) + 1)]
        for vertex, rank in enumerate(self.rank):
            self.ranks[rank].append(vertex)

    def _add(self, u: int, v: int) -> None:
        """Lines from one box run together as far as they can."""
        trail = self.trails.setdefault(u, [])
        while len(trail) < self.rank[v] - self.rank[u] - 1:
            point = len(self.sizes)
            self.sizes.append((0.0, 0.0))
            self.rank.append(self.rank[u] + len(trail) + 1)
            self.above.append([])
            self.below.append([])
            self._link(trail[-1] if trail else u, point)
            trail.append(point)
        chain = [u, *trail[: self.rank[v] - self.rank[u] - 1], v]
        self._link(chain[-2], v)
        self.chains.append(chain)

    def _link(self, a: int, b: int) -> None:
        self.below[a].append(b)
        self.above[b].append(a)

    # The order within the ranks

    def sort(self) -> None:
        """Take the order with the fewest crossings that the sweeps meet."""
        best, fewest = [list(rank) for rank in self.ranks], self._crossings()
        for sweep in range(_ORDER_SWEEPS):
            if not fewest:
                break
            if sweep % 2:
                for fixed, rank in pairwise(reversed(self.ranks)):
                    self._sort(rank, fixed, self.below)
            else:
                for fixed, rank in pairwise(self.ranks):
                    self._sort(rank, fixed, self.above)
            if (crossings := self._crossings()) < fewest:
                best, fewest = [list(rank) for rank in self.ranks], crossings
        self.ranks = best

    def _sort(self, rank: list[int], fixed: list[int], neighbours: list[list[int]]) -> None:
        """Sort by the mean place of the neighbours in a rank that stays; who has none keeps its own place."""
        place = {vertex: i for i, vertex in enumerate(fixed)}
        wanted = {vertex: float(i) for i, vertex in enumerate(rank)}
        for vertex in rank:
            if near := neighbours[vertex]:
                wanted[vertex] = sum(place[other] for other in near) / len(near)
        rank.sort(key=wanted.__getitem__)

    def _crossings(self) -> int:
        count = 0
        for upper, lower in pairwise(self.ranks):
            place = {v: i for i, v in enumerate(lower)}
            passed: list[int] = []
            for vertex in upper:
                ends = sorted(place[v] for v in self.below[vertex])
                count += sum(len(passed) - bisect_right(passed, end) for end in ends)
                for end in ends:
                    insort(passed, end)
        return count

    # Horizontal places

    def place(self) -> list[float]:
        """The centre of every vertex along x."""
        column, count = self._columns()
        lefts: list[dict[int, float]] = [{} for _ in range(count)]  # the columns to the left, and how far they must be
        rights: list[dict[int, float]] = [{} for _ in range(count)]
        for rank in self.ranks:
            for a, b in pairwise(rank):
                i, j, distance = column[a], column[b], self._distance(a, b)
                rights[i][j] = lefts[j][i] = max(distance, rights[i].get(j, 0.0))
        near = self._neighbours(column, count)
        order = _order_columns(lefts, rights)
        x = [0.0] * count
        for i in order:
            x[i] = max((x[j] + distance for j, distance in lefts[i].items()), default=0.0)
        for sweep in range(_PLACE_SWEEPS):
            for i in order if sweep % 2 else reversed(order):
                if near[i]:
                    wanted = sum(pull * x[j] for j, pull in near[i]) / sum(pull for _, pull in near[i])
                    least = max((x[j] + distance for j, distance in lefts[i].items()), default=-math.inf)
                    most = min((x[j] - distance for j, distance in rights[i].items()), default=math.inf)
                    x[i] = min(max(wanted, least), most)
        return [x[i] for i in column]

    def _columns(self) -> tuple[list[int], int]:
        """The column of each vertex: it goes on below where a chain does, unless it would cross another."""
        column = [-1] * len(self.sizes)
        count = 0
        for upper, lower in pairwise([[], *self.ranks]):
            place = {vertex: i for i, vertex in enumerate(lower)}
            last = -1
            for vertex in upper:
                below = self._continuation(vertex)
                if below is not None and place[below] > last:
                    last, column[below] = place[below], column[vertex]
            for vertex in lower:
                if column[vertex] < 0:
                    column[vertex], count = count, count + 1
        return column, count

    def _continuation(self, vertex: int) -> int | None:
        """What goes on below a vertex: a line as a line, a box as the only box that is below it alone."""
        ends = self.below[vertex]
        if vertex >= self.boxes and len(ends) > 1:
            ends = [end for end in ends if end >= self.boxes]
        return ends[0] if len(ends) == 1 and len(self.above[ends[0]]) == 1 else None

    def _neighbours(self, column: list[int], count: int) -> list[list[tuple[int, float]]]:
        """The columns that each column has lines to, and how strongly they pull."""
        near: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        for a, ends in enumerate(self.below):
            for b in ends:
                if column[a] != column[b]:
                    pull = 1.0 if a < self.boxes and b < self.boxes else 0.5
                    near[column[a]].append((column[b], pull))
                    near[column[b]].append((column[a], pull))
        return near

    def _distance(self, a: int, b: int) -> float:
        gap = BOX_GAP if a < self.boxes and b < self.boxes else LINE_GAP
        return (self.sizes[a][0] + self.sizes[b][0]) / 2 + gap

    # Vertical places, and lines

    def heights(self) -> tuple[list[float], float]:
        """The centre of every rank along y, and the height of all."""
        centres, y = [], 0.0
        for rank in self.ranks:
            tall = max(self.sizes[v][1] for v in rank)
            centres.append(y + tall / 2)
            y += tall + RANK_GAP
        return centres, max(y - RANK_GAP, 0.0)

    def line(self, chain: list[int], x: list[float], y: list[float]) -> list[Point]:
        """From the lower edge of the first box to the upper edge of the last, straight down beside boxes."""
        first, *between, last = chain
        points = [(self._port(first, chain[1], self.below, x), y[self.rank[first]] + self.sizes[first][1] / 2)]
        for vertex in between:
            rank = self.rank[vertex]
            half = max(self.sizes[v][1] for v in self.ranks[rank]) / 2
            points += [(x[vertex], y[rank] - half), (x[vertex], y[rank] + half)]
        points.append((self._port(last, chain[-2], self.above, x), y[self.rank[last]] - self.sizes[last][1] / 2))
        return points

    def _port(self, box: int, neighbour: int, neighbours: list[list[int]], x: list[float]) -> float:
        """Several lines share a box's edge side by side, in the order of their other ends."""
        ends = sorted(neighbours[box], key=lambda v: x[v])
        step = min(16.0, self.sizes[box][0] / (len(ends) + 1))
        return x[box] + (ends.index(neighbour) - (len(ends) - 1) / 2) * step


def _order_columns(lefts: list[dict[int, float]], rights: list[dict[int, float]]) -> list[int]:
    """The columns so that each stands behind all to its left. Upright lines that do not cross always can."""
    waiting = [len(left) for left in lefts]
    order = [i for i, left in enumerate(lefts) if not left]
    for i in order:
        for j in rights[i]:
            waiting[j] -= 1
            if not waiting[j]:
                order.append(j)
    return order


def _ranks(boxes: int, edges: Sequence[Edge]) -> list[int]:
    """Below all that lead to it; what nothing leads to stands right above what it leads to."""
    above: list[list[int]] = [[] for _ in range(boxes)]
    below: list[list[int]] = [[] for _ in range(boxes)]
    for u, v in edges:
        if not 0 <= u < v < boxes:
            raise ValueError(f"edge {u} -> {v} does not lead to a later box")
        above[v].append(u)
        below[u].append(v)
    rank = [0] * boxes
    for v in range(boxes):
        rank[v] = max((rank[u] + 1 for u in above[v]), default=0)
    for v in range(boxes):
        if not above[v] and below[v]:
            rank[v] = min(rank[w] for w in below[v]) - 1
    return rank
