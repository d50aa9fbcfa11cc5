-module(bench_spawn_seq).
-export([run/1]).

run(N) -> next(0, N, self()).

next(N, N, _) -> N;
next(I, N, Main) ->
    spawn(fun() -> Main ! I + 1 end),
    receive J -> next(J, N, Main) end.
