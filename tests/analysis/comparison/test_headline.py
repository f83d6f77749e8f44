"""What the comparison says first."""

import pytest

from analysis.comparison.headline import Standing, headline


@pytest.mark.parametrize(
    ("finals", "expected"),
    [
        ((1.0, 2.0), "“b” is better: 2, against 1, a gap of 1 (100 %)."),
        ((2.0, 2.0), "“a” and “b” are equally good: 2."),
        ((2.0, 2.0, 1.0), "“a” and “b” are best of 3: 2; then “c” (1), a gap of 1 (100 %)."),
        ((0.5, 2.0, 1.0), "“b” is best of 3: 2; then “c” (1), a gap of 1 (100 %); last “a” (0.5)."),
        (
            (2.0, 2.0000000001),
            "“b” is better: 2.0000000001, against 2.0, a gap of 1e-10 (5e-09 %).",
        ),
        ((None, 2.0), "Only “b” has a result: 2. “a” has no result yet."),
        ((0.0, None, None), "Only “a” has a result: 0. “b” and “c” have no result yet."),
        ((-1.0, 2.0), "“b” is better: 2, against -1, a gap of 3."),
        ((0.0, 2.0), "“b” is better: 2, against 0, a gap of 2."),
        ((float("-inf"), -1e300), "“b” is better: -1e+300, against -inf."),
    ],
)
def test_headline_ranks_the_studies(finals: tuple[float | None, ...], expected: str) -> None:
    standings = [Standing(name, final, None) for name, final in zip("abc", finals, strict=False)]
    assert headline(standings, sign=-1.0, target=None) == expected


def test_headline_says_who_was_faster() -> None:
    standings = [Standing("a", 1.0, 1200), Standing("b", 1.0, 1), Standing("c", 2.0, None)]
    assert headline(standings, sign=1.0, target=1.0, what="hypervolume ") == (
        "“a” and “b” are best of 3: hypervolume 1; then “c” (2), a gap of 1 (50 %). "
        "Hypervolume 1 was reached by “b” after 1 trial and “a” after 1,200 trials. "
        "“c” did not reach it."
    )
    never = [Standing("a", 1.0, None), Standing("b", 2.0, None)]
    assert headline(never, sign=1.0, target=0.5) == (
        "“a” is better: 1, against 2, a gap of 1 (50 %). None has reached 0.5."
    )


def test_headline_about_many_studies_is_short() -> None:
    standings = [Standing(f"s{i}", float(i), 10 - i) for i in range(8)]
    assert headline(standings, sign=1.0, target=7.0) == (
        "“s0” is best of 8: 0; then “s1” (1), a gap of 1 (100 %); last “s7” (7). "
        "7, the worst of these, was reached first by “s7” after 3 trials, "
        "last by “s0” after 10 trials."
    )


def test_long_names_are_truncated() -> None:
    standings = [Standing("x" * 256, 1.0, None), Standing("y", 2.0, None)]
    assert headline(standings, sign=1.0, target=None).startswith(f"“{'x' * 59}…” is better")
