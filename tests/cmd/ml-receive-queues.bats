bats_require_minimum_version 1.5.0
load common
eval "common_$(declare -f setup)"

# ml-receive --maildir and --bsmtp. The lists keep what is posted to them in the queue held, where no
# runner takes it away.
setup() {
  common_setup
  for list in news dev; do
    ml-list create $list@x.org
    printf 'post = "nobody"\nelse = "hold"\n' >"$ML_HOME/lists/x.org/$list.toml"
  done
  mkdir -p mail/{new,cur,tmp}
}

teardown() {
  [ -z "${watcher:-}" ] || kill "$watcher" 2>/dev/null || true
}

# held: the entries kept, a path a line.
held() { find "$ML_HOME/queue/held" -regex '.*/[a-z2-7]/r[a-z2-7.]+' 2>/dev/null; }

# drop NAME [RECIPIENT] [SUBJECT]: as Postfix virtual(8) delivers into ./mail.
drop() {
  { printf 'Return-Path: <ann@example.org>\nX-Original-To: %s\nDelivered-To: %s\n' "${2:-news@x.org}" "${2:-news@x.org}"
    printf 'Received: by mx.x.org\n'; message "${3:-hello}"; } >mail/tmp/"$1"
  mv mail/tmp/"$1" mail/new/
}

maildir() { ml-receive --maildir mail --log log "$@"; }

# batch RCPT...: one message for these.
batch() {
  printf 'MAIL FROM:<ann@example.org>\n'
  printf 'RCPT TO:<%s>\n' "$@"
  printf 'DATA\n'
  message
  printf '.\n'
}

bsmtp() { ml-receive --bsmtp --log log; }

# --- Maildir --------------------------------------------------------------------------------

@test "ml-receive --maildir: what Postfix dropped is taken for whom it names and is gone" {
  drop 1 news@x.org
  drop 2 dev@x.org other
  maildir
  is 2 "$(held | wc -l)"
  is "author=ann@example.org author=ann@example.org" "$(cat $(held) | tr '\t' '\n' | grep ^author | paste -sd' ')"
  is "" "$(find mail -type f)"
}

@test "ml-receive --maildir: the recipient above the first Received decides and none below it" {
  { printf 'Received: by mx.x.org\nDelivered-To: news@x.org\n'; message; } >mail/new/1
  maildir
  is "" "$(held)"
  grep -q '^X-Mlpipe-Rejected: 5.1.0 ' mail/.rejected/new/1
}

@test "ml-receive --maildir: of the recipients it names the one that is a list here counts" {
  { printf 'X-Original-To: news@x.org\nDelivered-To: lists+local@mx.x.org\n'; message; } >mail/new/1
  maildir
  is 1 "$(held | wc -l)"
}

@test "ml-receive --maildir: with a list every message is for it" {
  message >mail/new/1
  maildir dev@x.org
  grep -q 'list=dev@x.org' "$(held)"
}

@test "ml-receive --maildir: with a list what came to its owner is still for the owner" {
  echo 'pipeline.owner = ["ml-receive", "ml-send"]' >>"$ML_HOME/lists/x.org/news.toml"
  drop 1 news-owner@x.org
  drop 2 dev@x.org other
  maildir news@x.org
  is 2 "$(held | wc -l)"
  is 2 "$(cat $(held) | grep -c '^message.*list=news@x.org')"
  is 1 "$(cat $(held) | grep -c '^message.*ml.received=owner$')"
}

@test "ml-receive --maildir: a list that is not there is 75 and nothing is touched" {
  drop 1
  run maildir nosuch@x.org
  is 75 "$status"
  [[ "$output" == *"nosuch@x.org: no such list"* ]]
  is mail/new/1 "$(find mail -type f)"
  run --separate-stderr maildir nosuch@x.org --watch
  is 75 "$status"
}

@test "ml-receive --maildir: what is refused is in a folder with the reason on top and whole below" {
  : >"$ML_HOME/lists/x.org/news.toml" # only subscribers may post
  drop 1 news@x.org
  drop 2 nobody@x.org
  cp mail/new/1 one
  maildir
  is "X-Mlpipe-Rejected: 5.7.1 only subscribers may post to news@x.org" "$(head -n 1 mail/.rejected/new/1)"
  tail -n +2 mail/.rejected/new/1 | cmp - one
  grep -q '^X-Mlpipe-Rejected: 5.1.1 ' mail/.rejected/new/2
  is "" "$(find mail/new mail/mlpipe -type f)"
}

