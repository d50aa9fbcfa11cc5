"""Control flow: builders that lay out blocks of instructions and patch the jumps between them.

Every builder gives a list of instructions whose jumps are relative, so that the list can stand
anywhere in a function. A jump to the end of a construct may lead one past the last instruction of the
function, which returns Unit.
"""

from __future__ import annotations

from ._ionvm import Instruction, Pattern

# Importing `typing` takes longer than everything else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Sequence

__all__ = [
    "BasicBlock",
    "BreakContinueException",
    "Condition",
    "IfElseBuilder",
    "MatchBuilder",
    "WhileThenElseBuilder",
    "build_if_else",
    "build_while_then_else",
    "create_break_instruction",
    "create_continue_instruction",
]


class BreakContinueException(Exception):
    """A break or continue outside of a loop. Nothing here raises it; it is kept for programs that do."""

    def __init__(self, break_type: str, target_label: Optional[str] = None) -> None:
        super().__init__(break_type, target_label)
        self.break_type = break_type
        self.target_label = target_label


class BasicBlock:
    """A named list of instructions."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.instructions: List[Instruction] = []
        self.start_address: Optional[int] = None
        self.end_address: Optional[int] = None

    def add_instruction(self, instruction: Instruction) -> None:
        self.instructions.append(instruction)

    def __len__(self) -> int:
        return len(self.instructions)


class Condition:
    """A condition: a register, or instructions that leave their result in one."""

    def __init__(self, condition_type: str, data: Any) -> None:
        self.condition_type = condition_type
        self.data = data

    @staticmethod
    def from_register(reg: int) -> "Condition":
        return Condition("register", reg)

    @staticmethod
    def from_instructions(instructions: Sequence[Instruction], result_reg: int) -> "Condition":
        return Condition("instructions", {"instructions": instructions, "result_reg": result_reg})

    def get_result_register(self) -> int:
        """The register of the result."""
        if self.condition_type == "register":
            return self.data
        if self.condition_type == "instructions":
            return self.data["result_reg"]
        raise ValueError(f"Unknown condition type: {self.condition_type}")

    def get_instructions(self) -> List[Instruction]:
        """What computes the result; nothing for a register."""
        if self.condition_type == "register":
            return []
        if self.condition_type == "instructions":
            return list(self.data["instructions"])
        raise ValueError(f"Unknown condition type: {self.condition_type}")


class IfElseBuilder:
    """Builds ``if … elif … else …``.

    Conditions given by instructions are computed only if all earlier ones were false.
    """

    def __init__(self) -> None:
        self.conditions: List[Condition] = []
        self.blocks: List[List[Instruction]] = []
        self.else_instructions: List[Instruction] = []
        self.current_block: Optional[List[Instruction]] = None
        self.has_else = False
        self.in_else = False

    def _begin(self, condition: Condition) -> None:
        self.conditions.append(condition)
        self.current_block = []
        self.blocks.append(self.current_block)

    def if_condition(self, condition_reg: int) -> None:
        """Begins the construct; the condition is in a register."""
        self._if(Condition.from_register(condition_reg))

    def if_condition_lazy(
        self, condition_instructions: Sequence[Instruction], result_reg: int
    ) -> None:
        """Begins the construct; instructions compute the condition."""
        self._if(Condition.from_instructions(condition_instructions, result_reg))

    def _if(self, condition: Condition) -> None:
        if self.conditions:
            raise ValueError("the if condition is set already; use elif_condition for further ones")
        self._begin(condition)

    def elif_condition(self, condition_reg: int) -> None:
        """Begins a further branch; the condition is in a register."""
        self._elif(Condition.from_register(condition_reg))

    def elif_condition_lazy(
        self, condition_instructions: Sequence[Instruction], result_reg: int
    ) -> None:
        """Begins a further branch; instructions compute the condition."""
        self._elif(Condition.from_instructions(condition_instructions, result_reg))

    def _elif(self, condition: Condition) -> None:
        if not self.conditions:
            raise ValueError("elif without if; call if_condition first")
        if self.has_else:
            raise ValueError("elif after else")
        self._begin(condition)

    def else_block(self) -> None:
        """Begins the branch for when all conditions are false."""
        if not self.conditions:
            raise ValueError("else without if; call if_condition first")
        if self.has_else:
            raise ValueError("the else block is begun already")
        self.has_else = True
        self.in_else = True
        self.current_block = self.else_instructions

    def add_instruction(self, instruction: Instruction) -> None:
        """Adds an instruction to the branch at hand."""
        if self.current_block is None:
            raise ValueError("no branch to add to; call if_condition first")
        self.current_block.append(instruction)

    def build(self) -> List[Instruction]:
        """The instructions of the whole construct."""
        if not self.conditions:
            raise ValueError("no condition; call if_condition first")
        result: List[Instruction] = []
        ends: List[int] = []
        last = len(self.conditions) - 1
        for at, (condition, block) in enumerate(zip(self.conditions, self.blocks)):
            result.extend(condition.get_instructions())
            test = len(result)
            result.append(Instruction.nop())  # the jump to the next condition
            result.extend(block)
            if at < last or self.has_else:
                ends.append(len(result))
                result.append(Instruction.nop())  # the jump to the end
            offset = len(result) - test
            result[test] = Instruction.jump_if_false(condition.get_result_register(), offset)
        result.extend(self.else_instructions)
        for position in ends:
            result[position] = Instruction.jump(len(result) - position)
        return result


class WhileThenElseBuilder:
    """Builds ``while … then … else …``: `then` runs when the condition becomes false, `else` when the
    loop is left by a break."""

    def __init__(self) -> None:
        self.condition: Optional[Condition] = None
        self.body_instructions: List[Instruction] = []
        self.then_instructions: List[Instruction] = []
        self.else_instructions: List[Instruction] = []
        self.current_block: Optional[List[Instruction]] = None
        self.has_then = False
        self.has_else = False

    def while_condition(
        self, condition_instructions: Sequence[Instruction], result_reg: int
    ) -> None:
        """Begins the loop; instructions compute the condition before each turn."""
        self._while(Condition.from_instructions(condition_instructions, result_reg))

    def while_condition_reg(self, condition_reg: int) -> None:
        """Begins the loop; the condition is in a register."""
        self._while(Condition.from_register(condition_reg))

    def _while(self, condition: Condition) -> None:
        if self.condition is not None:
            raise ValueError("the while condition is set already")
        self.condition = condition
        self.current_block = self.body_instructions

    def add_instruction(self, instruction: Instruction) -> None:
        """Adds an instruction to the block at hand."""
        self._block().append(instruction)

    def _block(self) -> List[Instruction]:
        if self.current_block is None:
            raise ValueError("no loop; call while_condition first")
        return self.current_block

    def _in_body(self, what: str) -> List[Instruction]:
        if self._block() is not self.body_instructions:
            raise ValueError(f"{what} outside of the loop's body")
        return self.body_instructions

    def add_break(self) -> None:
        """Leaves the loop, for the else block."""
        self._in_body("break").append(Instruction.break_instr())

    def add_continue(self) -> None:
        """Begins the next turn."""
        self._in_body("continue").append(Instruction.continue_instr())

    def then_block(self) -> None:
        """Begins what runs when the condition becomes false."""
        self._block()
        if self.has_then:
            raise ValueError("the then block is begun already")
        self.has_then = True
        self.current_block = self.then_instructions

    def else_block(self) -> None:
        """Begins what runs when the loop is left by a break."""
        self._block()
        if self.has_else:
            raise ValueError("the else block is begun already")
        self.has_else = True
        self.current_block = self.else_instructions

    def build(self) -> List[Instruction]:
        """The instructions of the whole construct."""
        if self.condition is None:
            raise ValueError("no loop; call while_condition first")
        result = self.condition.get_instructions()
        test = len(result)
        result.append(Instruction.nop())  # the jump to the then block
        body = len(result)
        result.extend(self.body_instructions)
        result.append(Instruction.jump(-len(result)))
        offset = len(result) - test
        result[test] = Instruction.jump_if_false(self.condition.get_result_register(), offset)
        result.extend(self.then_instructions)
        if self.else_instructions:
            result.append(Instruction.jump(len(self.else_instructions) + 1))
        after_break = len(result)
        result.extend(self.else_instructions)
        for position in range(body, body + len(self.body_instructions)):
            opcode = result[position].opcode
            if opcode == "break":
                result[position] = Instruction.jump(after_break - position)
            elif opcode == "continue":
                result[position] = Instruction.jump(-position)
        return result


class MatchBuilder:
    """Builds a choice by patterns: the first that matches has its block run, then the construct is
    over. If none matches, nothing runs."""

    def __init__(self, value_reg: int) -> None:
        self.value_reg = value_reg
        self.patterns: List[Pattern] = []
        self.blocks: List[List[Instruction]] = []
        self.jump_table: List[int] = []

    def case(self, pattern: Pattern, instructions: Sequence[Instruction]) -> "MatchBuilder":
        """Adds a pattern and its block; gives the builder."""
        self.patterns.append(pattern)
        self.blocks.append(list(instructions))
        return self

    def build(self) -> List[Instruction]:
        """The instructions of the whole construct."""
        result = [Instruction.nop()]  # the match
        ends: List[int] = []
        if not any(pattern.is_wildcard for pattern in self.patterns):
            ends.append(len(result))
            result.append(Instruction.nop())  # the jump for when no pattern matches
        self.jump_table = []
        for at, block in enumerate(self.blocks):
            self.jump_table.append(len(result))
            result.extend(block)
            if at < len(self.blocks) - 1:
                ends.append(len(result))
                result.append(Instruction.nop())
        for position in ends:
            result[position] = Instruction.jump(len(result) - position)
        result[0] = Instruction.match(self.value_reg, self.patterns, self.jump_table)
        return result


def build_if_else(builder_func: Callable[[IfElseBuilder], Any]) -> List[Instruction]:
    """Calls `builder_func` with an :class:`IfElseBuilder`; gives what that builds."""
    builder = IfElseBuilder()
    builder_func(builder)
    return builder.build()


def build_while_then_else(builder_func: Callable[[WhileThenElseBuilder], Any]) -> List[Instruction]:
    """Calls `builder_func` with a :class:`WhileThenElseBuilder`; gives what that builds."""
    builder = WhileThenElseBuilder()
    builder_func(builder)
    return builder.build()


def create_break_instruction() -> Instruction:
    """The placeholder that leaves the loop around it."""
    return Instruction.break_instr()


def create_continue_instruction() -> Instruction:
    """The placeholder that begins the next turn of the loop around it."""
    return Instruction.continue_instr()
