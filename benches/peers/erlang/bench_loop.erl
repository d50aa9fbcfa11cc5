-module(bench_loop).
-export([run/1]).

run(N) -> loop(1.0, float(N), 0.0).

loop(I, N, Sum) when I =< N -> loop(I + 1.0, N, Sum + I);
loop(_, _, Sum) -> Sum.