@test "ml-receive --maildir: trouble of ours is 75 and the message waits and is first the next time" {
  drop 1
  drop 2 dev@x.org
  echo 'post = 7' >"$ML_HOME/lists/x.org/news.toml"
  run maildir
  is 75 "$status"
  is 1 "$(held | wc -l)"
  is mail/mlpipe/1 "$(find mail -type f)"
  printf 'post = "nobody"\nelse = "hold"\n' >"$ML_HOME/lists/x.org/news.toml"
  maildir
  is 2 "$(held | wc -l)"
  is "" "$(find mail -type f)"
}

@test "ml-receive --maildir: other readers' files and directories stay" {
  message >mail/cur/1:2,S
  message >mail/new/.hidden
  mkdir mail/new/directory
  ln -s /etc/passwd mail/new/link
  maildir
  is "" "$(held)"
  is "mail/cur/1:2,S mail/new/.hidden" "$(find mail -type f | sort | paste -sd' ')"
}

@test "ml-receive --maildir: two at once take each message once" {
  for ((i = 0; i < 100; ++i)); do drop $i news@x.org "message $i"; done
  maildir &
  maildir
  wait $!
  is 100 "$(held | wc -l)"
  is "" "$(find mail -type f)"
}

@test "ml-receive --maildir: many messages are synced side by side" {
  for ((i = 0; i < 64; ++i)); do drop $i news@x.org "message $i"; done
  strace -f -o calls -e trace=fsync -e inject=fsync:delay_enter=5000 ml-receive --maildir mail --log log
  is 64 "$(held | wc -l)"
  [ "$(grep -c 'fsync.*unfinished' calls)" -gt 32 ] # another one began before it had ended
}

