# ml-stream(5) as it travels: real filters in real pipes, under a shell that has no pipefail.
load common

# piped COMMANDS: runs them with dash; its status is the last filter's.
piped() { run --separate-stderr dash -c "$1"; }
bats_require_minimum_version 1.5.0

@test "ml-stream: the first failure is the last filter's status in a shell without pipefail" {
  printf 'end\t77\t5.7.1 only subscribers may post\n' >in
  piped 'ml-rcpts -- cat <in | ml-rcpts -- cat | ml-rcpts -- cat'
  is 77 "$status"
  is "$(cat in)" "$output"
  is "" "$stderr"
}

@test "ml-stream: of two failures the first one counts" {
  { printf 'end\t65\t5.6.0 no From field\n'; printf 'end\t77\t5.7.1 no\n'; } >in
  piped 'ml-rcpts -- cat <in | ml-rcpts -- cat'
  is 65 "$status"
}

@test "ml-stream: a stage that fails in the middle speaks alone and is 75 at the end" {
  stream ann@example.org >in
  piped 'ml-rcpts -- cat <in | ml-rcpts -- false-alarm | ml-rcpts -- cat'
  is 75 "$status"
  is 1 "${#stderr_lines[@]}"
  [[ "$stderr" == "ml-rcpts: cannot run false-alarm: "* ]]
  [[ "$output" == *$'end\t75\tcannot run false-alarm: '* ]]
}

@test "ml-stream: a stage that is killed in the middle is 75 at the end" {
  stream ann@example.org bob@example.com >in
  piped 'ml-rcpts -- cat <in | sh -c "head -n 2; kill -9 \$\$" | ml-rcpts -- cat | ml-rcpts -- cat'
  is 75 "$status"
  is 1 "$(grep -c ann@example.org <<<"$output")"
  [[ "$stderr" == *"the stream is cut: its end record is missing"* ]]
}

@test "ml-stream: a stage that is not there is 75 at the end" {
  stream ann@example.org >in
  piped 'ml-no-such <in | ml-rcpts -- cat'
  is 75 "$status"
  [[ "$stderr" == *"the input is empty"* ]]
}

@test "ml-stream: sections behind a broken one still go out" {
  { stream ann@example.org | sed '$d'; stream bob@example.com; echo nonsense; stream cy@example.net; } >in
  piped 'ml-rcpts -- cat <in | ml-rcpts -- cat'
  is 75 "$status"
  is "ann@example.org bob@example.com cy@example.net" "$(grep ^rcpt <<<"$output" | cut -f2 | paste -sd' ')"
  is "75 0 75 0" "$(grep ^end <<<"$output" | cut -f2 | paste -sd' ')"
}

@test "ml-stream: streams one behind the other are one stream" {
  stream ann@example.org >a
  stream bob@example.com >b
  piped 'cat a b | ml-rcpts -- cat'
  is 0 "$status"
  is "$(cat a b)" "$output"
}

@test "ml-stream: a reader that leaves early is 75 in silence" {
  stream $(seq -f 'u%g@example.org' 100000) >in
  ml-rcpts -- cat <in 2>said | head -n 1 >out || true
  status=${PIPESTATUS[0]}
  is "" "$(cat said)"
  is 75 "$status"
}

@test "ml-stream: a full disk is 75 with the reason" {
  stream ann@example.org >in
  piped 'ml-rcpts -- cat <in >/dev/full'
  is 75 "$status"
  is "ml-rcpts: cannot write standard output: No space left on device" "$stderr"
}

@test "ml-stream: a line of a gigabyte costs its section and not the memory" {
  [ -n "${SAN:-}" ] || ulimit -v 500000
  {
    printf 'message\tx0\ta@x.org\t'
    head -c 1G /dev/zero | tr '\0' A
    printf '\nrcpt\tann@example.org\t-\nend\t0\n'
    stream bob@example.com
  } | ml-rcpts -- cat >out 2>said || status=$?
  is 75 "$status"
  is "ml-rcpts: line 1: the line is too long" "$(cat said)"
  is "bob@example.com" "$(grep ^rcpt out | cut -f2)"
}

@test "ml-stream: a filter that gets no memory says so and is 75" {
  [ -z "${SAN:-}" ] || skip "the sanitizers want all the address space there is"
  { message && head -c 5M /dev/zero | tr '\0' a | fold -w 900; } >mail
  ml-expand --to <(echo ann@example.org) --sender a@x.org <mail >in
  for filter in "ml-sort" "ml-rcpts -- cat" "ml-edit -- cat" "ml-send --via null:"; do
    bash -c "ulimit -v 100000; $filter <in >/dev/null"
    run bash -c "ulimit -v 16000; $filter <in >/dev/null"
    is 75 "$status"
    [[ "$output" == "${filter%% *}: "* ]]
  done
}

@test "ml-stream: a closed standard output or input is 75 and never a silent success" {
  stream ann@example.org >in
  message >mail
  for filter in "ml-sort" "ml-rcpts -- cat" "ml-edit -- cat" "ml-send --via bsmtp:-"; do
    run bash -c "$filter <in >&-"
    is 75 "$status"
    run bash -c "$filter <&-"
    is 75 "$status"
  done
  run bash -c "ml-expand --to people --sender a@x.org <mail >&-"
  is 75 "$status"
}

@test "ml-stream: a failed end without a text is passed on in silence" {
  run --separate-stderr ml-send --via null: < <(printf 'end\t77\t5.7.1 no\n')
  is 77 "$status"
  is "" "$stderr"
}

@test "ml-stream: a stream cut in its first octets is a cut stream and no message" {
  echo bob@example.org >people
  for size in 1 4 7; do
    run ml-expand --to people --sender a@x.org < <(stream ann@example.org | head -c $size)
    is 75 "$status"
  done
}

@test "ml-stream: a command line that makes no sense is said by its own stage alone" {
  message >mail
  for stage in ml-receive ml-expand ml-sort ml-verp ml-rcpts ml-edit ml-bounce; do
    piped "$stage --no-such-option <mail | ml-rcpts -- cat | ml-send --via null:"
    is 75 "$status"
    is 1 "${#stderr_lines[@]}"
    [[ "$stderr" == "$stage: "*"no-such-option"* ]]
  done
  piped "ml-expand --bad x <mail | ml-sort | ml-send --via null:"
  is 1 "${#stderr_lines[@]}"
  piped "ml-sort --by x <mail | ml-rcpts -- cat"
  is $'end\t75\t--by takes domain, fair, mx, pace or random, not \'x\'' "$output"
}
