"""Search in a region that uniform candidates hardly ever hit."""

from typing import Protocol

import numpy as np

from optuna_bridge.space.parameter_constraints.evaluation import total_excess

_POPULATION = 128
_GENERATIONS = 400
_CORNERS = 32
_PROJECTED = 16
_PROJECTIONS = 500
_MAX_TRIED = 5_000_000  # numbers
_NEIGHBOURS = 8  # of the target, in the pool
_BISECTIONS = 30
_ROUNDS = 12
_TRIES = 64  # in each round


class Area(Protocol):
    """What the search uses of a region."""

    @property
    def n_axes(self) -> int: ...

    @property
    def spacing(self) -> np.ndarray: ...

    def n_calls(self, n_points: int) -> int: ...

    def holds(self, points: np.ndarray) -> np.ndarray: ...

    def excesses(self, points: np.ndarray) -> np.ndarray: ...


def descend(area: Area, rng: np.random.Generator) -> np.ndarray:
    """Return points at which the constraints hold; empty if none is found.

    Corners of the cube and random points are projected onto the constraints, which suffices for
    linear ones; then differential evolution minimizes the excesses.
    """
    corners = rng.integers(0, 2, (_CORNERS, area.n_axes)).astype(float)
    corners[0], corners[1], corners[2] = 0.0, 1.0, 0.5
    points = np.concatenate([corners, rng.random((_POPULATION - _CORNERS, area.n_axes))])
    points[:: _POPULATION // _PROJECTED] = _projected(
        area, points[:: _POPULATION // _PROJECTED], rng
    )
    found = area.excesses(points)
    scales = _scales(found)
    excess = total_excess(found, scales)
    for _ in range(min(_GENERATIONS, area.n_calls(_POPULATION))):
        if (excess == 0).any():
            break
        changed = _changed(points, excess, rng)
        others = total_excess(area.excesses(changed), scales)
        is_better = others <= excess
        points[is_better], excess[is_better] = changed[is_better], others[is_better]
    hits = points[excess == 0]
    return hits[area.holds(hits)] if len(hits) else hits


def _scales(excesses: np.ndarray) -> np.ndarray:
    """Return the usual excess of each comparison, by which excesses become comparable."""
    found = [row[np.isfinite(row) & (row > 0)] for row in excesses]
    return np.array([max(float(np.median(each)), 1e-300) if len(each) else 1.0 for each in found])


def _projected(area: Area, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return points moved again and again onto one of the comparisons that they exceed.

    It is the randomized Kaczmarz method, by differences in place of derivatives.
    """
    points, n_axes = points.copy(), area.n_axes
    moves = np.diag(area.spacing)
    n_tried = len(points) * (n_axes + 1)
    if len(points) * n_axes * n_axes > _MAX_TRIED:
        return points
    for _ in range(min(_PROJECTIONS, area.n_calls(n_tried))):
        now = area.excesses(points)
        if (now == 0).all(axis=0).any():
            break
        weights = np.where(now > 0, rng.random(now.shape), -1.0)
        chosen = weights.argmax(axis=0)
        signs = np.where(points > 0.5, -1.0, 1.0)  # to stay in the cube
        tried = points[:, None, :] + moves * signs[:, None, :]
        others = area.excesses(tried.reshape(-1, n_axes)).reshape(len(now), len(points), n_axes)
        indexes = np.arange(len(points))
        excess = now[chosen, indexes]
        with np.errstate(all="ignore"):
            slopes = (others[chosen, indexes] - excess[:, None]) / (area.spacing * signs)
            steps = slopes * (excess / (slopes**2).sum(axis=1))[:, None]
        steps = np.nan_to_num(steps, nan=0.0, posinf=0.0, neginf=0.0)
        points = np.clip(points - rng.uniform(1.0, 1.9, (len(points), 1)) * steps, 0.0, 1.0)
    return points


def _changed(points: np.ndarray, excess: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a candidate for each point: moved by the difference of two others, in some axes."""
    n, n_axes = points.shape
    first, second = points[rng.integers(n, size=n)], points[rng.integers(n, size=n)]
    best = points[np.argsort(excess)[rng.integers(1 + n // 8, size=n)]]
    pull, factor = rng.random((n, 1)) * rng.integers(0, 2, (n, 1)), rng.random((n, 1)) * 1.2
    moved = points + pull * (best - points) + factor * (first - second)
    share = rng.choice([1 / n_axes, 0.3, 0.9], size=(n, 1))
    is_moved = rng.random((n, n_axes)) < share
    is_moved[np.arange(n), rng.integers(n_axes, size=n)] = True
    jumps = rng.random((n, n_axes)) < 0.1 / n_axes
    moved = np.where(jumps, rng.random((n, n_axes)), moved)
    return np.clip(np.where(is_moved, moved, points), 0.0, 1.0)


def spread(
    area: Area,
    points: np.ndarray,
    rng: np.random.Generator,
    *,
    n_steps: int,
    pool: np.ndarray | None = None,
) -> np.ndarray:
    """Return where a random walk leads from points of the area: near its uniform distribution.

    A step goes along an axis, in any direction, or along the difference of two points of the pool,
    which is `points` itself by default; it is made if it stays in the area.
    """
    points = points.copy()
    n, n_axes = points.shape
    others = points if pool is None else pool
    for step in range(n_steps):
        lengths = 10.0 ** rng.uniform(-3, 0, (n, 1))
        if step % 3 == 0 or n_axes == 1:
            directions = np.zeros((n, n_axes))
            directions[np.arange(n), rng.integers(n_axes, size=n)] = rng.choice([-1.0, 1.0], n)
        elif step % 3 == 1:
            directions = rng.standard_normal((n, n_axes)) / n_axes**0.5
        else:
            chosen = rng.integers(len(others), size=(2, n))
            directions, lengths = others[chosen[0]] - others[chosen[1]], rng.random((n, 1)) * 2
        moved = points + lengths * directions
        is_inside = area.holds(moved)
        points[is_inside] = moved[is_inside]
    return points


def nearest(
    area: Area, target: np.ndarray, pool: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return a point of the area near a target outside of it.

    The nearest points of the pool move towards the target as far as the way stays inside, and the
    best of them then tries smaller and smaller steps.
    """
    near = pool[np.argsort(_distances(pool, target))[:_NEIGHBOURS]]
    low, high = np.zeros((len(near), 1)), np.ones((len(near), 1))
    for _ in range(min(_BISECTIONS, area.n_calls(len(near)))):
        middle = (low + high) / 2
        is_inside = area.holds(near + middle * (target - near))[:, None]
        low, high = np.where(is_inside, middle, low), np.where(is_inside, high, middle)
    ends = near + low * (target - near)
    best: np.ndarray = ends[np.argmin(_distances(ends, target))]
    radius = float(np.linalg.norm(best - target))
    for _ in range(min(_ROUNDS, area.n_calls(_TRIES))):
        pulls = rng.random((_TRIES, 1)) * rng.integers(0, 2, (_TRIES, len(target)))
        tries = best + pulls * (target - best)
        tries += rng.standard_normal(tries.shape) * radius * rng.integers(0, 2, (_TRIES, 1)) / 4
        tries = np.concatenate([best[None], np.clip(tries, 0.0, 1.0)])
        tries = tries[area.holds(tries)]
        if len(tries):
            best = tries[np.argmin(_distances(tries, target))]
        radius *= 0.6
    return best


def _distances(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    found: np.ndarray = ((points - target) ** 2).sum(axis=1)
    return found
