-module(bench_timeout_armed).
-export([run/1]).

run(N) ->
    Main = self(),
    Pong = spawn(fun() -> pong(Main) end),
    rounds(0, N, Pong).

rounds(I, N, Pong) when I < N ->
    Pong ! I,
    receive J -> rounds(J, N, Pong) after 10000 -> wrong end;
rounds(I, _, Pong) ->
    Pong ! stop,
    I.

pong(Main) ->
    receive
        stop -> ok;
        I -> Main ! I + 1, pong(Main)
    end.
