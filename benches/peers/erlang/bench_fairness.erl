-module(bench_fairness).
-export([run/2]).

run(Loops, N) ->
    Main = self(),
    Busy = [spawn(fun() -> busy(0) end) || _ <- lists:seq(1, Loops)],
    Pong = spawn(fun() -> pong(Main) end),
    Times = rounds(0, N, Pong, []),
    Pong ! stop,
    [exit(Pid, kill) || Pid <- Busy],
    bench:latencies(Times),
    N.

%% As long as a number of the others, so that it does not become a big one.
busy(I) when I < 1000000000 -> busy(I + 1);
busy(_) -> busy(0).

rounds(N, N, _, Times) -> Times;
rounds(I, N, Pong, Times) ->
    Started = erlang:monotonic_time(nanosecond),
    Pong ! I,
    receive _ -> ok end,
    rounds(I + 1, N, Pong, [erlang:monotonic_time(nanosecond) - Started | Times]).

pong(Main) ->
    receive
        stop -> ok;
        I -> Main ! I, pong(Main)
    end.
