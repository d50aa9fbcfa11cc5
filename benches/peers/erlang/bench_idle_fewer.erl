-module(bench_idle_fewer).
-export([run/1]).

run(N) -> bench_idle:run(N).
