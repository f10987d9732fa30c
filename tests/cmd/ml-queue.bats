load common

setup_queue() { mkdir -m 700 "$ML_HOME"; }
# put QUEUE NAME TEXT: an entry, without the word about runners.
put() { printf '%s\n' "$3" | ml-queue put "$1" --name "$2" 2>/dev/null; }
# entries QUEUE: the names there, sorted, in one line.
entries() { ml-queue list "$1" | cut -f1 | sort | paste -sd' '; }
# until COMMAND...: waits for a condition, ten seconds at most.
until_true() {
  local i
  for ((i = 0; i < 1000; ++i)); do "$@" && return; sleep 0.01; done # polls
  echo "never came true: $*"
  return 1
}

is_running() { ml-queue list q | grep -q running; }
is_empty() { [ -z "$(entries q)" ]; }
# Lets all commands go on that read a line from the gate, or will.
open_gate() {
  exec 9<>gate
  printf '%100s' '' | tr ' ' '\n' >&9
}

@test "ml-queue put: standard input becomes an entry as it is" {
  setup_queue
  printf 'a\0b' >in
  run ml-queue put q --name one <in
  is 0 "$status"
  [[ "$output" == *"nobody runs the queue q"* ]]
  ml-queue show q one | cmp - in
}

@test "ml-queue put: the same id twice is one entry, the last octets stay" {
  setup_queue
  put q one first
  put q one second
  is one "$(entries q)"
  is second "$(ml-queue show q one)"
}

@test "ml-queue put: a stream is named by its id and kept beside another with its id" {
  setup_queue
  for address in ann@example.org ann@example.org bob@example.org; do
    stream $address | ml-queue put q
  done
  is 2 "$(ml-queue list q | wc -l)"
  is x1 "$(ml-queue list q | cut -f1 | sort | head -n 1)"
  is 2 "$(ml-queue list q | cut -f1 | while read -r id; do ml-queue show q "$id"; done | grep -c ^rcpt)"
}

@test "ml-queue put: what is no stream gets a name of its own each time" {
  setup_queue
  echo same | ml-queue put q
  echo same | ml-queue put q
  is 2 "$(ml-queue list q | wc -l)"
}

@test "ml-queue put: a cut stream is 75 and stores nothing" {
  setup_queue
  for cut in 1 8 40; do
    run ml-queue put q < <(stream ann@example.org | head -c -$cut)
    is 75 "$status"
  done
  run ml-queue put q < <(printf 'mess')
  is 75 "$status"
  is "" "$(entries q)"
  is "" "$(ls "$ML_HOME/queue/q/tmp")"
}

@test "ml-queue put: an input of no octets is 75 and stores nothing" {
  setup_queue
  run ml-queue put q </dev/null
  is 75 "$status"
  is "" "$(entries q)"
}

@test "ml-queue put: a bare end 0 stores nothing and is done in silence" {
  setup_queue
  run ml-queue put q < <(printf 'end\t0\n')
  is 0 "$status"
  is "" "$output"
  is "" "$(entries q)"
}

@test "ml-queue put: a failed end is the status and nothing of the stream is stored" {
  setup_queue
  for failure in 65 75 77; do
    run ml-queue put q < <(stream ann@example.org; printf 'end\t%s\t5.7.1 no\n' $failure)
    is "$failure" "$status"
    is "" "$output"
  done
  is "" "$(entries q)"
}

