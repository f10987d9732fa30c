load common

# A home with two lists, and a relay on loopback.
setup_list() {
  local list
  for list in news@x.org long-list-name-of-ours@x.org; do
    ml-list create $list --owner owner@example.org
    printf '%s\n' ann@example.org bob@example.com cy@example.net | ml-store import $list - >/dev/null
  done
  smtp-sink --port 0 --port-file port --log log "$@" 2>sink.err >sink.out 3>&- &
  sink=$!
  until_true test -s port
  site 'pause = 1' 'max-wait = 1'
}
# site LINE...: the settings of the site, with our relay in them.
site() {
  { printf 'via = "smtp://127.0.0.1:%s"\nlog = "%s/log.txt"\n' "$(cat port)" "$PWD"
    printf '%s\n' "$@"; } >"$ML_HOME/lists.toml"
}
teardown() {
  [ -z "${sink:-}${holders:-}" ] || kill ${sink:-} ${holders:-}
  # The runners that are left end with their home, and until then may still make a file there.
  until_true rm -rf "$ML_HOME" 2>/dev/null
}
until_true() {
  local i
  for ((i = 0; i < 1000; ++i)); do "$@" && return; sleep 0.02; done # polls
  echo "never came true: $*"
  cat log.txt log "$ML_HOME/runner.log" 2>/dev/null | tail -n 20
  return 1
}
delivered() { cut -f2 log 2>/dev/null | LC_ALL=C sort | paste -sd' '; }
has_all() { [ "$(delivered)" = "ann@example.org bob@example.com cy@example.net" ]; }
counts() { [ "$(wc -l <log)" = "$1" ]; }
entries() { ml-queue list "$1" | wc -l; }
# stored QUEUE: the stream in the one entry of a queue.
stored() { ml-queue show "$1" "$(ml-queue list "$1" | cut -f1)"; }
# held QUEUE...: as if a runner had these, one that never takes an entry.
held() {
  local queue
  for queue; do
    ml-queue put "$queue" --name x <<<x 2>/dev/null
    ml-queue remove "$queue" x
    python3 -c 'import fcntl, signal, sys
lock = open(sys.argv[1], "a+")
fcntl.lockf(lock, fcntl.LOCK_EX)
signal.pause()' "$ML_HOME/queue/$queue/runner.0" 3>&- &
    holders+=" $!"
    is_held() { ml-queue list | grep "^$queue	" | grep -vq 'no runner'; }
    until_true is_held
  done
}

@test "ml-run: a first post is delivered with nothing but ml-run called" {
  setup_list
  run ml-run news@x.org < <(message)
  is 0 "$status"
  is "" "$output"
  until_true has_all
  gone() { ml-queue list | grep -q '^post.*no runner'; }
  until_true gone
  is 0 "$(entries post)"
}

@test "ml-run: the mail server does not wait for the runner that is left behind" {
  setup_list --fault 'dot=silence'
  message | ml-run news@x.org | cat
  is_run() { ml-queue list | grep '^post' | grep -vq 'no runner'; }
  until_true is_run
}

@test "ml-run: Postfix local says it in the environment alone" {
  setup_list
  held post
  SENDER=o_b@example.org RECIPIENT=news@x.org ORIGINAL_RECIPIENT=news@x.org LOCAL=news DOMAIN=x.org \
    USER=news EXTENSION= ml-run < <(printf 'Return-Path: <ann@example.org>\n'; message)
  [[ "$(stored post)" == *$'\tlist=news@x.org\tauthor=ann@example.org'* ]]
}

@test "ml-run: an alias that Postfix rewrote to is found by the original recipient" {
  setup_list
  held post
  SENDER=ann@example.org RECIPIENT=news-local@host.x.org ORIGINAL_RECIPIENT=news@x.org \
    LOCAL=news-local DOMAIN=host.x.org ml-run < <(message)
  is 1 "$(entries post)"
}

@test "ml-run: pipe of Postfix and sendmail say it in arguments and the null sender is empty" {
  setup_list
  held post bounces
  ml-run -f ann@example.org -- NEWS@X.ORG < <(message)
  is 1 "$(entries post)"
  for null in '' '<>' MAILER-DAEMON; do
    ml-run -f "$null" -- news-bounces+x@x.org < <(message "null $null")
  done
  is 3 "$(entries bounces)"
  run ml-run -f ann@example.org -- news@x.org bob@example.org < <(message)
  is 75 "$status"
}

