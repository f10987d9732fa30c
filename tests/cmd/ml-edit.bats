load common

@test "ml-edit: sed changes the message and the recipients stay" {
  stream ann@example.org bob@example.com >in
  ml-edit -- sed 's/^Subject: .*/Subject: changed/' <in >out
  is "$(message changed)" "$(decoded <out)"
  is "$(grep ^rcpt in)" "$(grep ^rcpt out)"
}

@test "ml-edit: cat leaves the stream as it is to the last octet" {
  { stream ann@example.org; stream; printf 'end\t0\n'; } >in
  ml-edit -- cat <in >out
  cmp in out
}

@test "ml-edit: attributes of the message stay" {
  stream ann@example.org | sed '1s/$/\tlist=news@x.org\tauthor=ann@example.org/' >in
  ml-edit -- cat <in | cmp in -
}

@test "ml-edit: CRLF from the command becomes LF" {
  ml-edit -- sed 's/$/\r/' < <(stream ann@example.org) >out
  is "$(message)" "$(decoded <out)"
}

@test "ml-edit: a command that fails ends the section with 75 and gives out no recipient" {
  run ml-edit -- sh -c 'cat; exit 1' < <(stream ann@example.org)
  is 75 "$status"
  [[ "$output" != *rcpt* ]]
  [[ "$output" == *$'end\t75\tsh left with status 1'* ]]
}

@test "ml-edit: a command may reject the message with 65 or 77" {
  run ml-edit -- sh -c 'exit 65' < <(stream ann@example.org)
  is 65 "$status"
  [[ "$output" == *$'end\t65\t5.6.0 '* ]]
  run ml-edit -- sh -c 'exit 77' < <(stream ann@example.org)
  is 77 "$status"
}

@test "ml-edit: a command that dies gives 75" {
  run ml-edit -- sh -c 'kill -9 $$' < <(stream ann@example.org)
  is 75 "$status"
}

@test "ml-edit: no output or no header or a NUL is no message" {
  for command in true 'echo no header here' 'printf "A: b\n\n\000"'; do
    run ml-edit -- sh -c "$command" < <(stream ann@example.org)
    is 75 "$status"
    [[ "$output" == *"is no message"* ]]
  done
}

@test "ml-edit: bad base64 is named with its line" {
  run ml-edit -- cat < <(printf 'message\tx1\ta@x.org\t=abc\nend\t0\n')
  is 75 "$status"
  [[ "$output" == *"line 1: the message x1 is not base64"* ]]
}

@test "ml-edit: a message larger than any pipe goes through a command that reads all first" {
  printf 'message\tx1\ta@x.org\t%s\nend\t0\n' \
    "$({ message; head -c 3000000 /dev/zero | tr '\0' x; } | base64 -w0)" >in
  ml-edit -- sh -c 'cat >whole; cat whole' <in | cmp in -
}
