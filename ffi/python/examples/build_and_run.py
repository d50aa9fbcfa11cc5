"""Builds a package, writes it to a file, and runs it.

Prints:
    5050
"""

import tempfile
from pathlib import Path

import ionvm
from ionvm import Function, Instruction as I, IonPackBuilder, Value, build_while_then_else


def sum_to(limit):
    """A function that adds up 1, 2, … limit."""

    def loop(builder):
        builder.while_condition([I.less_equal(3, 1, 2)], 3)
        builder.add_instruction(I.add(0, 0, 1))
        builder.add_instruction(I.add(1, 1, 4))

    start = [
        I.load_const(0, Value.number(0)),
        I.load_const(1, Value.number(1)),
        I.load_const(2, Value.number(limit)),
        I.load_const(4, Value.number(1)),
    ]
    return Function("main", 0, 5, start + build_while_then_else(loop) + [I.return_reg(0)])


builder = IonPackBuilder("sum", "1.0.0")
builder.main_class("Main")
builder.add_class("Main", sum_to(100))

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "sum.ionpack"
    with path.open("wb") as file:
        builder.build(file)
    print(ionvm.run(path))