@test "ml-run: Exim says it in the environment with the suffix apart" {
  setup_list
  held bounces
  SENDER= LOCAL_PART=long-list-name-of-ours LOCAL_PART_SUFFIX=-bounces+Abc=d DOMAIN=x.org \
    MESSAGE_ID=1-2-3 ml-run < <(message)
  [[ "$(stored bounces)" == *$'\tml.recipient=long-list-name-of-ours-bounces+Abc=d@x.org'* ]]
}

@test "ml-run: OpenSMTPD says it in the environment" {
  setup_list
  held bounces
  SENDER= RECIPIENT=news-bounces+x@x.org LOCAL=news-bounces+x DOMAIN=x.org ml-run < <(message)
  [[ "$(stored bounces)" == *$'\tauthor=<>\tml.role=bounces\tml.recipient=news-bounces+x@x.org'* ]]
}

@test "ml-run: qmail says it in the environment for a domain of a user" {
  setup_list
  held post
  SENDER=ann@example.org RECIPIENT=mlpipe-news@x.org LOCAL=mlpipe-news EXT=news HOST=x.org \
    USER=mlpipe ml-run < <(message)
  is 1 "$(entries post)"
}

@test "ml-run: list and role of the command line and the recipient that agrees" {
  setup_list
  held bounces
  SENDER= RECIPIENT=news-bounces+abc@x.org ml-run news@x.org bounces < <(message)
  [[ "$(stored bounces)" == *$'\tml.recipient=news-bounces+abc@x.org'* ]]
  SENDER= RECIPIENT=other@x.org ml-run news@x.org bounces < <(message other)
  ml-queue list bounces | cut -f1 | while read -r id; do ml-queue show bounces "$id"; done >both
  grep -q $'\tml.recipient=news-bounces@x.org$' both
}

@test "ml-run: an unknown address is 65 and a list that the operator misspelt is 75" {
  setup_list
  run ml-run -f ann@example.org -- olds@x.org < <(message)
  is 65 "$status"
  is "5.1.1 no such list: olds@x.org" "$output"
  RECIPIENT=olds@x.org run ml-run < <(message)
  is 65 "$status"
  for words in olds@x.org news 'news@x.org nobody' '| cat'; do
    run ml-run $words < <(message)
    is 75 "$status"
  done
  run ml-run < <(message)
  is 75 "$status"
  run ml-run news@x.org </dev/null
  is 75 "$status"
}

@test "ml-run: verdicts are told while the mail server waits" {
  setup_list
  run ml-run news@x.org < <(message | sed s/ann@/eve@/)
  is 77 "$status"
  is "5.7.1 only subscribers may post to news@x.org" "$output"
  echo 'max-size = 10' >>"$ML_HOME/lists.toml"
  run ml-run news@x.org < <(message)
  is 65 "$status"
  [[ "$output" == "5.3.4 "* ]]
  [ ! -e "$ML_HOME/queue/post" ] || is 0 "$(entries post)"
}

@test "ml-run: a message that is too big is read to its end and refused" {
  setup_list
  status=0
  { message; head -c 110000000 /dev/zero && echo written >&3; } 3>whole | ml-run news@x.org 2>said || status=$?
  is "5.3.4 message too big: more than 104857600 octets are not taken here" "$(cat said)"
  is 65 "$status"
  is written "$(cat whole)"
}

@test "ml-run: a held post waits for a person and goes on its way when released" {
  setup_list
  echo 'else = "hold"' >>"$ML_HOME/lists.toml"
  ml-run news@x.org < <(message | sed s/ann@/eve@/)
  is 1 "$(entries held)"
  ml-queue release held "$(ml-queue list held | cut -f1)"
  until_true has_all
}

@test "ml-run: mail to the owner reaches the owner and one without a pipeline too" {
  setup_list
  for role in owner request; do ml-run news@x.org $role < <(message $role); done
  two() { [ "$(delivered)" = "owner@example.org owner@example.org" ]; }
  until_true two
}

# Every way in which mail for another role than post could come to the subscribers, who are ann, bob
# and cy. owners.txt is of the pipeline that owner has then; owner@example.org of none.
setup_owner_pipeline() {
  setup_list "$@"
  printf '%s\n' one@example.org bob@example.com >owners.txt
  owner_pipeline="pipeline.owner = ['ml-receive', 'ml-expand --to $PWD/owners.txt', 'ml-send']"
  site "$owner_pipeline" 'post = "anyone"' 'pause = 1' 'max-wait = 0'
}
both_owners() { [ "$(delivered)" = "bob@example.com one@example.org" ]; }
is_empty() { [ ! -e "$ML_HOME/queue/$1" ] || [ "$(entries "$1")" = 0 ]; }

