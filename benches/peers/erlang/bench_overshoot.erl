-module(bench_overshoot).
-export([run/1]).

run(N) ->
    Main = self(),
    start(N, 42, Main),
    bench:latencies(wait(N, [])),
    N.

start(0, _, _) -> ok;
start(N, Random, Main) ->
    Random2 = Random * 16807 rem 2147483647,
    Time = Random2 * 1000 div 2147483647,
    spawn(fun() ->
        Started = erlang:monotonic_time(nanosecond),
        receive _ -> wrong after Time -> ok end,
        Main ! erlang:monotonic_time(nanosecond) - Started - Time * 1000000
    end),
    start(N - 1, Random2, Main).

wait(0, Late) -> Late;
wait(Left, Late) -> receive X -> wait(Left - 1, [X | Late]) end.
