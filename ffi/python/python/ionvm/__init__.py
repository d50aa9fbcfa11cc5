"""Build and run IonVM packages.

>>> from ionvm import Function, Instruction, IonPackBuilder, Value
>>> main = Function(name="main", extra_regs=1, instructions=[
...     Instruction.load_const(0, Value.number(42)),
...     Instruction.return_reg(0),
... ])
>>> builder = IonPackBuilder("answer", "1.0.0")
>>> builder.main_class("Main")
>>> builder.add_class("Main", main)
>>> package = builder.to_bytes()
"""

from ._ionvm import Function, Instruction, IonPackBuilder, Pattern, Value
from .control_flow import (
    BasicBlock,
    BreakContinueException,
    Condition,
    IfElseBuilder,
    MatchBuilder,
    WhileThenElseBuilder,
    build_if_else,
    build_while_then_else,
    create_break_instruction,
    create_continue_instruction,
)

__version__ = "0.1.0"
__author__ = "The IonVM developers"
__license__ = "MIT"

__all__ = [
    "Value",
    "Instruction",
    "Function",
    "IonPackBuilder",
    "Pattern",
    "IfElseBuilder",
    "WhileThenElseBuilder",
    "build_if_else",
    "build_while_then_else",
    "create_break_instruction",
    "create_continue_instruction",
    "MatchBuilder",
    "Condition",
]