@test "ml-run: an owner whom the relay puts off gets the mail through the queue outbound" {
  setup_owner_pipeline --fault 'rcpt~one<1=450 4.2.0 later'
  ml-run news@x.org owner < <(message)
  until_true both_owners
  until_true is_empty outbound
  is_empty failed
}

@test "ml-run: an owner whom the relay refuses is told to ml-bounce" {
  setup_owner_pipeline --fault 'rcpt~bob=550 5.1.1 no such user'
  ml-run news@x.org owner < <(message)
  marked() { ml-store show news@x.org bob@example.com | grep -q bouncing; }
  until_true marked
  until_true is_empty bounces
  is_empty failed
}

@test "ml-run: one message to the list and to its owners is two and reaches both" {
  setup_owner_pipeline
  ml-run -f ann@example.org -- news@x.org < <(message)
  until_true has_all
  ml-run -f ann@example.org -- news-owner@x.org < <(message)
  all() { [ "$(delivered)" = "ann@example.org bob@example.com bob@example.com cy@example.net one@example.org" ]; }
  until_true all
}

@test "ml-run: held mail to the owner goes to the owner when released and to no subscriber" {
  setup_owner_pipeline
  site "$owner_pipeline" 'post = "nobody"' 'else = "hold"' 'pause = 1'
  ml-run -f eve@example.org -- news-owner@x.org < <(message)
  ml-run -f eve@example.org -- news@x.org < <(message)
  is 2 "$(entries held)"
  ml-queue remove held "$(ml-queue list held | cut -f1 | while read -r id; do
    ml-queue show held "$id" | grep -q ml.received= || echo "$id"; done)"
  ml-queue release held "$(ml-queue list held | cut -f1)"
  until_true both_owners
  until_true is_empty owner
  is_empty post
}

@test "ml-run: held mail to the owner is released past a runner of post that sends to subscribers" {
  setup_owner_pipeline
  site "$owner_pipeline" 'post = "nobody"' 'else = "hold"'
  held post owner
  ml-run -f eve@example.org -- news-owner@x.org < <(message)
  ml-queue release held "$(ml-queue list held | cut -f1)"
  is 0 "$(entries post)"
  is 1 "$(entries owner)"
}

@test "ml-run: mail for another role that a person moves to the queue post reaches no subscriber" {
  setup_owner_pipeline
  held post owner request outbound
  site "$owner_pipeline" 'pipeline.request = ["cat >/dev/null"]' 'post = "anyone"'
  for role in owner request subscribe; do ml-run -f eve@example.org -- news-$role@x.org < <(message $role); done
  for queue in owner request outbound; do
    ml-queue release "$queue" "$(ml-queue list "$queue" | cut -f1)" --to post
  done
  is 3 "$(entries post)"
  for id in $(ml-queue list post | cut -f1); do
    ml-queue show post "$id" >entry
    ml-run --from post <entry >>out 2>&1 3>&- || true
    ml-expand <entry >>expanded 2>>said || true
  done
  cat out expanded said
  [ "$(delivered)" = "bob@example.com one@example.org" ]
  is owner@example.org "$(grep ^rcpt expanded | cut -f2)"
  is 2 "$(grep -c 'not for its subscribers' said)"
}

@test "ml-run: mail for another role is marked where its ml-receive was not told of the recipient" {
  setup_owner_pipeline
  held owner
  site "pipeline.owner = ['env -u RECIPIENT ml-receive news@x.org', 'ml-send']" 'post = "anyone"'
  ml-run -f eve@example.org -- news-owner@x.org < <(message)
  stored owner | grep -q $'^message.*\tml.received=owner$'
}

@test "ml-run: without a role the address of the envelope says it where it is of the list" {
  setup_list
  held post
  RECIPIENT=news-owner@x.org SENDER=eve@example.org ml-run news@x.org < <(message)
  one() { [ "$(delivered)" = owner@example.org ]; }
  until_true one
  RECIPIENT=news-owner@x.org SENDER=ann@example.org ml-run news@x.org post < <(message post)
  RECIPIENT=long-list-name-of-ours-owner@x.org SENDER=ann@example.org ml-run news@x.org < <(message other)
  is 2 "$(entries post)"
}

