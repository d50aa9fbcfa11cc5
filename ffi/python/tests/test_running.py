"""Running packages: calls, messages, ends, natives, asyncio."""

import asyncio
import dataclasses
import gc
import signal
import threading
import time

import ionvm
import pytest
from ionvm import (
    UNIT,
    Atom,
    Function,
    FunctionRef,
    IfElseBuilder,
    Instruction as I,
    IonPackBuilder,
    MatchBuilder,
    Pattern,
    ProcessExit,
    Value,
    Vm,
    WhileThenElseBuilder,
)

N = Value.number


def native(name, register):
    return I.load_const(register, Value.atom("__stdlib:" + name))


def countdown():
    """Adds up r0, r0 - 1, … 1, except 3; leaves the loop by a break at 100."""
    skip = IfElseBuilder()
    skip.if_condition_lazy([I.load_const(4, N(3)), I.equal(4, 0, 4)], 4)
    skip.add_instruction(I.sub(0, 0, 2))
    skip.add_instruction(I.continue_instr())
    skip.elif_condition_lazy([I.load_const(4, N(100)), I.equal(4, 0, 4)], 4)
    skip.add_instruction(I.break_instr())
    skip.else_block()
    skip.add_instruction(I.add(1, 1, 0))
    loop = WhileThenElseBuilder()
    loop.while_condition([I.load_const(3, N(0)), I.greater_than(3, 0, 3)], 3)
    for instruction in skip.build():
        loop.add_instruction(instruction)
    loop.add_instruction(I.sub(0, 0, 2))
    loop.then_block()
    loop.add_instruction(I.return_reg(1))
    loop.else_block()
    loop.add_instruction(I.load_const(1, Value.atom("broken")))
    start = [I.load_const(1, N(0)), I.load_const(2, N(1))]
    return Function("countdown", 1, 5, start + loop.build() + [I.return_reg(1)])


def sorts():
    text = lambda t: [I.load_const(1, Value.string(t))]
    code = (
        MatchBuilder(0)
        .case(Pattern.value(N(1)), text("one"))
        .case(Pattern.tuple([Pattern.wildcard(), Pattern.wildcard()]), text("two things"))
        .build()
    )
    return Function("sorts", 1, 2, code + [I.return_reg(1)])


def package():
    builder = IonPackBuilder("tests", "1.0")
    builder.main_class("Main")
    builder.add_multi_function_class("Main", [
        Function("main", 0, 1, [I.load_const(0, N(42)), I.return_reg(0)]),
        Function("add", 2, 0, [I.add(0, 0, 1), I.return_reg(0)]),
        Function("same", 1, 0, [I.return_reg(0)]),
        Function("fail", 1, 1, [I.call(1, 0, []), I.return_reg(1)]),
        Function("spin", 0, 0, [I.jump(0)]),
        Function("say", 1, 2, [native("PrintLn", 1), I.call(1, 1, [0]), I.return_reg(1)]),
        Function("ask_host", 1, 2, [native("Host.f", 1), I.call(1, 1, [0]), I.return_reg(1)]),
        Function("flood", 2, 4, [
            I.load_const(2, N(1)),
            I.load_const(3, N(0)),
            I.send(0, 3),
            I.add(3, 3, 2),
            I.less_than(4, 3, 1),
            I.jump_if_true(4, -3),
        ]),
        Function("count", 0, 4, [
            I.load_const(1, N(1)),
            I.load_const(2, N(0)),
            I.receive(0),
            I.load_const(3, Value.atom("2")),
            I.get_prop(3, 0, 3),
            I.jump_if_true(3, 3),
            I.add(2, 2, 1),
            I.jump(-5),
            I.load_const(3, Value.atom("1")),
            I.get_prop(3, 0, 3),
            I.send(3, 2),
            I.jump(-9),
        ]),
        countdown(),
        sorts(),
    ])
    builder.add_class("Echo", Function("echo", 0, 4, [
        I.receive(0),
        I.load_const(1, N(1)),
        I.get_prop(2, 0, 1),
        I.load_const(1, N(2)),
        I.get_prop(3, 0, 1),
        I.send(2, 3),
        I.jump(-6),
    ]))
    return builder.to_bytes()


