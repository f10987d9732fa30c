load common

# rcpts: the addresses of the stream on stdin, on one line.
rcpts() { grep ^rcpt | cut -f2 | paste -sd' '; }

@test "ml-expand: a bare message to a file with no list and no home" {
  printf 'email,Full Name\nann@example.org,Ann Author\nbob@example.com,\n' >people.csv
  message | ml-expand --to people.csv --sender news@x.org >out
  is "$(printf 'rcpt\tann@example.org\t-\tfull_name=Ann Author\nrcpt\tbob@example.com\t-')" "$(grep ^rcpt out)"
  is news@x.org "$(head -n 1 out | cut -f3)"
  is "$(message)" "$(decoded <out)"
  [ ! -e home ]
}

@test "ml-expand: a home that was named and is not there mails nobody who is suppressed" {
  printf 'ann@example.org\n' >people.txt
  run ml-expand --home nowhere --to people.txt --sender news@x.org < <(message)
  is 75 "$status"
  [[ "$output" == *"there is no home nowhere"* ]]
  ! grep ^rcpt <<<"$output"
}

@test "ml-expand: the subscribers of a list that a section names" {
  ml-list create news@x.org
  printf 'ann@example.org\nbob@example.com\n' | ml-store add news@x.org -
  printf 'message\tr1\tnews-bounces@x.org\taGkK\tlist=news@x.org\nend\t0\n' | ml-expand >out
  is "bob@example.com ann@example.org" "$(rcpts <out)"
}

@test "ml-expand: a bare message to a list by its full and its bare name" {
  ml-list create news@x.org
  ml-store add news@x.org ann@example.org
  message | ml-expand news@x.org >out
  is "ann@example.org" "$(rcpts <out)"
  is $'news-bounces@x.org\tlist=news@x.org' "$(head -n 1 out | cut -f3,5)"
  echo 'default-domain = "x.org"' >home/lists.toml
  is "ann@example.org" "$(message | ml-expand news | rcpts)"
}

@test "ml-expand: a list that is not there is 75 and says how to make it" {
  ml-list create news@x.org
  run ml-expand olds@x.org < <(message)
  is 75 "$status"
  [[ "$output" == *"ml-expand: cannot expand the list olds@x.org: no such list (make it with: ml-list create olds@x.org)"* ]]
}

@test "ml-expand: people may come through a pipe of the shell" {
  message | ml-expand --to <(printf 'ann@example.org\n') --sender a@x.org >out
  is "ann@example.org" "$(rcpts <out)"
}

@test "ml-expand: a bad row is 75 with its line number and nobody gets anything" {
  printf 'ann@example.org\nnobody\n' >people.txt
  run ml-expand --to people.txt --sender a@x.org < <(message)
  is 75 "$status"
  [[ "$output" == *"people.txt line 2: 'nobody'"* ]]
  is "" "$(grep ^rcpt <<<"$output" || true)"
}

@test "ml-expand: bad rows are skipped when asked and named" {
  printf 'ann@example.org\nnobody\nbob@example.com\n' >people.txt
  message | ml-expand --to people.txt --sender a@x.org --bad skip >out 2>err
  is "ann@example.org bob@example.com" "$(rcpts <out)"
  is "ml-expand: people.txt line 2: 'nobody' is no mail address: it has no @" "$(cat err)"
}

@test "ml-expand: hostile rows make no records of their own" {
  printf 'email,name\nann@example.org,"A\nend\t0\nrcpt\teve@x.org\t-"\n' >people.csv
  message | ml-expand --to people.csv --sender a@x.org >out
  is 3 "$(wc -l <out)"
  is "ann@example.org" "$(rcpts <out)"
  printf 'email\tname\nann@example.org\tA\033]0;x\007\n' >people.tsv
  run ml-expand --to people.tsv --sender a@x.org < <(message)
  is 75 "$status"
  [[ "$output" != *$'\033'* ]]
}

@test "ml-expand: a reserved column is refused with the rename that helps" {
  printf 'email,status\nann@example.org,gold\n' >people.csv
  run ml-expand --to people.csv --sender a@x.org < <(message)
  is 75 "$status"
  [[ "$output" == *"--rename status=crm_status"* ]]
  message | ml-expand --to people.csv --sender a@x.org --rename status=crm_status | grep -q crm_status=gold
}

@test "ml-expand: a message with CRLF and no From is 65 with an enhanced code first" {
  run ml-expand --to /dev/null --sender a@x.org < <(printf 'Subject: x\r\n\r\nhi\r\n')
  is 65 "$status"
  [[ "$output" == *$'end\t65\t5.6.0 '* ]]
  [[ "${lines[0]}" == 5.6.0* || "${lines[1]}" == 5.6.0* ]]
}

@test "ml-expand: a failed end is passed on in silence and not expanded" {
  echo ann@example.org >people.txt
  run ml-expand --to people.txt < <(printf 'message\tx1\ta@x.org\taGkK\nend\t77\t5.7.1 no\n')
  is 77 "$status"
  is 2 "${#lines[@]}"
}

@test "ml-expand: a cut stream is 75 and keeps the recipients it has" {
  echo ann@example.org >people.txt
  run ml-expand --to people.txt < <(stream bob@example.com | head -c -2)
  is 75 "$status"
  is "bob@example.com" "$(rcpts <<<"$output")"
}

@test "ml-expand: many sections each get the people of the file" {
  seq -f 'u%g@x.org' 100 >people.txt
  for n in 1 2 3; do stream; done | ml-expand --to people.txt >out
  is 300 "$(grep -c ^rcpt out)"
  is 3 "$(grep -c ^end out)"
}

@test "ml-expand: a reader that leaves is 75 without a word" {
  seq -f 'u%g@x.org' 100000 >people.txt
  run bash -c '{ ml-expand --to people.txt --sender a@x.org <<<"From: a@x.org" 2>err; echo $? >status; } |
    head -n 1 >/dev/null; cat status err'
  is 75 "$output"
}

@test "ml-expand: the suppressed are not mailed from a file either" {
  ml-list create news@x.org
  ml-store suppress ann@example.org
  printf 'Ann@example.org\nbob@example.com\n' >people.txt
  is "bob@example.com" "$(message | ml-expand --to people.txt --sender a@x.org | rcpts)"
}

@test "ml-expand: the same message has the same id and another another" {
  echo ann@example.org >people.txt
  id() { ml-expand --to people.txt --sender "${1:-a@x.org}" | head -n 1 | cut -f2; }
  is "$(message | id)" "$(message | sed 's/$/\r/' | id)"
  [ "$(message | id)" != "$(message other | id)" ]
  [ "$(message | id)" != "$(message | id b@x.org)" ]
}

@test "ml-expand: hosts that each expand a shard mail everybody once" {
  ml-list create news@x.org
  seq -f 'user%g@example.org' 500 | ml-store import news@x.org >/dev/null
  for k in 1 2 3; do
    message | ml-expand --shard $k/3 news@x.org >shard$k
    head -n 1 shard$k | grep -q "	part=$k/3$"
    grep -q ^rcpt shard$k
  done
  cat shard? | grep ^rcpt | cut -f2 | sort >shards
  seq -f 'user%g@example.org' 500 | sort | cmp - shards
}

@test "ml-expand: a subscriber's own-copy is set with ml-store and read" {
  ml-list create news@x.org
  printf 'ann@example.org\nbob@example.org\n' | ml-store add news@x.org -
  ml-store set news@x.org ann@example.org own-copy=no
  is 'bob@example.org' "$(message | ml-expand news@x.org | grep ^rcpt | cut -f2)"
}
