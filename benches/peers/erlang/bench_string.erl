%% Appending to a binary is done in place by the runtime.
-module(bench_string).
-export([run/1]).

run(N) ->
    Text = append(N, <<"ion">>, <<>>),
    case Text =:= binary:copy(<<"ion">>, N) of
        true -> byte_size(Text);
        false -> 0
    end.

append(0, _, Text) -> Text;
append(N, Piece, Text) -> append(N - 1, Piece, <<Text/binary, Piece/binary>>).
