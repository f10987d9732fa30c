load common

@test "ml-rcpts: grep -v takes recipients out and leaves message and end" {
  stream ann@example.org bob@test.invalid cy@example.com >in
  ml-rcpts -- grep -v @test.invalid <in >out
  is "$(grep -v bob in)" "$(cat out)"
}

@test "ml-rcpts: grep that finds nobody is no failure" {
  run ml-rcpts -- grep nobody < <(stream ann@example.org)
  is 0 "$status"
  is "" "$(grep ^rcpt <<<"$output" || true)"
}

@test "ml-rcpts: head stops early and the rest of the input is drained" {
  { stream $(seq -f 'u%g@example.org' 20000); stream z@example.org; } >in
  ml-rcpts -- head -n 2 <in >out
  is "u1@example.org u2@example.org z@example.org" "$(grep ^rcpt out | cut -f2 | paste -sd' ')"
}

@test "ml-rcpts: each section has its own run of the command" {
  { stream b@x.org a@x.org; stream d@x.org c@x.org; } | ml-rcpts -- sort >out
  is "a@x.org b@x.org c@x.org d@x.org" "$(grep ^rcpt out | cut -f2 | paste -sd' ')"
}

@test "ml-rcpts: a command that dies ends the section with 75" {
  run ml-rcpts -- sh -c 'kill -9 $$' < <(stream ann@example.org)
  is 75 "$status"
  [[ "$output" == *$'end\t75\t'*"signal 9"* ]]
}

@test "ml-rcpts: a command that exits above 1 ends the section with 75" {
  run ml-rcpts -- sh -c 'cat; exit 2' < <(stream ann@example.org)
  is 75 "$status"
}

@test "ml-rcpts: a command that leaves with 1 after it has written somebody ends the section with 75" {
  run ml-rcpts -- sh -c 'head -n 1; exit 1' < <(stream ann@example.org bob@example.org)
  is 75 "$status"
  [[ "$output" == *$'end\t75\tsh left with status 1'* ]]
}

@test "ml-rcpts: where nobody is left standard error says so" {
  stream ann@example.org bob@example.org >in
  for command in 'grep nobody' false 'head -n 0'; do
    # shellcheck disable=SC2086
    ml-rcpts -- $command <in >out 2>said
    [[ "$(cat said)" == "ml-rcpts: nobody is left: ${command%% *}, given 2 recipients, wrote none"* ]]
    is "$(grep -v ^rcpt in)" "$(cat out)"
  done
  printf 'message\tx1\ta@x.org\taGk=\nend\t0\n' | ml-rcpts -- grep x 2>said
  is "" "$(cat said)"
}

@test "ml-rcpts: a command that is not there ends the section with 75" {
  run ml-rcpts -- no-such-command < <(stream ann@example.org)
  is 75 "$status"
  [[ "$output" == *"cannot run no-such-command"* ]]
}

@test "ml-rcpts: a command cannot smuggle an end record into the section" {
  run ml-rcpts -- printf 'end\t0\n' < <(stream ann@example.org)
  is 75 "$status"
  is 1 "$(grep -c ^end <<<"$output")"
}

@test "ml-rcpts: a failed end is passed on in silence with its status" {
  run ml-rcpts -- cat < <(printf 'end\t77\t5.7.1 no\n')
  is 77 "$status"
  is "$(printf 'end\t77\t5.7.1 no')" "$output"
}

@test "ml-rcpts: a cut stream gives 75 and keeps the complete recipients" {
  run ml-rcpts -- cat < <(stream ann@example.org bob@example.org | head -c -8)
  is 75 "$status"
  [[ "$output" == *ann@example.org* ]]
}

# What its page says, with awk and a shell for each section.
slowly() { # COMMAND
  awk -v command="$1" '
    /^rcpt\t/ { print | command; next }
    /^end\t/ { close(command) }
    { print; fflush() }'
}

@test "ml-rcpts: random sections come out as the slow and obvious way has them" {
  for seed in {1..20}; do
    awk -v seed="$seed" 'BEGIN {
      srand(seed)
      for (i = 0; i < 6; ++i) {
        printf "message\tx%d\tnews@x.org\taGk=\n", i
        for (left = int(rand() * 12); left > 0; --left)
          printf "rcpt\tu%d@example.%s\t-%s\n", rand() * 9, rand() < 0.5 ? "org" : "com", rand() < 0.5 ? "" : "\tn=1"
        print "end\t0"
      }
    }' >in
    for command in tac sort 'sort -u' 'grep -v com' 'sed -n 2~2p' 'head -n 3' cat; do
      # shellcheck disable=SC2086
      is "$(slowly "$command" <in)" "$(ml-rcpts -- $command <in)"
    done
  done
}