PACKAGE = package()


@pytest.fixture(params=[False, True, None], ids=["interp", "jit", "tiered"])
def vm(request):
    with Vm(PACKAGE, jit=request.param, capture_output=True) as vm:
        yield vm


def test_run(tmp_path):
    assert ionvm.run(PACKAGE) == 42
    path = tmp_path / "tests.ionpack"
    path.write_bytes(PACKAGE)
    assert ionvm.run(path, jit=False) == 42 and ionvm.run(str(path)) == 42
    with pytest.raises(FileNotFoundError):
        ionvm.run(tmp_path / "none")
    with pytest.raises(ValueError, match="not a readable package"):
        ionvm.run(b"nothing")


def test_control_flow_runs(vm):
    assert vm.call("countdown", 10) == 55 - 3
    assert vm.call("countdown", 101) == Atom("broken")
    assert vm.call("sorts", 1) == "one"
    assert vm.call("sorts", (1, 2)) == "two things"
    assert vm.call("sorts", "other") is None


@dataclasses.dataclass
class Point:
    x: float
    y: float


@pytest.mark.parametrize("value", [
    None, True, False, 0, 1, -7, 2**53, 0.5, float("inf"), 1 + 2j, "", "text", "äöü" * 1000,
    Atom("a"), UNIT, (), (1, "a"), [], [1, [2, (3,)]], {}, {"a": 1, "b": {"c": None}},
    FunctionRef("Main:add"),
])
def test_values_there_and_back(vm, value):
    back = vm.call("same", value)
    assert back == value and type(back) is type(value)


def test_values_one_way(vm):
    assert vm.call("same", Point(1, 2.5)) == {"x": 1, "y": 2.5}
    assert vm.call("same", b"ab") == [97, 98]
    assert vm.call("same", 3.0) == 3
    assert vm.call("same", vm.pid) == vm.pid
    loop = []
    loop.append(loop)
    for wrong, error in [(object(), TypeError), ({1: 2}, TypeError), (loop, ValueError),
                         (10**400, OverflowError), (Point, TypeError)]:
        with pytest.raises(error):
            vm.call("same", wrong)


def test_crashes_have_a_reason_and_a_trace(vm):
    with pytest.raises(ProcessExit, match="call of a value that is no function") as caught:
        vm.call("fail", 1)
    assert caught.value.trace == [("Main:fail", 0)]
    assert caught.value.reason[0] == Atom("crash")
    with pytest.raises(ValueError, match="no function 'none'"):
        vm.call("none")


def test_messages(vm):
    echo = vm.spawn("Echo:echo")
    assert [echo.ask(n, timeout=10) for n in range(50)] == list(range(50))
    assert echo.ask(lambda me: ("any", me, "x"), 10) == "x"
    assert echo.is_alive and echo.send((0, vm.pid, "hello"))
    assert vm.receive(10) == "hello"
    with pytest.raises(TimeoutError):
        vm.receive(timeout=0.01)
    echo.kill()
    assert echo.wait(10) in (Atom("killed"), Atom("noproc"))
    with pytest.raises(ProcessExit):
        echo.ask(1)
    assert not echo.send(1) and not echo.is_alive
    assert len({echo, vm.pid, vm.pid}) == 2


def test_waiting_for_an_end_keeps_the_reason(vm):
    echo = vm.spawn("Echo:echo")
    with pytest.raises(TimeoutError):
        echo.wait(0.01)
    threading.Timer(0.2, lambda: echo.exit((Atom("because"), 1))).start()
    assert echo.wait(20) == (Atom("because"), 1)


def test_batches(vm):
    counter = vm.spawn("count")
    assert counter.send_many((None, None, False) for _ in range(1000))
    assert counter.ask(lambda me: (None, me, True), 10) == 1000
    vm.spawn("flood", [vm.pid, 500])
    assert vm.receive_many(500, 10) == list(range(500))
    assert vm.receive_many(5, 0.01) == []


