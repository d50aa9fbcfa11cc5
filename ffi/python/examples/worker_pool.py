"""A pool of workers fed from asyncio: each is a process that squares numbers, with a count of its own.

Prints:
    the sum is 332833500
    the workers did 1000 of 1000
"""

import asyncio

import ionvm
from ionvm import Function, Instruction as I, IonPackBuilder, Value

# Messages are (:ask, from, number); the answer is an array of the square and how many there were so far.
worker = Function("worker", 0, 8, [
    I.load_const(0, Value.number(0)),   # how many so far
    I.load_const(1, Value.number(1)),
    I.load_const(2, Value.number(2)),
    I.receive(3),                       # again:
    I.get_prop(4, 3, 1),                # from
    I.get_prop(5, 3, 2),                # number
    I.mul(5, 5, 5),
    I.add(0, 0, 1),
    I.array_init(6, [5, 0]),
    I.send(4, 6),
    I.jump(-7),
])

builder = IonPackBuilder("pool", "1.0.0")
builder.main_class("Worker")
builder.add_class("Worker", worker)


async def main():
    with ionvm.Vm(builder.to_bytes()) as vm:
        pool = [vm.spawn("Worker:worker") for _ in range(8)]
        answers = await asyncio.gather(*(
            pool[number % len(pool)].ask_async(number, timeout=30) for number in range(1000)
        ))
        done = [0] * len(pool)
        for number, (_, count) in enumerate(answers):
            done[number % len(pool)] = max(done[number % len(pool)], count)
        print("the sum is", sum(square for square, _ in answers))
        print("the workers did", sum(done), "of 1000")


asyncio.run(main())
