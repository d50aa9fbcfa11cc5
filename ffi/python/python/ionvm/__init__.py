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
>>> run(package)
42
"""

from __future__ import annotations

from . import aio
from ._ionvm import (
    UNIT,
    Atom,
    Function,
    FunctionRef,
    Instruction,
    IonError,
    IonPackBuilder,
    Pattern,
    Pid,
    ProcessExit,
    Value,
    Vm,
    compile,
)
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any, Optional, Union

__version__ = "0.1.0"
__author__ = "The IonVM developers"
__license__ = "MIT"

# What can be awaited is in Python.
Pid.ask_async = aio.ask
Vm.call_async = aio.call
Vm.receive_async = aio.receive


def run(
    package: Union[str, os.PathLike[str], bytes],
    *args: str,
    timeout: Optional[float] = None,
    **settings: Any,
) -> Any:
    """Runs a package, given by path or as bytes, with the program's arguments; gives the result of its
    main function. `settings` are those of :class:`Vm`.

    Processes that have not ended when the main function returns are stopped.
    """
    with Vm(package, **settings) as vm:
        return vm.run(*args, timeout=timeout)


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
    "run",
    "compile",
    "Vm",
    "Pid",
    "Atom",
    "FunctionRef",
    "UNIT",
    "IonError",
    "ProcessExit",
    "aio",
]
