-module(bench_match).
-export([run/1, orders/0]).

%% Through the module's name, so that the orders are not known to the compiler.
run(N) -> rounds(N, ?MODULE:orders(), 0.0).

orders() ->
    [{add, 3}, {sub, 1}, {mul, 2}, {'div', 4}, {from, 10}, {least, 100}, {most, -100}, {half, 1}].

rounds(0, _, State) -> State;
rounds(N, Orders, State) -> rounds(N - 1, Orders, round(Orders, State)).

round([], State) -> State;
round([Order | Orders], State) -> round(Orders, step(Order, State)).

step({add, X}, State) -> State + X;
step({sub, X}, State) -> State - X;
step({mul, X}, State) -> State * X;
step({'div', X}, State) -> State / X;
step({from, X}, State) -> X - State;
step({least, X}, State) -> if State < X -> State; true -> X end;
step({most, X}, State) -> if State > X -> State; true -> X end;
step({half, X}, State) -> State * 0.5 + X;
step(_, State) -> State.
