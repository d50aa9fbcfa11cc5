-module(bench_poll_ready).
-export([run/1]).

run(N) -> poll(0, N, self()).

poll(N, N, _) -> N;
poll(I, N, Self) ->
    Self ! 1,
    receive X -> poll(I + X, N, Self) after 1000 -> wrong end.
