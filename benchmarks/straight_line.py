"""The straight line through measured points, and how far each of them lies from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """`y = begin + slope * x`."""

    begin: float
    slope: float

    def at(self, x: float) -> float:
        """The line's y."""
        return self.begin + self.slope * x


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """The line whose residuals, each as a share of its point's y, have the least squares.

    Sizes grow by factors: by plain least squares the largest one alone would decide, and the small
    ones could lie anywhere.

    Raises:
        ValueError: There are fewer than two sizes, or a y is not positive.
    """
    if len({x for x, _ in points}) < 2 or any(y <= 0 for _, y in points):
        raise ValueError(points)
    weights = [y**-2 for _, y in points]
    total = math.fsum(weights)
    mean_x = math.fsum(w * x for w, (x, _) in zip(weights, points, strict=True)) / total
    mean_y = math.fsum(w * y for w, (_, y) in zip(weights, points, strict=True)) / total
    both = zip(weights, points, strict=True)
    above = math.fsum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in both)
    below = math.fsum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points, strict=True))
    slope = above / below
    return Line(mean_y - slope * mean_x, slope)


def residuals(line: Line, points: Sequence[tuple[float, float]]) -> list[float]:
    """By what share of the line's y each point lies above it."""
    return [y / line.at(x) - 1 for x, y in points]
