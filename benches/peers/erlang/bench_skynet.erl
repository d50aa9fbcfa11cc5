-module(bench_skynet).
-export([run/1]).

run(N) ->
    Main = self(),
    spawn(fun() -> node(Main, 0, N) end),
    receive Sum -> Sum end.

node(Parent, Number, 1) -> Parent ! Number;
node(Parent, Number, Leaves) ->
    Self = self(),
    Size = Leaves div 10,
    [spawn(fun() -> node(Self, Number + I * Size, Size) end) || I <- lists:seq(0, 9)],
    Parent ! sum(10, 0).

sum(0, Sum) -> Sum;
sum(Left, Sum) -> receive X -> sum(Left - 1, Sum + X) end.
