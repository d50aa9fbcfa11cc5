"""Packages: constants, instructions, functions, archives."""

import io
import zipfile

import ionvm
import ionvm_rust
import pytest
from ionvm import Function, Instruction, IonPackBuilder, Pattern, Value


def build(functions, multi=True, **fields):
    builder = IonPackBuilder("test", "1.0")
    builder.main_class("Main")
    for name, value in fields.items():
        getattr(builder, name)(value)
    if multi:
        builder.add_multi_function_class("Main", functions)
    else:
        builder.add_class("Main", functions)
    out = io.BytesIO()
    assert builder.build(out) is None
    return out.getvalue()


def test_names():
    for name in ionvm.__all__:
        assert hasattr(ionvm, name), name
    assert ionvm.__version__ == "0.1.0" and ionvm.__license__ == "MIT"
    assert ionvm_rust.Value is ionvm.Value
    with pytest.raises(TypeError):
        Value()


def test_single_class_has_the_documented_bytes():
    main = Function(name="main", extra_regs=1, instructions=[
        Instruction.load_const(0, Value.number(42)),
        Instruction.return_reg(0),
    ])
    archive = zipfile.ZipFile(io.BytesIO(build(main, multi=False)))
    assert archive.namelist() == ["META-INF/MANIFEST.ion", "classes/Main.ionc"]
    assert archive.read("classes/Main.ionc").hex() == (
        "01040000006d61696e000000000100000000020000000100000000010000000000004540" "0a00000000"
    )
    manifest = archive.read("META-INF/MANIFEST.ion").decode()
    assert manifest == "IonPack-Version: 1.0\nName: test\nVersion: 1.0\nMain-Class: Main\n"


def test_archives_are_reproducible_and_complete():
    main = Function(name="main")
    make = lambda: build([main], description="d", author="a", entry_point="main", dependency="x",
                         export="Main")
    assert make() == make()
    builder = IonPackBuilder("p", "2")
    builder.add_class("Main", main)
    builder.add_source("Main.ion", "text")
    builder.add_resource("data.bin", b"\0\1")
    builder.add_library("l.so", b"code")
    archive = zipfile.ZipFile(io.BytesIO(builder.to_bytes()))
    assert archive.read("src/Main.ion") == b"text"
    assert archive.read("resources/data.bin") == b"\0\1"
    assert b"FFI-Libraries: l.so" in archive.read("META-INF/MANIFEST.ion")


def test_builder_is_consumed():
    builder = IonPackBuilder(name="p", version="1")
    builder.add_class(name="Main", function=Function())
    builder.build(io.BytesIO())
    builder.main_class("ignored")
    for use in (lambda: builder.build(io.BytesIO()), lambda: builder.add_class("A", Function())):
        with pytest.raises(ValueError, match="Builder consumed"):
            use()


def test_kinds_of_arguments():
    Value.number(True), Value.number(3), Value.boolean(b=True), Value.array(items=(Value.unit(),))
    for wrong in (
        lambda: Value.number("1"),
        lambda: Value.number(None),
        lambda: Value.boolean(1),
        lambda: Value.object({1: Value.unit()}),
        lambda: Value.object({"a": 1}),
        lambda: Instruction.jump(1.5),
        lambda: Instruction.object_init(0, [("a", ["reg", 1])]),
        lambda: Value.complex("1j"),
    ):
        with pytest.raises(TypeError):
            wrong()
    for wrong in (lambda: Instruction.move(-1, 0), lambda: Function(arity=-1),
                  lambda: Instruction.move(1 << 32, 0)):
        with pytest.raises(OverflowError):
            wrong()
    with pytest.raises(ValueError, match="same length"):
        Instruction.match(0, [Pattern.wildcard()], [])
    with pytest.raises(ValueError, match="Invalid object_init arg kind: x"):
        Instruction.object_init(0, [("a", ("x", 1))])
    with pytest.raises(ValueError, match="access level"):
        Instruction.object_init(0, [("a", ("reg", 1, "secret"))])
    Instruction.object_init(0, [("a", ("reg", 1, {"writable": False}))])


def test_nesting_is_bounded():
    value = Value.unit()
    with pytest.raises(ValueError, match="deeper than 256"):
        for _ in range(1000):
            value = Value.array([value])


@pytest.mark.parametrize("instruction, opcode, args", [
    (Instruction.move_reg(1, 2), "move", (1, 2)),
    (Instruction.and_instr(1, 2, 3), "and", (1, 2, 3)),
    (Instruction.or_(1, 2, 3), "or", (1, 2, 3)),
    (Instruction.not_instr(1, 2), "not", (1, 2)),
    (Instruction.less_than(dst=1, a=2, b=3), "less_than", (1, 2, 3)),
    (Instruction.return_reg(4), "return", (4,)),
    (Instruction.jump_if_true(1, -2), "jump_if_true", (1, -2)),
    (Instruction.array_init(1, (2, 3)), "array_init", (1, [2, 3])),
    (Instruction.make_closure(1, 2, "s", [("x", 3)]), "make_closure", (1, 2, "s", [("x", 3)])),
    (Instruction.link(7, 1), "link", (7, 1)),
    (Instruction.select_with_kill(1, [2]), "select_with_kill", (1, [2])),
    (Instruction.receive_with_timeout(1, 2, 3), "receive_with_timeout", (1, 2, 3)),
    (Instruction.yield_(), "yield", ()),
    (Instruction.nop(), "nop", ()),
    (Instruction.break_instr(), "break", ()),
])
def test_instructions_show_themselves(instruction, opcode, args):
    assert (instruction.opcode, instruction.args) == (opcode, args)
    assert instruction.serialize(None) is None


def test_representations():
    assert repr(Value.number(1)) == "Primitive(Number(1.0))"
    assert repr(Value.array([Value.atom("a")])) == 'Array(RefCell { value: [Primitive(Atom("a"))] })'
    assert repr(Instruction.load_const(0, Value.unit())) == "LoadConst(0, Primitive(Unit))"
    assert repr(Instruction.nop()) == "Nop"
    assert repr(Instruction.break_instr()) == "Placeholder(break)"


def test_functions():
    code = [Instruction.nop(), Instruction.return_reg(0)]
    function = Function("f", 1, 2, code)
    assert (function.name, function.arity, function.extra_regs) == ("f", 1, 2)
    assert function.instructions == code and function.instructions is not function.instructions
    assert Function().name is None
    with pytest.raises(ValueError, match="instruction 1 is a continue placeholder"):
        Function(instructions=[Instruction.nop(), Instruction.continue_instr()])
    with pytest.raises(ValueError, match="register r20"):
        Function(instructions=[Instruction.return_reg(20)]).verify()
