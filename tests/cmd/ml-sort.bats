load common

# rcpts: the addresses of the stream on stdin, on one line.
rcpts() { grep ^rcpt | cut -f2 | paste -sd' '; }

# shuffled COUNT: a section with that many recipients of many domains, in no order.
shuffled() {
  printf 'message\tx1\tnews-bounces@x.org\taGkK\n'
  seq "$1" | awk '{ print "rcpt\tU" ($1 * 7919) % 999983 "@d" ($1 * 31) % 997 (($1 % 3) ? ".example.com" : ".org") "\t-" }'
  printf 'end\t0\n'
}

# gnu_sorted: the rcpt lines on stdin as GNU sort orders them on the reversed labels.
gnu_sorted() {
  awk -F'\t' '{
    split($2, a, "@"); n = split(a[2], l, "."); k = l[n]
    for (i = n - 1; i > 0; --i) k = k "\001" l[i]
    print k "\t" tolower(a[1]) "\t" $0 }' |
    LC_ALL=C sort -s -t"$(printf '\t')" -k1,1 -k2,2 | cut -f3-
}

@test "ml-sort: by domain is the default" {
  stream b@example.org a@lists.example.org A@example.org z@example.com | ml-sort >out
  is "z@example.com A@example.org b@example.org a@lists.example.org" "$(rcpts <out)"
}

@test "ml-sort: in memory and with temporary files it agrees with GNU sort" {
  shuffled 60000 >in
  grep ^rcpt in | gnu_sorted >want
  ml-sort <in | grep ^rcpt | cmp - want
  ml-sort --memory 300K <in | grep ^rcpt | cmp - want
}

@test "ml-sort: no line is lost or changed in any order" {
  shuffled 20000 >in
  for order in domain fair random; do
    ml-sort --by $order --memory 100K <in >out
    is "$(sort in | cksum)" "$(sort out | cksum)"
    is message "$(head -n 1 out | cut -f1)"
    is "end	0" "$(tail -n 1 out)"
  done
}

@test "ml-sort: each section is sorted by itself" {
  { stream b@x.org a@x.org; stream d@x.org c@x.org; } | ml-sort >out
  is "a@x.org b@x.org c@x.org d@x.org" "$(rcpts <out)"
  is 2 "$(grep -c ^message out)"
}

@test "ml-sort: the same seed gives the same order and another another" {
  stream $(seq -f 'u%g@x.org' 50) >in
  is "$(ml-sort --by random --seed 7 <in)" "$(ml-sort --by random --seed 7 <in)"
  [ "$(ml-sort --by random --seed 7 <in)" != "$(ml-sort --by random --seed 8 <in)" ]
  [ "$(ml-sort --by random <in)" != "$(ml-sort --by random <in)" ]
}

@test "ml-sort: fair alternates two domains of one size" {
  stream a@one.org b@one.org c@one.org x@two.org y@two.org z@two.org | ml-sort --by fair >out
  is "one two one two one two" "$(rcpts <out | tr ' ' '\n' | sed 's/.*@//; s/\..*//' | paste -sd' ')"
}

@test "ml-sort: by pace the domains that were deferred last time come last" {
  rm -f port
  smtp-sink --port-file port --fault 'rcpt~slow=450 4.2.1 later' >/dev/null 2>&1 3>&- &
  sink=$!
  until [ -e port ]; do sleep 0.01; done # polls
  run ml-send --via "smtp://127.0.0.1:$(cat port)" --max-wait 0 --undelivered left \
    < <(stream a@a.org slow@b.org slow@c.org c@c.org d@d.org)
  kill "$sink"
  stream x@b.org y@c.org a@d.org b@B.org z@a.org y@new.org | ml-sort --by pace >out
  is "a@d.org z@a.org y@new.org y@c.org x@b.org b@B.org" "$(rcpts <out)"
  is "$(stream x@b.org | sed s/x1/x2/)" "$(stream x@b.org | sed s/x1/x2/ | ML_HOME=none ml-sort --by pace)"
}

@test "ml-sort: a home that was named and is not there is 75 and one that is not yet made is none" {
  for by in pace mx; do
    run ml-sort --by $by --home nowhere < <(stream a@a.org)
    is 75 "$status"
    [[ "$output" == *"there is no home nowhere"* ]]
    is "$(stream a@a.org)" "$(stream a@a.org | ML_HOME=nowhere ml-sort --by $by --resolver 127.0.0.1:1 2>/dev/null)"
  done
  [ ! -e nowhere ]
}

@test "ml-sort: by pace opens nothing of journals whose recipients were pruned" {
  for i in 1 2 3; do
    stream "a@x$i.org" | sed "s/^message\tx1/message\tm$i/" | ml-send --via smtp://127.0.0.1:1 --max-wait 0 --undelivered left || is 75 $?
  done
  rm "$ML_HOME"/journal/*/m[12]/{log,slots}.*
  strace -qqo calls -e trace=openat ml-sort --by pace >out < <(stream a@x1.org b@x3.org)
  is 1 "$(grep -c '/head"' calls)"
}

@test "ml-sort: a cut stream gives 75 and the complete recipients in order" {
  run ml-sort < <(stream b@x.org a@x.org | head -c -3)
  is 75 "$status"
  is "a@x.org b@x.org" "$(rcpts <<<"$output")"
  [[ "$output" == *$'end\t75\t'* ]]
}

@test "ml-sort: a failed end is passed on in silence with its status" {
  run ml-sort < <(printf 'message\tx1\ta@x.org\taGkK\nrcpt\tb@x.org\t-\nend\t77\t5.7.1 no\n')
  is 77 "$status"
  is 3 "${#lines[@]}"
  is $'end\t77\t5.7.1 no' "${lines[2]}"
}

@test "ml-sort: an input of nothing is 75" {
  run ml-sort </dev/null
  is 75 "$status"
}

@test "ml-sort: a reader that leaves is 75 without a word" {
  shuffled 50000 >in
  run bash -c '{ ml-sort <in 2>err; echo $? >status; } | head -n 1 >/dev/null; cat status err'
  is 75 "$output"
}

@test "ml-sort: no room for temporary files is 75 and no recipient passes" {
  shuffled 20000 >in
  run ml-sort --memory 100K --tmp /no/such/directory <in
  is 75 "$status"
  is "" "$(grep ^rcpt <<<"$output" || true)"
  [[ "$output" == *"ml-sort: cannot make a temporary file in /no/such/directory: No such"* ]]
  [[ "$output" == *$'end\t75\t'* ]]
}

@test "ml-sort: a small file-size limit only makes more temporary files" {
  shuffled 60000 >in
  grep ^rcpt in | gnu_sorted >want
  bash -c 'ulimit -f 256; ml-sort --memory 300K <in | grep ^rcpt | cmp - want'
}

@test "ml-sort: a kill leaves no temporary file" {
  mkdir tmp
  mkfifo fifo
  ml-sort --memory 100K --tmp tmp <fifo >out &
  sorter=$!
  exec 7>fifo
  shuffled 50000 | head -n -1 >&7
  until [ -n "$(find /proc/$sorter/fd -lname '*(deleted)' 2>/dev/null)" ]; do :; done
  is "" "$(ls -A tmp)"
  kill -9 $sorter
  wait $sorter || true
  exec 7>&-
  is "" "$(ls -A tmp)"
}

@test "ml-sort: an order that is none is 75 and says which there are" {
  run ml-sort --by size < <(stream a@x.org)
  is 75 "$status"
  [[ "$output" == *"domain, fair, mx, pace or random"* ]]
}
