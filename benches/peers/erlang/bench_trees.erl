-module(bench_trees).
-export([run/1]).

run(N) ->
    Stretch = check(make(N + 1)),
    LongLived = make(N),
    Nodes = depths(4, N, Stretch),
    Nodes + check(LongLived).

depths(Depth, N, Nodes) when Depth > N -> Nodes;
depths(Depth, N, Nodes) -> depths(Depth + 2, N, trees(1 bsl (N - Depth + 4), Depth, Nodes)).

trees(0, _, Nodes) -> Nodes;
trees(I, Depth, Nodes) -> trees(I - 1, Depth, Nodes + check(make(Depth))).

make(0) -> {nil, nil};
make(Depth) -> {make(Depth - 1), make(Depth - 1)}.

check({nil, _}) -> 1;
check({Left, Right}) -> check(Left) + check(Right) + 1.