@test "ml-run: owners that are the list itself get nothing from it and the mail server keeps the mail" {
  setup_list
  site 'post = "anyone"'
  for owner in news@x.org NEWS-owner@x.org news+x@x.org; do
    echo "owner = '$owner'" >"$ML_HOME/lists/x.org/news.toml"
    run ml-run -f ann@example.org -- news-owner@x.org < <(message)
    is 75 "$status"
    [[ "$output" == *"nobody else owns news@x.org: set owner in lists/x.org/news.toml"* ]]
  done
  echo 'owner = ["news@x.org", "own@example.org"]' >"$ML_HOME/lists/x.org/news.toml"
  ml-run -f ann@example.org -- news-owner@x.org < <(message)
  one() { [ "$(delivered)" = own@example.org ]; }
  until_true one
}

@test "ml-run: a bounce marks its subscriber" {
  setup_list
  ml-run news@x.org < <(message)
  until_true has_all
  sender=$(awk -F'\t' '$2 == "bob@example.com" { print $1 }' log)
  { printf 'From: MAILER-DAEMON@mx.example.com\nTo: %s\nSubject: failed\nMIME-Version: 1.0\n' "$sender"
    printf 'Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n'
    printf -- '--b\n\ngone\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n'
    printf 'Final-Recipient: rfc822; bob@example.com\nAction: failed\nStatus: 5.1.1\n'
    printf 'Diagnostic-Code: smtp; 550 5.1.1 no such user\n\n--b--\n'; } >bounce
  RECIPIENT=$sender ml-run news@x.org bounces <bounce
  marked() { ml-store show news@x.org bob@example.com | grep -q bouncing; }
  until_true marked
}

@test "ml-run: a pipeline of one's own with filters before and behind ml-receive" {
  setup_list
  echo 'pipeline.post = ["sed s/hello/changed/", "ml-receive --post anyone", "ml-expand", "ml-rcpts -- grep -v bob@", "ml-verp | cat", "ml-send"]' \
    >>"$ML_HOME/lists.toml"
  run ml-run news@x.org < <(message | sed s/ann@/eve@/)
  is "" "$output"
  is 0 "$status"
  two() { [ "$(delivered)" = "ann@example.org cy@example.net" ]; }
  until_true two
}

@test "ml-run: a killed stage and one with another status are 75 and keep the message" {
  setup_list
  for stage in 'kill -9 $$' 'exit 1' 'exit 64' 'no-such-program' 'kill -11 $$'; do
    site "pipeline.post = ['cat; $stage', 'ml-receive']"
    run ml-run news@x.org < <(message)
    is 75 "$status"
    [[ "$output" == "ml-run: "* ]]
  done
  [ ! -e "$ML_HOME/queue/post" ] || is 0 "$(entries post)"
  site 'pipeline.post = ["ml-receive", "ml-expand", "sh -c \"kill -9 $$\"", "ml-send"]' 'pause = 100'
  ml-run news@x.org < <(message)
  put_off() { ml-queue list post | grep -q 'later.*killed by signal 9'; }
  until_true put_off
  is "" "$(delivered)"
}

@test "ml-run: what a file had before is not cut off with a stream that nobody reads" {
  setup_list
  site 'pipeline.post = ["ml-receive", "ml-expand"]'
  ml-receive news@x.org < <(message) >entry
  status=0
  { echo kept; ml-run --from post <entry 3>&- 2>/dev/null || status=$?; } 1<>out
  is 75 "$status"
  is kept "$(cat out)"
}

@test "ml-run: a pipeline that delivers nothing keeps the post and says so until it is mended" {
  setup_list
  site 'pipeline.post = ["ml-receive", "ml-expand", "ml-verp"]' 'pause = 100'
  ml-run news@x.org < <(message)
  put_off() { ml-queue list post | grep -q "later.*'ml-verp' at the end of .pipeline. post delivers nothing"; }
  until_true put_off
  site
  ml-queue retry post
  all() { [ "$(delivered)" = "ann@example.org bob@example.com cy@example.net" ]; }
  until_true all
}

@test "ml-run: the refused that a line of the shell leaves as a stream are not cut off" {
  setup_list
  site "pipeline.post = ['ml-receive', 'ml-expand | ml-send --via smtp://127.0.0.1:1 --max-wait 0 --undelivered - || :']"
  ml-receive news@x.org < <(message) >entry
  ml-run --from post <entry 3>&- 1<>out
  is 3 "$(grep -c ^rcpt out)"
}

