"""Control flow builders: the layout of what they build."""

import pytest
from ionvm import (
    Condition,
    IfElseBuilder,
    Instruction,
    MatchBuilder,
    Pattern,
    Value,
    WhileThenElseBuilder,
    build_if_else,
    build_while_then_else,
    create_break_instruction,
    create_continue_instruction,
)

A, B, C = (Instruction.move(i, i) for i in range(3))


def shape(instructions):
    return [(i.opcode,) + i.args for i in instructions]


def test_if_elif_else(capsys):
    def construct(builder):
        builder.if_condition(1)
        builder.add_instruction(A)
        builder.elif_condition_lazy([B], 2)
        builder.add_instruction(A)
        builder.else_block()
        builder.add_instruction(C)

    assert shape(build_if_else(construct)) == [
        ("jump_if_false", 1, 3),
        ("move", 0, 0),
        ("jump", 6),
        ("move", 1, 1),
        ("jump_if_false", 2, 3),
        ("move", 0, 0),
        ("jump", 2),
        ("move", 2, 2),
    ]
    assert capsys.readouterr().out == ""


def test_if_alone_and_wrong_orders():
    builder = IfElseBuilder()
    for wrong in (builder.build, builder.else_block, lambda: builder.elif_condition(1),
                  lambda: builder.add_instruction(A)):
        with pytest.raises(ValueError):
            wrong()
    builder.if_condition(3)
    builder.add_instruction(A)
    assert shape(builder.build()) == [("jump_if_false", 3, 2), ("move", 0, 0)]
    with pytest.raises(ValueError):
        builder.if_condition(1)
    builder.else_block()
    for wrong in (builder.else_block, lambda: builder.elif_condition(1)):
        with pytest.raises(ValueError):
            wrong()


def test_while_then_else():
    def construct(builder):
        builder.while_condition([A], 1)
        builder.add_instruction(B)
        builder.add_break()
        builder.add_continue()
        builder.then_block()
        builder.add_instruction(C)
        builder.else_block()
        builder.add_instruction(A)

    assert shape(build_while_then_else(construct)) == [
        ("move", 0, 0),
        ("jump_if_false", 1, 5),
        ("move", 1, 1),
        ("jump", 5),
        ("jump", -4),
        ("jump", -5),
        ("move", 2, 2),
        ("jump", 2),
        ("move", 0, 0),
    ]


def test_placeholders_in_nested_builders():
    inner = IfElseBuilder()
    inner.if_condition(2)
    inner.add_instruction(create_break_instruction())
    inner.else_block()
    inner.add_instruction(create_continue_instruction())
    loop = WhileThenElseBuilder()
    loop.while_condition_reg(1)
    for instruction in inner.build():
        loop.add_instruction(instruction)
    assert shape(loop.build()) == [
        ("jump_if_false", 1, 6),
        ("jump_if_false", 2, 3),
        ("jump", 4),
        ("jump", 2),
        ("jump", -4),
        ("jump", -5),
    ]
    loop.then_block()
    for wrong in (loop.add_break, loop.then_block, lambda: loop.while_condition_reg(1)):
        with pytest.raises(ValueError):
            wrong()


def test_match():
    builder = MatchBuilder(0).case(Pattern.value(Value.unit()), [A]).case(
        Pattern.array([Pattern.wildcard()]), [B, C])
    code = builder.build()
    assert [i.opcode for i in code] == ["match", "jump", "move", "jump", "move", "move"]
    assert code[0].args[2] == [2, 4] and code[1].args == (5,) and code[3].args == (3,)
    code = MatchBuilder(0).case(Pattern.wildcard(), [A]).build()
    assert [i.opcode for i in code] == ["match", "move"]


def test_conditions():
    assert Condition.from_register(3).get_instructions() == []
    lazy = Condition.from_instructions([A], 4)
    assert (lazy.get_result_register(), lazy.get_instructions()) == (4, [A])
    with pytest.raises(ValueError):
        Condition("other", None).get_result_register()
