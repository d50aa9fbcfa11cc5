-module(bench_spectral).
-export([run/1]).

run(N) ->
    U = [1.0 || _ <- lists:seq(1, N)],
    {U2, V} = power(10, U, []),
    {Uv, Vv} = sums(U2, V, 0.0, 0.0),
    math:sqrt(Uv / Vv).

power(0, U, V) -> {U, V};
power(K, U, _) ->
    V = mul_at_v(mul_a_v(U)),
    power(K - 1, mul_at_v(mul_a_v(V)), V).

a(I, J) -> 1.0 / ((I + J) * (I + J + 1) / 2 + I + 1).

mul_a_v(V) -> [row(I, 0, V, 0.0) || I <- lists:seq(0, length(V) - 1)].

row(_, _, [], Sum) -> Sum;
row(I, J, [X | V], Sum) -> row(I, J + 1, V, Sum + a(I, J) * X).

mul_at_v(V) -> [column(I, 0, V, 0.0) || I <- lists:seq(0, length(V) - 1)].

column(_, _, [], Sum) -> Sum;
column(I, J, [X | V], Sum) -> column(I, J + 1, V, Sum + a(J, I) * X).

sums([], [], Uv, Vv) -> {Uv, Vv};
sums([X | U], [Y | V], Uv, Vv) -> sums(U, V, Uv + X * Y, Vv + Y * Y).