@test "ml-receive --maildir: killed at any call the message is in the Maildir or taken and then taken once" {
  local call n kills=0
  for call in openat rename renameat unlink write fsync syncfs flock; do
    for n in {1..60}; do
      rm -rf "$ML_HOME/queue" mail/mlpipe mail/new/*
      drop 1
      status=0
      strace -qqo /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n \
        ml-receive --maildir mail --log log 2>errors || status=$?
      [ $status -ne 0 ] || break # this call was not made that often
      kills=$((kills + 1))
      [ -n "$(find mail/new mail/mlpipe -type f; held)" ]
      maildir
      is "$call $n: 1" "$call $n: $(held | wc -l)"
      is "" "$(find mail/new mail/mlpipe -type f)"
    done
  done
  [ "$kills" -ge 20 ]
}

@test "ml-receive --maildir: killed at any call a refused message is in the Maildir or in its folder" {
  local call n kills=0
  : >"$ML_HOME/lists/x.org/news.toml"
  for call in openat mkdir rename unlink write fsync; do
    for n in {1..60}; do
      rm -rf mail/.rejected mail/mlpipe mail/new/*
      drop 1
      status=0
      strace -qqo /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n \
        ml-receive --maildir mail --log log 2>errors || status=$?
      [ $status -ne 0 ] || break # this call was not made that often
      kills=$((kills + 1))
      [ -n "$(find mail/new mail/mlpipe mail/.rejected/new -type f 2>/dev/null)" ]
      maildir
      is mail/.rejected/new/1 "$(find mail -type f)"
      is "$call $n: 1" "$call $n: $(grep -c '^X-Mlpipe-Rejected: 5.7.1' mail/.rejected/new/1)"
    done
  done
  [ "$kills" -ge 15 ]
}

@test "ml-receive --maildir --watch: what comes is taken at once until it is told to leave" {
  ml-receive --maildir mail --watch --log log 2>errors &
  watcher=$!
  drop 1
  until [ "$(held | wc -l)" = 1 ]; do sleep 0.02; done # polls
  drop 2 dev@x.org
  until [ "$(held | wc -l)" = 2 ]; do sleep 0.02; done # polls
  kill "$watcher"
  wait "$watcher"
  watcher=
  is "" "$(find mail -type f)"
}

@test "ml-receive --maildir --watch: a Maildir that is taken away is 75" {
  ml-receive --maildir mail --watch --log log 2>errors &
  watcher=$!
  drop 1
  until [ "$(held | wc -l)" = 1 ]; do sleep 0.02; done # polls
  rm -r mail
  status=0
  wait "$watcher" || status=$?
  watcher=
  is 75 "$status"
}

@test "ml-receive --maildir: no Maildir or options that it does not take are 75" {
  for arguments in "--maildir nowhere" "--maildir mail --post anyone" "--watch news@x.org" "--bsmtp news@x.org" \
    "--bsmtp --maildir mail" "--maildir mail no@such.list@at.all"; do
    run ml-receive $arguments </dev/null
    is "$arguments 75" "$arguments $status"
  done
}

# --- batched SMTP ---------------------------------------------------------------------------

@test "ml-receive --bsmtp: several messages for several lists in one run" {
  { batch news@x.org dev@x.org; batch dev@x.org | sed 's/Hello/Again/'; echo QUIT; } | bsmtp
  is 3 "$(held | wc -l)"
  cat $(held) | tr '\t' '\n' | grep -c ^author=ann@example.org | grep -qx 3
}

@test "ml-receive --bsmtp: lines may end in CRLF and dots are unstuffed" {
  { batch news@x.org | sed 's/^Hello/..Hello/; s/$/\r/'; } | bsmtp
  is .Hello. "$(decoded <"$(held)" | tail -n 1)"
}

@test "ml-receive --bsmtp: one for whom nobody is here is 65 and one who may not post 77" {
  run --separate-stderr bsmtp < <(batch nobody@x.org)
  is 65 "$status"
  [[ "$stderr" == "5.1.1 "* ]]
  : >"$ML_HOME/lists/x.org/news.toml"
  run --separate-stderr bsmtp < <(batch news@x.org)
  is 77 "$status"
  is "5.7.1 only subscribers may post to news@x.org" "$stderr"
}

@test "ml-receive --bsmtp: where some are refused the others have it and the text says so" {
  run --separate-stderr bsmtp < <(batch news@x.org nobody@x.org dev@x.org)
  is 65 "$status"
  [[ "$stderr" == "5.1.1 "*"(refused for 1 of 3 recipients; the others have it)" ]]
  is 2 "$(held | wc -l)"
}

@test "ml-receive --bsmtp: any trouble of ours is 75 and the same batch again doubles nothing" {
  echo 'post = 7' >"$ML_HOME/lists/x.org/dev.toml"
  run --separate-stderr bsmtp < <(batch news@x.org nobody@x.org dev@x.org)
  is 75 "$status"
  [[ "$stderr" == "ml-receive: dev@x.org: "* ]]
  is 1 "$(held | wc -l)"
  printf 'post = "nobody"\nelse = "hold"\n' >"$ML_HOME/lists/x.org/dev.toml"
  run bsmtp < <(batch news@x.org dev@x.org)
  is 0 "$status"
  is 2 "$(held | wc -l)"
}

@test "ml-receive --bsmtp: a batch that is cut anywhere is 75 and nothing is there twice in the end" {
  { batch news@x.org; batch dev@x.org; } >whole
  size=$(stat -c %s whole)
  for ((n = 1; n < size; n += 7)); do
    run bsmtp < <(head -c $n whole)
    [ "$status" = 75 ] || [ "$(tail -c 2 < <(head -c $n whole))" = . ]
  done
  bsmtp <whole
  is 2 "$(held | wc -l)"
}

@test "ml-receive --bsmtp: killed at any call and given again each message is there once" {
  { batch news@x.org dev@x.org; batch dev@x.org | sed 's/Hello/Again/'; } >whole
  local call n kills=0
  for call in read write fsync syncfs renameat; do
    for n in {1..60}; do
      rm -rf "$ML_HOME/queue"
      status=0
      strace -fqqo /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n \
        ml-receive --bsmtp --log log <whole 2>errors || status=$?
      [ $status -ne 0 ] || break # this call was not made that often
      kills=$((kills + 1))
      bsmtp <whole
      is "$call $n: 3" "$call $n: $(held | wc -l)"
    done
  done
  [ "$kills" -ge 15 ]
}

@test "ml-receive --bsmtp: what is no batch is 75" {
  run bsmtp < <(message)
  is 75 "$status"
  run bsmtp </dev/null
  is 75 "$status"
}
