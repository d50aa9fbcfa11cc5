-module(bench_poll_empty).
-export([run/1]).

run(N) -> poll(0, N).

poll(N, N) -> N;
poll(I, N) -> receive _ -> wrong after 0 -> poll(I + 1, N) end.
