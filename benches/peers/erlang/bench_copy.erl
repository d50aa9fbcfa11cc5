-module(bench_copy).
-export([run/1]).

run(N) ->
    Main = self(),
    Receiver = spawn(fun() -> receiver(Main) end),
    %% Computed, so that it is no literal: those are not copied.
    Message = list_to_tuple([row(Row) || Row <- lists:seq(0, 9)]),
    Sum = rounds(N, Receiver, Message, 0.0),
    Receiver ! stop,
    Sum.

row(Row) -> list_to_tuple([0.5 + 10 * Row + Leaf || Leaf <- lists:seq(0, 9)]).

rounds(0, _, _, Sum) -> Sum;
rounds(N, Receiver, Message, Sum) ->
    Receiver ! Message,
    receive Leaf -> rounds(N - 1, Receiver, Message, Sum + Leaf) end.

receiver(Main) ->
    receive
        stop -> ok;
        Message -> Main ! element(10, element(10, Message)), receiver(Main)
    end.