def test_time_limits(vm):
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        vm.call("spin", timeout=0.05)
    assert 0.05 <= time.monotonic() - started < 5
    with pytest.raises(ValueError):
        vm.receive(timeout=-1)


def test_output(vm):
    vm.call("say", "hello")
    assert vm.output == "hello\n" and vm.error_output == ""


@pytest.mark.parametrize("jit", [False, True])
def test_python_natives(jit):
    def function(value):
        if value == "fail":
            raise KeyError("no such thing")
        return {"twice": value * 2}

    with Vm(PACKAGE, jit=jit, natives={"Host.f": function}) as vm:
        assert vm.call("ask_host", 21) == {"twice": 42}
        with pytest.raises(ProcessExit, match="native function Host.f failed: KeyError: 'no such"):
            vm.call("ask_host", "fail")
        with pytest.raises(ProcessExit, match="unsupported operand"):
            vm.call("ask_host", None)
        # The machine is whole.
        assert vm.call("ask_host", 1) == {"twice": 2}
    with pytest.raises(TypeError):
        Vm(PACKAGE, natives={"Host.f": 1})


def test_natives_that_use_the_machine():
    holder = []
    with Vm(PACKAGE, natives={"Host.f": lambda x: holder[0].call("add", x, 1)}) as vm:
        holder.append(vm)
        assert vm.call("ask_host", 1) == 2
    holder.clear()


def test_threads(vm):
    results = []
    work = lambda n: results.extend(vm.call("add", n, i) for i in range(50))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(results) == sorted(n + i for n in range(4) for i in range(50))


def test_interrupts():
    class Interrupted(Exception):
        pass

    def handler(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with Vm(PACKAGE) as vm:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupted):
                vm.receive()
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupted):
                vm.call("spin")
    finally:
        signal.signal(signal.SIGALRM, before)


def test_closed_machines():
    vm = Vm(PACKAGE)
    pid = vm.spawn("Echo:echo")
    vm.close()
    with pytest.raises(ionvm.IonError, match="stopped"):
        vm.receive()
    del vm
    gc.collect()
    with pytest.raises(ionvm.IonError, match="stopped"):
        pid.send(1)


def test_limits():
    with Vm(PACKAGE, max_heap=1 << 20, schedulers=1, seed=1) as vm:
        with pytest.raises(ValueError, match="does not fit"):
            vm.call("same", "x" * (4 << 20))
        assert vm.call("add", 1, 1) == 2


def test_asyncio(vm):
    async def main():
        echoes = [vm.spawn("Echo:echo") for _ in range(20)]
        answers = await asyncio.gather(*(e.ask_async(n) for n, e in enumerate(echoes)))
        assert answers == list(range(20))
        calls = await asyncio.gather(*(vm.call_async("add", n, 1) for n in range(100)))
        assert calls == list(range(1, 101))
        with pytest.raises(TimeoutError):
            await vm.spawn("spin").ask_async(1, timeout=0.05)
        with pytest.raises(ProcessExit):
            await vm.call_async("fail", 1, timeout=10)
        with pytest.raises(TimeoutError):
            await vm.receive_async(0.01)
        waits = asyncio.ensure_future(vm.receive_async(10))
        await asyncio.sleep(0.01)
        echoes[0].send((0, vm.pid, "late"))
        assert await waits == "late"

    asyncio.run(main())


def test_machine_code(tmp_path):
    image = ionvm.compile(PACKAGE)
    assert image.startswith(b"\x7fELF")
    path = tmp_path / "app.so"
    path.write_bytes(image)
    for program in (image, path):
        with Vm(program) as vm:
            assert vm.call("countdown", 5) == 12
            assert vm.run() == 42
        with Vm(program, natives={"Host.f": lambda x: [x]}) as vm:
            assert vm.call("ask_host", 1) == [1]
    with pytest.raises(ionvm.IonError, match="cut short or altered"):
        Vm(image[:5000])
    with pytest.raises(ValueError):
        ionvm.compile(b"no package")
