-module(bench_ring).
-export([run/2]).

run(P, N) ->
    Main = self(),
    First = spawn(fun() -> start(Main) end),
    Last = grow(P - 1, Main, First),
    Last ! First,
    First ! N,
    receive Result when is_integer(Result) -> First ! stop, Result end.

grow(0, _, Last) -> Last;
grow(P, Main, Last) ->
    Next = spawn(fun() -> start(Main) end),
    Last ! Next,
    grow(P - 1, Main, Next).

start(Main) -> receive Next -> node(Main, Next) end.

node(Main, Next) ->
    receive
        stop -> Next ! stop;
        0 -> Main ! 0, node(Main, Next);
        N -> Next ! N - 1, node(Main, Next)
    end.