@test "ml-run: a killed stage is told rather than the 75 of one whose pipe it broke" {
  setup_list
  site "pipeline.post = ['cat >/dev/null; exit 75', 'kill -9 \$\$', 'ml-receive']"
  run ml-run news@x.org < <(message)
  is 75 "$status"
  [[ "$output" == *"killed by signal 9"* ]]
}

@test "ml-run: the verdict of a filter before ml-receive reaches the author" {
  setup_list
  site "pipeline.post = ['cat >/dev/null; echo 5.7.1 spam >&2; exit 77', 'ml-receive']"
  run ml-run news@x.org < <(message)
  is 77 "$status"
  is "5.7.1 spam" "$output"
}

@test "ml-run: stages see a fixed environment and no descriptor of the mail server" {
  setup_list
  site "pipeline.post = ['env | sort >$PWD/env; ls /proc/self/fd >$PWD/fds; ml-receive \$LIST', 'ml-expand', 'ml-send']"
  exec 9<port
  LD_PRELOAD= BASH_ENV=x SECRET=y SENDER=ann@example.org RECIPIENT=news@x.org ml-run < <(message)
  exec 9<&-
  is "HOME LC_ALL LIST ML_HOME PATH RECIPIENT ROLE SENDER" \
    "$(cut -d= -f1 env | grep -vE '^(PWD|_|SHLVL|OLDPWD)$' | paste -sd' ')"
  is "0 1 2 3" "$(paste -sd' ' fds)" # 3 is of ls itself
}

