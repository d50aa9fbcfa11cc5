-module(bench_hundred_to_one).
-export([run/1]).

run(N) ->
    Main = self(),
    [spawn(fun() -> send(N, Main) end) || _ <- lists:seq(1, 100)],
    add(100 * N, 0).

send(0, _) -> ok;
send(I, Main) -> Main ! I, send(I - 1, Main).

add(0, Sum) -> Sum;
add(Left, Sum) -> receive X -> add(Left - 1, Sum + X) end.
