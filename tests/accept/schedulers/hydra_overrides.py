"""The search spaces that the sweeper of Hydra reads from overrides."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from hydra_plugins.tuner_sweeper.search_space import Parameter, read_overrides

from tuner import Categorical, Float, Int, Ordinal

PARSER = OverridesParser.create()
NUMBERS = {
    "interval(1, 5)": Float(1.0, 5.0),
    "int(interval(1, 5))": Int(1, 5),
    "tag(log, interval(1e-5, 1e-1))": Float(1e-5, 1e-1, log=True),
    "tag(log, int(interval(1, 64)))": Int(1, 64, log=True),
    "range(1, 9)": Int(1, 8),
    "range(1, 9, 3)": Int(1, 7, 3),
    "range(9, 1, -2)": Int(3, 9, 2),
    "range(0.0, 1.0, 0.25)": Float(0.0, 0.75, 0.25),
    "range(0, 0.3, 0.1)": Float(0.0, 0.2, 0.1),
}


def read(line: str) -> Parameter | str:
    (found,) = read_overrides([line], PARSER).values()
    return found


def choices(line: str) -> tuple[tuple, list[str]]:
    found = read(line)
    assert isinstance(found, Parameter)
    assert isinstance(found.distribution, Categorical)
    values = found.distribution.choices
    return values, [found.override(value) for value in values]


def refusal(line: str) -> str:
    try:
        read(line)
    except HydraException as error:
        return str(error)
    return ""


for text, distribution in NUMBERS.items():
    found = read(f"x={text}")
    assert isinstance(found, Parameter), text
    assert found.distribution == distribution, (text, found.distribution)
    assert found.override(2) == "x=2"
scale = read("n=tag(ordinal, choice(16, 32, 64.0))")
assert isinstance(scale, Parameter)
assert scale.distribution == Ordinal([16, 32, 64.0])
assert [scale.override(value) for value in (16, 64.0)] == ["n=16", "n=64.0"]
assert choices("opt=choice(adam, sgd)") == (("adam", "sgd"), ["opt=adam", "opt=sgd"])
assert choices("+k=3,2.5,true") == ((3, 2.5, True), ["+k=3", "+k=2.5", "+k=True"])
TEXTS = ("a b", "it's", "1", "true", "", "a,b", "$x", r"a\\b\\", "ü")
texts = ", ".join(QuotedString(text, Quote.double).with_quotes() for text in TEXTS)
assert choices(f"k=choice({texts})")[0] == TEXTS
for line, text in zip(choices(f"k=choice({texts})")[1], TEXTS, strict=True):
    assert PARSER.parse_override(line).value() == text
assert choices("k=choice(a/b-c.d_1, [1,2], {a: b})") == (
    ("a/b-c.d_1", "[1,2]", "{a:b}"),
    ["k=a/b-c.d_1", "k=[1,2]", "k={a:b}"],
)
assert choices("k=null,1") == (("null", 1), ["k=null", "k=1"])
assert choices("db@src=choice(mysql, sqlite)")[1] == ["db@src=mysql", "db@src=sqlite"]
assert read("x=3") == "x=3"
assert read("~x") == "~x"
assert read_overrides(["x=interval(0, 1)", "x=0.5"], PARSER) == {"x": "x=0.5"}
assert "expected no tag but log, not {'lgo'}" in refusal("x=tag(lgo, interval(1, 2))")
