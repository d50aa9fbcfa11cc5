-module(bench_closure).
-export([run/1, make_adder/1]).

run(N) ->
    %% Through the module's name, so that the fun is not known to the compiler.
    Add = ?MODULE:make_adder(0.5),
    loop(N, Add, 0.0).

make_adder(K) -> fun(X) -> X + K end.

loop(0, _, Sum) -> Sum;
loop(N, Add, Sum) -> loop(N - 1, Add, Add(Sum)).