@test "ml-queue put: many files are many entries" {
  setup_queue
  mkdir in
  for i in $(seq 300); do echo "entry $i" >in/$i; done
  run ml-queue put q in/*
  is 0 "$status"
  is 300 "$(ml-queue list q | wc -l)"
  is 300 "$(ml-queue run q -- cat | sort -u | wc -l)"
}

@test "ml-queue put: a name that could leave the queue is 75" {
  setup_queue
  for name in ../x .x a/b ''; do
    run ml-queue put q --name "$name" <<<x
    is 75 "$status"
    run ml-queue put "$name" <<<x
    is 75 "$status"
  done
  is "" "$(find "$ML_HOME" -type f ! -name synced)"
}

@test "ml-queue put: a file-size limit is 75 with clear words and nothing stored" {
  setup_queue
  run bash -c 'ulimit -f 1; head -c 100000 /dev/zero | ml-queue put q'
  is 75 "$status"
  [[ "$output" == *"File too large"* ]]
  is "" "$(entries q)"
}

@test "ml-queue put: no home is 75 and says which" {
  run ml-queue put q <<<x
  is 75 "$status"
  [[ "$output" == *"$ML_HOME"* ]]
}

@test "ml-queue run: exit 0 removes the entry and passes on what the command wrote" {
  setup_queue
  put q one hello
  run ml-queue run q -- cat
  is 0 "$status"
  is hello "$output"
  is "" "$(entries q)"
}

@test "ml-queue run: an entry whose output cannot be passed on stays" {
  setup_queue
  put q one hello
  status=0
  ml-queue run q -- cat >/dev/full 2>said || status=$?
  is 75 "$status"
  is "ml-queue: cannot write standard output: No space left on device" "$(cat said)"
  is hello "$(ml-queue run q -- cat)"
  is "" "$(entries q)"
}

@test "ml-queue run: one word with shell characters goes through sh" {
  setup_queue
  put q one hello
  is 6 "$(ml-queue run q -- 'cat | wc -c')"
}

@test "ml-queue run: exit 75 puts the entry off with the last line of stderr as the reason" {
  setup_queue
  put q one hello
  run ml-queue run q -- 'cat >/dev/null; echo busy >&2; exit 75'
  is 0 "$status"
  is "one later 1 busy" "$(ml-queue list q | cut -f1,2,7,8 | tr '\t' ' ')"
  run ml-queue run q -- false
  is "one later 1 busy" "$(ml-queue list q | cut -f1,2,7,8 | tr '\t' ' ')"
}

@test "ml-queue run: pauses grow with the age of an entry" {
  setup_queue
  put q one hello
  touch -d '20 minutes ago' "$ML_HOME"/queue/q/?/one
  ml-queue run q -- 'cat >/dev/null; exit 75'
  next=$(ml-queue show q one --json | sed 's/.*"next":\([0-9]*\),.*/\1/')
  [ $((next - $(date +%s))) -ge 1195 ]
  [ $((next - $(date +%s))) -le 1700 ]
}

@test "ml-queue run: what is left replaces the entry and keeps its age" {
  setup_queue
  stream ann@example.org bob@example.org | ml-queue put q
  touch -d '20 minutes ago' "$ML_HOME"/queue/q/?/x1
  ml-queue run q -- 'grep -v ann@; exit 75'
  is "x1 later 20m 1" "$(ml-queue list q | cut -f1,2,3,5 | tr '\t' ' ')"
  is bob@example.org "$(ml-queue show q x1 | grep ^rcpt | cut -f2)"
}

@test "ml-queue run: a cut stream on stdout replaces nothing" {
  setup_queue
  stream ann@example.org | ml-queue put q
  ml-queue run q -- 'grep -v ^end; exit 75'
  stream ann@example.org | cmp - <(ml-queue show q x1)
}

@test "ml-queue run: 65 and 77 move the entry to failed with the reason and retry brings it back" {
  setup_queue
  put q one hello
  put q two hello
  ml-queue run q --jobs 1 -- 'cat >/dev/null; echo 5.6.0 no >&2; exit 65'
  is "" "$(entries q)"
  is "one@q two@q" "$(entries failed)"
  is "5.6.0 no" "$(ml-queue list failed | cut -f8 | sort -u)"
  ml-queue retry failed one@q
  is one "$(entries q)"
  is hello "$(ml-queue run q -- cat)"
}

@test "ml-queue run: entries of one name from two queues both reach failed" {
  setup_queue
  put a one first
  put b one second
  for queue in a b; do ml-queue run $queue -- 'cat >/dev/null; exit 77'; done
  is "one@a one@b" "$(entries failed)"
}

@test "ml-queue retry: entries of one name that failed one after the other both go back to their queue" {
  setup_queue
  for text in first second third; do
    put q one $text
    ml-queue run q -- 'cat >/dev/null; exit 65'
  done
  is 3 "$(entries failed | wc -w)"
  ml-queue retry failed
  is "" "$(entries failed)"
  is 3 "$(entries q | wc -w)"
  is "first second third" "$(ml-queue run q -- cat | sort | paste -sd' ')"
}

