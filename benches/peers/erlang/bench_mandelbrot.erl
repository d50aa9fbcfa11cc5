-module(bench_mandelbrot).
-export([run/1]).

run(N) -> rows(0, N, 0).

rows(N, N, Rounds) -> Rounds;
rows(Y, N, Rounds) -> rows(Y + 1, N, points(0, N, 2 * Y / N - 1, Rounds)).

points(N, N, _, Rounds) -> Rounds;
points(X, N, Ci, Rounds) ->
    points(X + 1, N, Ci, Rounds + point(0.0, 0.0, 0.0, 0.0, 3 * X / N - 2, Ci, 0)).

point(Zr, Zi, Zr2, Zi2, Cr, Ci, I)
  when is_float(Zr), is_float(Zi), is_float(Zr2), is_float(Zi2), is_float(Cr), is_float(Ci) ->
    Zi_ = Zi * Zr * 2.0 + Ci,
    Zr_ = Zr2 - Zi2 + Cr,
    Zr2_ = Zr_ * Zr_,
    Zi2_ = Zi_ * Zi_,
    if
        I < 49, Zr2_ + Zi2_ =< 4.0 -> point(Zr_, Zi_, Zr2_, Zi2_, Cr, Ci, I + 1);
        true -> I + 1
    end.
