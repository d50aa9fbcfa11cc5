"""A hundred thousand processes in one Python process: a ring around which a number travels.

Prints:
    100000 processes, and the number came back as 100000
"""

import ionvm
from ionvm import Function, Instruction as I, IonPackBuilder, Value

COUNT = 100_000

# Each process has the next one, waits for a number, and passes on one more.
link = Function("link", 1, 3, [
    I.receive(1),
    I.load_const(2, Value.number(1)),
    I.add(1, 1, 2),
    I.send(0, 1),
])

builder = IonPackBuilder("ring", "1.0.0")
builder.main_class("Ring")
builder.add_class("Ring", link)

with ionvm.Vm(builder.to_bytes()) as vm:
    process = vm.pid
    for _ in range(COUNT):
        process = vm.spawn("Ring:link", [process])
    process.send(0)
    print(COUNT, "processes, and the number came back as", vm.receive(timeout=60))
