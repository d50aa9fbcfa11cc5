%% Lists and tuples cannot be changed; the mutable array of the system library is `atomics`.
-module(bench_sieve).
-export([run/1]).

run(N) ->
    Composite = atomics:new(N, []),
    sieve(2, N, Composite),
    count(2, N, Composite, 0).

sieve(I, N, _) when I * I > N -> ok;
sieve(I, N, Composite) ->
    case atomics:get(Composite, I) of
        0 -> mark(I * I, I, N, Composite);
        _ -> ok
    end,
    sieve(I + 1, N, Composite).

mark(J, _, N, _) when J > N -> ok;
mark(J, I, N, Composite) ->
    atomics:put(Composite, J, 1),
    mark(J + I, I, N, Composite).

count(I, N, _, Primes) when I > N -> Primes;
count(I, N, Composite, Primes) ->
    case atomics:get(Composite, I) of
        0 -> count(I + 1, N, Composite, Primes + 1);
        _ -> count(I + 1, N, Composite, Primes)
    end.