@test "ml-queue retry: an entry whose queue was taken away stays in failed and makes none" {
  setup_queue
  put q one hello
  ml-queue run q -- 'cat >/dev/null; exit 65'
  rm -r "$ML_HOME/queue/q"
  run ml-queue retry failed
  is 75 "$status"
  is one@q "$(entries failed)"
  [ ! -e "$ML_HOME/queue/q" ]
}

@test "ml-queue run: what failed in failed once more is not tried every second" {
  setup_queue
  put q one hello
  ml-queue run q -- 'cat >/dev/null; exit 65'
  touch -d '9 days ago' "$ML_HOME"/queue/failed/?/one@q
  ml-queue run failed --pause 100 -- 'cat >/dev/null; exit 65'
  is one@q "$(entries failed)"
  [ "$(ml-queue list failed --json | grep -o '"next":[0-9]*' | cut -d: -f2)" -gt $(($(date +%s) + 50)) ]
}

@test "ml-queue run: a killed command leaves the entry" {
  setup_queue
  put q one hello
  ml-queue run q -- 'kill -9 $$'
  is "one later ended by signal 9" "$(ml-queue list q | cut -f1,2,8 | tr '\t' ' ')"
}

@test "ml-queue run: an entry past give-up goes to failed when its time comes" {
  setup_queue
  put q one hello
  touch -d '2 days ago' "$ML_HOME"/queue/q/?/one
  ml-queue run q --give-up 86400 -- 'cat >/dev/null; echo busy >&2; exit 75'
  due() { ml-queue run q --give-up 86400 -- false; [ "$(entries failed)" = one@q ]; }
  until_true due
  [[ "$(ml-queue list failed | cut -f8)" == "4.4.7 given up"*busy ]]
}

# holds_bounces: a runner there that writes to the file told what it gets.
holds_bounces() {
  ml-queue run bounces --watch -- 'cat >>told' 3>&- &
  runner=$!
  has_runner() { ml-queue list | grep -q 'bounces.*	runner'; }
  until_true has_runner
}
# section ID LIST ADDRESS...: of a list; of none where LIST is empty.
section() {
  local id=$1 list=$2
  shift 2
  stream "$@" | sed -E "1s/^message\tx1(.*)/message\t$id\1${list:+\tlist=$list}/"
}

@test "ml-queue run: what is given up goes to bounces by section and to failed what is no list's" {
  setup_queue
  holds_bounces
  { section x1 news@x.org ann@example.org; section x2 '' bob@example.org
    section x3 news@x.org; section x4 dev@x.org cy@example.org; } | ml-queue put q
  touch -d '2 days ago' "$ML_HOME"/queue/q/?/x1
  ml-queue run q --pause 1 --give-up 86400 -- 'cat >/dev/null; exit 75'
  given_up() { ml-queue run q --give-up 86400 -- false; [ "$(entries failed)" = x1@q ]; } 2>/dev/null
  until_true given_up
  until_true grep -q cy@ told
  is "x1 ann@example.org x4 cy@example.org" "$(grep -E '^(message|rcpt)' told | cut -f2 | paste -sd' ')"
  is 2 "$(grep -c '^rcpt.*status=4.4.7.*reply=4.4.7 given up after 86400 s' told)"
  is "x2 bob@example.org x3" "$(ml-queue show failed x1@q | grep -E '^(message|rcpt)' | cut -f2 | paste -sd' ')"
  is 2d "$(ml-queue list failed | cut -f3)"
  kill $runner
  wait $runner
}

@test "ml-queue run: a list's recipients in failed are given up too" {
  setup_queue
  holds_bounces
  section x1 news@x.org ann@example.org | ml-queue put q
  ml-queue run q -- 'cat >/dev/null; exit 65'
  touch -d '2 days ago' "$ML_HOME"/queue/failed/?/x1@q
  ml-queue run failed --pause 1 --give-up 86400 -- 'cat >/dev/null; exit 75'
  given_up() { ml-queue run failed --give-up 86400 -- false && [ -z "$(entries failed)" ]; } 2>/dev/null
  until_true given_up
  until_true grep -q 'ann@.*status=4.4.7' told
  kill $runner
  wait $runner
}

