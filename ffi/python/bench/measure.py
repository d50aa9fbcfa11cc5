"""What calls across the border cost: asks, batches of messages, natives, machines, memory, import.

    python measure.py             the figures
    python measure.py --json      the same for programs
    python measure.py --quick     a hundredth of the work, to see that it runs

Times are those of the fastest of several rounds, since other programs only ever add to them; `median` beside it
says how much they did. Memory is what the process keeps resident.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import ionvm
from ionvm import Atom, Function, Instruction as I, IonPackBuilder, Value


def native(name, register):
    return I.load_const(register, Value.atom("__stdlib:" + name))


def loop(name, value):
    """A function that adds up `count` times what instructions put into register 8; they see the round in 4."""
    start = [I.load_const(at, Value.number(at == 5)) for at in (4, 5, 9)]
    body = value + [I.add(9, 9, 8)]
    ending = [I.add(4, 4, 5), I.less_than(6, 4, 0), I.jump_if_true(6, -len(body) - 2)]
    return Function(name, 1, 12, start + body + ending + [I.return_reg(9)])


NATIVES = ("Math.max", "Math.atan2")


def package():
    echo = Function("echo", 0, 4, [
        I.receive(0),
        I.load_const(1, Value.number(1)),
        I.get_prop(2, 0, 1),
        I.load_const(1, Value.number(2)),
        I.get_prop(3, 0, 1),
        I.send(2, 3),
        I.jump(-6),
    ])
    # Counts numbers, and answers questions with their count.
    count = Function("count", 0, 4, [
        I.load_const(1, Value.number(1)),
        I.load_const(2, Value.number(0)),
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
    ])
    flood = Function("flood", 2, 4, [
        I.load_const(2, Value.number(1)),
        I.load_const(3, Value.number(0)),
        I.send(0, 3),
        I.add(3, 3, 2),
        I.less_than(4, 3, 1),
        I.jump_if_true(4, -3),
    ])
    builder = IonPackBuilder("measure", "1.0")
    builder.main_class("Main")
    builder.add_multi_function_class("Main", [
        Function("main", 0, 1, [I.load_const(0, Value.number(1)), I.return_reg(0)]),
        echo, count, flood,
        loop("nothing", [I.move(8, 4)]),
        *(loop(name, [native(name, 7), I.call(8, 7, [4, 5])]) for name in NATIVES),
    ])
    return builder.to_bytes()


PACKAGE = package()


def resident():
    """Bytes of resident memory, or 0 where that cannot be told."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    except OSError:
        return 0


def rounds(work, count):
    """Seconds of the fastest round and of the median one."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times), statistics.median(times)


def figures(scale):
    def figure(name, unit, target, best, median):
        return {"name": name, "unit": unit, "target": target, "best": best, "median": median}

    code = "import time; t = time.perf_counter(); import ionvm; print(time.perf_counter() - t)"
    imports = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
        for _ in range(max(3, scale // 10))
    ]
    yield figure("import ionvm", "ms", 30, min(imports) * 1e3, statistics.median(imports) * 1e3)

    with ionvm.Vm(PACKAGE) as vm:
        echo = vm.spawn("Main:echo")
        asks = 100 * scale

        def ask():
            for number in range(asks):
                echo.ask(number)

        best, median = rounds(ask, 10)
        yield figure("ask and answer", "µs", 10, best / asks * 1e6, median / asks * 1e6)

        counter = vm.spawn("Main:count")
        batch = list(range(1000 * scale))

        def send():
            counter.send_many(batch)
            counter.ask(Atom("count"))

        best, median = rounds(send, 7)
        yield figure(
            "messages to a process, in batches", "million/s", 1,
            len(batch) / best / 1e6, len(batch) / median / 1e6,
        )

        def receive():
            vm.spawn("Main:flood", [vm.pid, len(batch)])
            assert len(vm.receive_many(len(batch), timeout=60)) == len(batch)

        best, median = rounds(receive, 7)
        yield figure(
            "messages from a process, in batches", "million/s", 1,
            len(batch) / best / 1e6, len(batch) / median / 1e6,
        )

    with ionvm.Vm(PACKAGE, jit=True) as vm:
        calls = 20_000 * scale
        vm.call("Main:nothing", 1000)
        of_nothing = rounds(lambda: vm.call("Main:nothing", calls), 7)
        for name in NATIVES:
            vm.call(f"Main:{name}", 1000)
            of_native = rounds(lambda: vm.call(f"Main:{name}", calls), 7)
            times = [(a - b) / calls * 1e9 for a, b in zip(of_native, of_nothing)]
            yield figure(f"{name}, from compiled code", "ns", 10, *times)

    with ionvm.Vm(PACKAGE) as vm:
        echo = vm.spawn("Main:echo")
        asks = 10_000 * scale
        for number in range(asks // 10):
            echo.ask(number)
        before = resident()
        for number in range(asks):
            echo.ask(number)
        grown = (resident() - before) / 1e6
        yield figure(f"growth over {asks} asks", "MB", 5, grown, grown)

    machines = 100 * scale
    for _ in range(machines // 10):
        ionvm.Vm(PACKAGE).close()
    before, start = resident(), time.perf_counter()
    for _ in range(machines):
        ionvm.Vm(PACKAGE).close()
    grown, spent = (resident() - before) / 1e6, (time.perf_counter() - start) / machines * 1e3
    yield figure(f"growth over {machines} machines", "MB", 5, grown, grown)
    yield figure("a machine, from loading to closing", "ms", None, spent, spent)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="a list of objects")
    parser.add_argument("--quick", action="store_true", help="little work, for tests")
    args = parser.parse_args()
    found = []
    for one in figures(1 if args.quick else 100):
        found.append(one)
        if not args.json:
            target = "" if one["target"] is None else f"target {one['target']}"
            print(f"{one['name']:52}{one['best']:9.2f}  (median {one['median']:.2f}) "
                  f"{one['unit']:10}{target}")
    if args.json:
        print(json.dumps(found, ensure_ascii=False))


if __name__ == "__main__":
    main()
