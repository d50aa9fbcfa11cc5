%% A ping is the sender's process, the answer an atom. Messages are taken in the order in which they come.
-module(bench_big).
-export([run/2]).

run(P, N) ->
    Main = self(),
    Members = [spawn(fun() -> receive Members -> member(Main, Members, N) end end) || _ <- lists:seq(1, P)],
    [Member ! Members || Member <- Members],
    collect(P, 0).

collect(0, Sum) -> Sum;
collect(Left, Sum) -> receive Seen -> collect(Left - 1, Sum + Seen) end.

member(Main, Members, N) ->
    Self = self(),
    Others = [Member || Member <- Members, Member =/= Self],
    Count = length(Others),
    serve(rounds(N, Others, Count, Count * N)),
    Main ! Count * N.

rounds(0, _, _, Pings) -> Pings;
rounds(N, Others, Count, Pings) ->
    Self = self(),
    [Other ! Self || Other <- Others],
    rounds(N - 1, Others, Count, wait(Count, Pings)).

wait(0, Pings) -> Pings;
wait(Answers, Pings) ->
    receive
        pong -> wait(Answers - 1, Pings);
        Other -> Other ! pong, wait(Answers, Pings - 1)
    end.

serve(0) -> ok;
serve(Pings) -> receive Other -> Other ! pong, serve(Pings - 1) end.