@test "ml-queue run: a command that cannot be started stops the runner with 75 after three" {
  setup_queue
  for i in 1 2 3 4 5; do put q e$i x; done
  run ml-queue run q --jobs 1 -- no-such-command
  is 75 "$status"
  [[ "$output" == *"no-such-command"* ]]
  is 3 "$(ml-queue list q | grep -c later)"
  is 5 "$(ml-queue list q | wc -l)"
}

# Without strace there is no way to make these calls fail.
needs_strace() { strace -qqo /dev/null true 2>/dev/null || skip "strace cannot trace here"; }

@test "ml-queue run: a runner that cannot watch the queue starts nothing and is 75" {
  setup_queue
  needs_strace
  put q one hello
  for call in inotify_init1 inotify_add_watch timerfd_create; do
    run strace -qqo /dev/null -e inject=$call:error=EMFILE ml-queue run q -- touch begun
    is 75 "$status"
    [[ "$output" == "ml-queue: cannot watch the queue"*"Too many open files" ]]
    [ ! -e begun ]
    is due "$(ml-queue list q | cut -f2)"
  done
}

@test "ml-queue run: a command that cannot be watched is ended and its entry put off" {
  setup_queue
  needs_strace
  mkfifo gate
  put q one hello
  strace -qqo /dev/null -e inject=pidfd_open:error=ENOMEM ml-queue run q -- cat gate
  is "one later cannot watch a command: Cannot allocate memory" "$(ml-queue list q | cut -f1,2,8 | tr '\t' ' ')"
}

@test "ml-queue run: a usage error on three entries running stops the runner with 75" {
  setup_queue
  for i in 1 2 3 4 5; do put q e$i x; done
  run ml-queue run q --jobs 1 -- ml-sort --no-such-option
  is 75 "$status"
  is 5 "$(ml-queue list q | wc -l)"
}

@test "ml-queue run: one runner more than enough leaves at once with 0" {
  setup_queue
  mkfifo gate
  put q one hello
  ml-queue run q -- 'cat >/dev/null; read -r line <gate' 3>&- &
  until_true is_running
  run ml-queue put q --name two <<<x
  is "" "$output"
  run ml-queue run q -- touch wrong
  is 0 "$status"
  [ ! -e wrong ]
  open_gate
  until_true is_empty
  wait
}

