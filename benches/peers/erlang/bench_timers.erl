-module(bench_timers).
-export([run/1]).

run(N) ->
    Main = self(),
    start(N, 42, Main),
    wait(N, 0).

start(0, _, _) -> ok;
start(N, Random, Main) ->
    Random2 = Random * 16807 rem 2147483647,
    Time = Random2 * 1000 div 2147483647,
    spawn(fun() -> receive _ -> wrong after Time -> Main ! 1 end end),
    start(N - 1, Random2, Main).

wait(0, Sum) -> Sum;
wait(Left, Sum) -> receive X -> wait(Left - 1, Sum + X) end.
