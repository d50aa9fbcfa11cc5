-module(bench_one_to_one).
-export([run/1]).

run(N) ->
    Main = self(),
    Receiver = spawn(fun() -> Main ! add(N, 0) end),
    send(0, N, Receiver),
    receive Sum -> Sum end.

send(N, N, _) -> ok;
send(I, N, Receiver) -> Receiver ! I, send(I + 1, N, Receiver).

add(0, Sum) -> Sum;
add(Left, Sum) -> receive X -> add(Left - 1, Sum + X) end.