@test "ml-queue run: two runners never hand out an entry twice" {
  setup_queue
  mkdir in
  for i in $(seq 300); do echo $i >in/$i; done
  ml-queue put q in/* 2>/dev/null
  for i in 1 2 3; do ml-queue run q --runners 3 --jobs 3 -- 'cat >>seen.$$' 3>&- & done
  wait
  is 300 "$(cat seen.* | wc -l)"
  is 300 "$(cat seen.* | sort -u | wc -l)"
}

@test "ml-queue run: a command that outlives its killed runner keeps its entry" {
  setup_queue
  mkfifo gate
  put q one hello
  ml-queue run q -- 'cat >>seen; cat gate' 3>&- &
  runner=$!
  until_true test -s seen
  kill -9 $runner
  wait $runner || true
  ml-queue run q -- 'cat >>seen'
  is 1 "$(wc -l <seen)"
  run ml-queue remove q one
  is 75 "$status"
  echo >gate
  gone() { [ "$(ml-queue list q | cut -f2)" = due ]; }
  until_true gone
  ml-queue run q -- 'cat >>seen'
  is 2 "$(wc -l <seen)"
}

@test "ml-queue run: a big entry leaves room for the small ones" {
  setup_queue
  mkfifo gate
  for i in 1 2 3; do head -c 1100000 /dev/zero | ml-queue put q --name big$i 2>/dev/null; done
  ml-queue run q --jobs 2 --watch -- 'if [ $(head -c 9 | wc -c) = 9 ]; then read -r line <gate; else echo >>small; fi' 3>&- &
  runner=$!
  until_true is_running
  for i in 1 2 3 4 5; do put q small$i x; done
  five() { [ "$(cat small 2>/dev/null | wc -l)" = 5 ]; }
  until_true five
  is "big1 big2 big3" "$(entries q)"
  is 1 "$(ml-queue list q | grep -c running)"
  open_gate
  until_true is_empty
  kill $runner
  wait $runner
}

@test "ml-queue run --watch: sleeps until an entry comes or is due" {
  setup_queue
  needs_strace
  put q first x
  ml-queue remove q first
  strace -Dqqo trace -e trace=ppoll,timerfd_settime \
    ml-queue run q --watch --pause 1 -- 'cat >>seen; [ -e go ] || { touch go; exit 75; }' 3>&- &
  runner=$!
  # One wait without end, and no timer that would end it.
  waits_for_ever() { [[ "$(tail -n 1 trace)" == ppoll\(*', NULL, '* ]]; }
  until_true waits_for_ever
  is 1 "$(grep -c ^ppoll trace)"
  is 1 "$(grep -c '^timerfd_settime.*it_value={tv_sec=0, tv_nsec=0}' trace)"
  is 1 "$(grep -c ^timerfd_settime trace)"
  put q one hello
  twice() { [ "$(cat seen 2>/dev/null | wc -l)" = 2 ]; }
  until_true twice
  kill $runner
  wait $runner
  is "" "$(entries q)"
}

@test "ml-queue run: SIGTERM lets the command finish and takes no further entry" {
  setup_queue
  mkfifo gate
  put q one hello
  put q two hello
  ml-queue run q --jobs 1 -- 'cat >>seen; cat gate' 3>&- &
  runner=$!
  until_true test -s seen
  kill $runner
  echo >gate
  wait $runner
  is 1 "$(wc -l <seen)"
  is 1 "$(ml-queue list q | wc -l)"
}

@test "ml-queue run: an entry put again while its command runs waits and is not lost" {
  setup_queue
  mkfifo gate
  put q one first
  ml-queue run q -- 'cat >/dev/null; cat gate' 3>&- &
  until_true is_running
  put q one second
  echo >gate
  wait
  is "one later" "$(ml-queue list q | cut -f1,2 | tr '\t' ' ')"
  is second "$(ml-queue show q one)"
}

@test "ml-queue hold and release: a held entry is passed over until it is released" {
  setup_queue
  put q one hello
  ml-queue hold q one
  is "" "$(ml-queue run q -- cat)"
  is held "$(ml-queue list q | cut -f2)"
  ml-queue release q one
  is hello "$(ml-queue run q -- cat)"
}

@test "ml-queue release: an entry of held goes to post and is run from there" {
  setup_queue
  put held one hello
  ml-queue release held one
  tried() { ml-queue list post | grep -q 'must be a stream'; }
  until_true tried
  is one "$(entries post)"
  is "" "$(entries held)"
}

@test "ml-queue retry: without names everything that waits is due" {
  setup_queue
  put q one a
  put q two b
  ml-queue run q -- 'cat >/dev/null; exit 75'
  ml-queue retry q
  is "due due" "$(ml-queue list q | cut -f2 | paste -sd' ')"
}

@test "ml-queue retry: what is due again has a runner where its queue runs by itself" {
  setup_queue
  put post one hello
  ml-queue run post -- 'cat >/dev/null; exit 65'
  is one@post "$(entries failed)"
  ml-queue retry failed
  tried() { ml-queue list post | grep -q 'must be a stream'; }
  until_true tried
  is one "$(entries post)"
}

@test "ml-queue remove: an entry that is not there is 1" {
  setup_queue
  put q one a
  ml-queue remove q one
  run ml-queue remove q one
  is 1 "$status"
  run ml-queue remove q
  is 64 "$status"
  run ml-queue list no-such-queue
  is 75 "$status"
}

@test "ml-queue list: text and JSON name the recipients and the size" {
  setup_queue
  stream ann@example.org bob@example.org >in
  ml-queue put q <in
  is "x1 due 2 $(wc -c <in) 0 -" "$(ml-queue list q | cut -f1,2,5- | tr '\t' ' ')"
  ml-queue list q --json | python3 -c 'import json,sys; (e,) = json.load(sys.stdin); assert e["recipients"] == 2'
  ml-queue list --json | python3 -c 'import json,sys; (e,) = json.load(sys.stdin); assert e["due"] == 1 and not e["runner"]'
}

@test "ml-queue list --metrics: numbers for Prometheus" {
  setup_queue
  put q one a
  ml-queue list --metrics numbers
  grep -qxF 'mlpipe_queue_entries{queue="q",state="due"} 1' numbers
  grep -qxF 'mlpipe_queue_runner{queue="q"} 0' numbers
  is numbers "$(ls | grep numbers)"
}

@test "ml-queue: a queue of ours without a first entry is listed as empty and is not made" {
  setup_queue
  is "" "$(ml-queue list outbound)"
  is "[]" "$(ml-queue list --json bounces)"
  [ ! -e "$ML_HOME/queue/outbound" ]
}

@test "ml-queue: a misspelt queue is 75 and is not made" {
  setup_queue
  for verb in "run nosuch -- cat" "list nosuch" "show nosuch x" "retry nosuch" "hold nosuch x" \
    "release nosuch x" "remove nosuch x"; do
    run ml-queue $verb
    is 75 "$status"
    [[ "$output" == *"there is no queue nosuch"* ]]
  done
  put held one hello
  run ml-queue release held one --to nosuch
  is 75 "$status"
  is held "$(ls "$ML_HOME/queue")"
}

@test "ml-queue: a runner may be there before the first post and a held post before any other" {
  setup_queue
  ml-queue run post -- cat
  ml-queue run outbound -- cat
  put held one hello
  ml-queue release held one --to post
  tried() { ml-queue list post | grep -q 'must be a stream'; }
  until_true tried
  is hello "$(ml-queue show post one)"
}

@test "ml-queue run: no jobs or runners at all is 75" {
  setup_queue
  put q one x
  for option in --jobs --runners; do
    for number in 0 1001; do
      run ml-queue run q $option $number -- cat
      is 75 "$status"
      is "ml-queue: $option takes 1 to 1000, not $number" "$output"
    done
  done
}

@test "ml-queue retry: a runner that watches takes each retried entry soon" {
  setup_queue
  for i in 1 2 3 4 5 6 7 8; do put q e$i x; done
  ml-queue run q --watch -- 'cat >/dev/null; [ -e go ] || exit 75' 3>&- &
  runner=$!
  all_wait() { is 8 "$(ml-queue list q | grep -c later)" >/dev/null; }
  until_true all_wait
  touch go
  ml-queue retry q
  until_true is_empty
  kill $runner
  wait $runner
}

@test "ml-queue: held posts are held and list tells of their list and From and Subject oldest first" {
  ml-list create news@x.org
  for subject in one two three four five; do
    message "$subject =?utf-8?q?=C3=A9?=" | ml-receive --post nobody --else hold --log log news@x.org >/dev/null
    # The clock of files goes in ticks of milliseconds.
    touch before
    until touch now && [ now -nt before ]; do :; done
  done
  is "one two three four five" "$(ml-queue list held | cut -f11 | cut -d' ' -f1 | paste -sd' ')"
  is "held news@x.org Ann Author <ann@example.org> one é" "$(ml-queue list held | head -n 1 | cut -f2,9- | tr '\t' ' ')"
  ml-queue list | grep -q $'^held\t0 due\t0 later\t5 held'
  ml-queue list --json held | python3 -c 'import json, sys
first = json.load(sys.stdin)[0]
assert (first["state"], first["list"], first["subject"]) == ("held", "news@x.org", "one é"), first'
}

@test "ml-queue: show --message prints the message of an entry and is 1 where there is none" {
  ml-list create news@x.org
  stream ann@example.org | ml-queue put q
  ml-queue show --message q x1 | cmp - <(message)
  is 1 "$(ml-queue show --message q x1 | head -n 1 | wc -l)"
  echo hello | ml-queue put q --name text
  run ml-queue show --message q text
  is 1 "$status"
  run ml-queue show --message q none
  is 1 "$status"
  run ml-queue show --message --json q x1
  is 64 "$status"
}

@test "ml-queue: --metrics takes the place of plain files only" {
  ml-list create news@x.org
  mkfifo pipe
  run ml-queue list --metrics pipe
  is 75 "$status"
  [[ "$output" == *"pipe is no plain file"* ]]
  [ -p pipe ]
}

@test "ml-queue list: a list that a message names forges no row" {
  ml-list create news@x.org
  printf 'message\tm1\ta@x.org\taGkK\tlist=x\\nforged\\tdue\nend\t0\n' | ml-queue put held --name one 2>/dev/null
  is 1 "$(ml-queue list held | wc -l)"
}

@test "ml-queue: put of nothing makes no queue" {
  ml-list create news@x.org
  run ml-queue put new </dev/null
  is 75 "$status"
  is "" "$(ml-queue list)"
}
