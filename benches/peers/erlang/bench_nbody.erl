-module(bench_nbody).
-export([run/1]).

-record(body, {x, y, z, vx, vy, vz, mass}).

start() ->
    [#body{x = 0.0, y = 0.0, z = 0.0, vx = -0.0003876634071992133, vy = -0.0032753590371765707, vz = 2.3935734080003e-05, mass = 39.47841760435743},
     #body{x = 4.841431442464721, y = -1.1603200440274284, z = -0.10362204447112311, vx = 0.606326392995832, vy = 2.81198684491626, vz = -0.02521836165988763, mass = 0.03769367487038949},
     #body{x = 8.34336671824458, y = 4.124798564124305, z = -0.4035234171143214, vx = -1.0107743461771461, vy = 1.8256623712304119, vz = 0.008415761376584154, mass = 0.011286326131968767},
     #body{x = 12.894369562139131, y = -15.111151401698631, z = -0.22330757889265573, vx = 1.0827910064415354, vy = 0.8687130181696082, vz = -0.010832637401363636, mass = 0.0017237240570597112},
     #body{x = 15.379697114850917, y = -25.919314609987964, z = 0.17925877295037118, vx = 0.979090732243898, vy = 0.5946989986476762, vz = -0.034755955504078104, mass = 0.0020336868699246304}].

run(Steps) -> energy(steps(Steps, start()), 0.0).

steps(0, Bodies) -> Bodies;
steps(N, Bodies) -> steps(N - 1, [move(B, 0.01) || B <- pull(Bodies, 0.01)]).

%% Each body pulls those after it, and they pull it.
pull([], _) -> [];
pull([A | Bodies], Dt) ->
    {A2, Pulled} = pull_one(A, Bodies, Dt, []),
    [A2 | pull(Pulled, Dt)].

pull_one(A, [], _, Done) -> {A, lists:reverse(Done)};
pull_one(#body{x = X, y = Y, z = Z, vx = Vx, vy = Vy, vz = Vz, mass = M} = A,
         [#body{x = X2, y = Y2, z = Z2, vx = Vx2, vy = Vy2, vz = Vz2, mass = M2} = B | Bodies], Dt, Done) ->
    Dx = X - X2, Dy = Y - Y2, Dz = Z - Z2,
    D2 = Dx * Dx + Dy * Dy + Dz * Dz,
    Mag = Dt / (D2 * math:sqrt(D2)),
    Mb = M2 * Mag, Ma = M * Mag,
    pull_one(A#body{vx = Vx - Dx * Mb, vy = Vy - Dy * Mb, vz = Vz - Dz * Mb}, Bodies, Dt,
             [B#body{vx = Vx2 + Dx * Ma, vy = Vy2 + Dy * Ma, vz = Vz2 + Dz * Ma} | Done]).

move(#body{x = X, y = Y, z = Z, vx = Vx, vy = Vy, vz = Vz} = B, Dt) ->
    B#body{x = X + Dt * Vx, y = Y + Dt * Vy, z = Z + Dt * Vz}.

energy([], E) -> E;
energy([#body{vx = Vx, vy = Vy, vz = Vz, mass = M} = A | Bodies], E) ->
    E2 = E + 0.5 * M * (Vx * Vx + Vy * Vy + Vz * Vz),
    energy(Bodies, lists:foldl(fun(B, Sum) -> Sum - M * B#body.mass / distance(A, B) end, E2, Bodies)).

distance(#body{x = X, y = Y, z = Z}, #body{x = X2, y = Y2, z = Z2}) ->
    Dx = X - X2, Dy = Y - Y2, Dz = Z - Z2,
    math:sqrt(Dx * Dx + Dy * Dy + Dz * Dz).