@test "ml-run: ml-* come from beside ml-run and never from PATH" {
  setup_list
  mkdir evil
  for program in ml-receive ml-expand ml-verp ml-send ml-queue; do
    printf '#!/bin/sh\ntouch %s/wrong\n' "$PWD" >evil/$program
  done
  chmod 755 evil/*
  PATH="$PWD/evil:$PATH" "$BUILD_DIR/bin/ml-run" news@x.org < <(message)
  until_true has_all
  [ ! -e wrong ]
}

@test "ml-run: without programs to run the queue it stores nothing" {
  setup_list
  mkdir alone
  cp "$BUILD_DIR/bin/ml-run" alone/
  run alone/ml-run news@x.org < <(message)
  is 75 "$status"
  [[ "$output" == *"nobody runs the queue post"* ]]
  [ ! -e "$ML_HOME/queue/post" ] || is 0 "$(entries post)"
}

@test "ml-run: the same message twice is one entry" {
  setup_list
  held post
  for i in 1 2 3; do ml-run news@x.org < <(message); done
  is 1 "$(entries post)"
}

@test "ml-run: killed at any call that matters the message is queued once or not at all" {
  setup_list
  held post
  message >mail
  strace -qqo calls -f -e trace=openat,write,fsync,renameat,flock,read ml-run news@x.org <mail
  for call in openat write fsync renameat flock read; do
    times=$(grep -cE "^[0-9]+ +$call\(" calls)
    for ((when = 1; when <= times; ++when)); do
      rm -f "$ML_HOME"/queue/post/?/* "$ML_HOME"/queue/post/tmp/*
      run strace -qqo /dev/null -e inject=$call:signal=KILL:when=$when ml-run news@x.org <mail
      [ "$(entries post)" -le 1 ]
      ml-run news@x.org <mail
      is 1 "$(entries post)"
      stored post | tail -n 1 | grep -qx $'end\t0'
    done
  done
}

@test "ml-run: a file-size limit below the message is 75 and says what to set" {
  setup_list
  run bash -c 'ulimit -f 100; { printf "From: ann@example.org\n\n"; head -c 90000 /dev/zero | tr "\0" x; } | ml-run news@x.org'
  is 75 "$status"
  [[ "$output" == *mailbox_size_limit* ]]
}

@test "ml-run: a second post goes out while the first is stuck" {
  setup_list
  mkfifo gate
  cat >filter <<'F'
#!/bin/sh
cat >stream.$$
if cut -f4 stream.$$ | base64 -d 2>/dev/null | grep -q 'Subject: stuck'; then cat gate >&2; fi
cat stream.$$
F
  chmod 755 filter
  site "pipeline.post = ['ml-receive', 'ml-expand', 'cd $PWD; ./filter', 'ml-send']"
  ml-run news@x.org < <(message stuck)
  is_running() { ml-queue list post | grep -q running; }
  until_true is_running
  ml-run news@x.org < <(message free)
  until_true has_all
  echo >gate
  six() { counts 6; }
  until_true six
}

@test "ml-run: a reply that comes after the runner slept wakes it" {
  setup_list --fault 'rcpt~bob<1=450 4.2.0 later'
  site 'pause = 1' 'max-wait = 0'
  ml-run news@x.org < <(message)
  until_true has_all
}

@test "ml-run: what a relay in trouble leaves waits once and for the relay's reason" {
  setup_list
  kill "$sink"
  wait "$sink" || true
  sink=
  site 'pause = 60' 'max-wait = 0'
  for i in 1 2 3 4; do ml-run news@x.org < <(message "number $i"); done
  put_off() { [ "$(ml-queue list outbound | cut -f2,7 | grep -c $'^later\t1')" = 4 ]; }
  until_true put_off
  ml-queue list outbound
  is 4 "$(ml-queue list outbound | cut -f8 | grep -c 'Connection refused')"
}

# The relay refuses connections for ten seconds; meanwhile a post to BIG recipients is taken, and two
# hundred to the three of another list.
@test "ml-run: 200 posts while one to 100,000 is stuck at a relay that refuses for ten seconds: none lost and none doubled" {
  local big=${BIG:-100000} small=200 end i
  setup_list
  ml-list create big@x.org
  seq -f 'user%.0f@example.org' $big | ml-store import big@x.org - >/dev/null
  port=$(cat port)
  kill "$sink"
  wait "$sink" || true
  end=$((SECONDS + 10))
  site 'pause = 1' 'max-pause = 1' 'max-wait = 1' 'post = "anyone"'
  ml-run big@x.org < <(message big)
  for i in $(seq $small); do
    message "post $i" | sed "s/<1@/<$i@/" | ml-run news@x.org
  done
  # All are ours now, and the relay has taken nothing yet.
  is 0 "$(wc -l <log)"
  over() { [ "$SECONDS" -ge "$end" ]; }
  until_true over
  smtp-sink --port "$port" --log log 2>sink.err >sink.out 3>&- &
  sink=$!
  is_empty() { [ ! -e "$ML_HOME/queue/$1" ] || [ "$(entries "$1")" = 0 ]; }
  all() { [ "$(wc -l <log)" -ge $((big + 3 * small)) ] && is_empty post && is_empty outbound; }
  until_true all || until_true all
  # A sender is of one recipient and one message.
  is $((big + 3 * small)) "$(wc -l <log)"
  is $((big + 3 * small)) "$(cut -f1 log | LC_ALL=C sort -u | wc -l)"
  is $big "$(grep -c $'\tuser' log)"
  # The small ones did not wait for the end of the big one.
  is $small "$(grep -c $'\tann@' log)"
  # (With the sanitizers a program takes longer to start than a thousand copies: a quarter of them.)
  number() { grep -n "$1" log | sed -n "$2p" | cut -d: -f1; } # number PATTERN NTH: its line
  last=$((3 * small))
  [ -z "${SAN:-}" ] || last=$((last / 4))
  last_small=$(number $'\t\\(ann\\|bob\\|cy\\)@' $last)
  last_big=$(number $'\tuser' $big)
  echo "small copy $last is number $last_small, the last big one $last_big"
  [ "$last_small" -lt "$last_big" ]
}

@test "ml-run: after a reboot the first message starts the runners of every queue that has entries" {
  setup_list
  held outbound
  { printf 'message\tx1\tnews-bounces@x.org\t%s\tlist=news@x.org\n' "$(message | base64 -w0)"
    printf 'rcpt\tdan@example.org\t-\nend\t0\n'; } | ml-queue put outbound
  kill $holders
  holders=
  is 1 "$(entries outbound)"
  is "" "$(delivered)"
  ml-run news@x.org < <(message)
  all() { [ "$(delivered)" = "ann@example.org bob@example.com cy@example.net dan@example.org" ]; }
  until_true all
}

@test "ml-run: what a queue gives up is told to ml-bounce and to nobody else" {
  setup_list
  kill "$sink"
  wait "$sink" || true
  sink=
  site 'pause = 1' 'max-wait = 0' 'give-up = 2'
  ml-run news@x.org < <(message)
  told() { [ "$(grep -c 'ml-bounce: nobody is marked for a delivery that was given up' log.txt)" = 3 ]; }
  until_true told
  is_empty() { [ ! -e "$ML_HOME/queue/$1" ] || [ "$(entries "$1")" = 0 ]; }
  until_true is_empty bounces
  is_empty outbound
  is_empty failed
  is 3 "$(ml-store export news@x.org | grep -c "@.*active")"
}
