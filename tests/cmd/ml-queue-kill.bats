load common
load entries

# Every operation of a queue is killed at its first, second, third ... call of each system call
# that changes something or makes it durable. Afterwards an entry is there once and whole, or not
# at all, and the same operation again comes to its end.

calls="mkdirat write fsync syncfs renameat unlinkat utimensat fsetxattr"

setup_traced() {
  setup_queue
  strace -qqo /dev/null true 2>/dev/null || skip "strace cannot trace here"
}

# killed CALL N COMMAND...: runs it, killed at the Nth CALL; fails if it never came so far. In $threads
# stands -f where the command has some.
killed() {
  local call=$1 n=$2 status=0
  shift 2
  strace ${threads:-} -qqo /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" "$@" \
    <whole >/dev/null 2>&1 || status=$?
  [ $status -eq 137 ]
}

# there_once QUEUE...: one entry in all of them, and it is whole.
there_once() {
  local found
  found=$(files "$@")
  is 1 "$(grep -c . <<<"$found")"
  cmp -s "$found" whole || cmp -s "$found" left
}

# at_each_call CHECK PREPARE COMMAND...: PREPARE, the command killed, CHECK; for every call.
at_each_call() {
  local check=$1 prepare=$2 call n kills=0
  shift 2
  for call in $calls; do
    for ((n = 1; ; ++n)); do
      until rm -rf "$ML_HOME/queue" 2>/dev/null; do :; done # a runner may be about to leave it
      $prepare
      killed "$call" "$n" "$@" || break
      kills=$((kills + 1))
      echo "killed at $call number $n"
      $check # by itself: left of || only its last command would count
    done
  done
  [ $kills -gt 0 ]
}

nothing() { :; }
put_whole() { ml-queue put q --name one <whole 2>/dev/null; }
put_again() {
  [ -z "$(files q)" ] || there_once q
  put_whole
  there_once q
}

@test "ml-queue put: killed at any call the entry is whole or not there and the next put makes it one" {
  setup_traced
  at_each_call put_again nothing ml-queue put q --name one
}

@test "ml-queue put: killed while it replaces an entry there is the old one or the new" {
  setup_traced
  replaced() { there_once q; put_whole; there_once q; cmp -s "$(files q)" whole; }
  put_left() { ml-queue put q --name one <left 2>/dev/null; }
  at_each_call replaced put_left ml-queue put q --name one
}

@test "ml-queue put: two files killed at any call are each whole or not there" {
  setup_traced
  seq 1 5000 >a; seq 1 6000 >b
  each_whole() {
    local file
    for file in $(files q); do cmp -s "$file" a || cmp -s "$file" b || return 1; done
    [ "$(files q | wc -l)" -le 2 ]
  }
  threads=-f at_each_call each_whole nothing ml-queue put q a b
}

@test "ml-queue run: killed at any call an entry that is done was there once or not at all" {
  setup_traced
  gone_or_again() {
    [ -z "$(files q)" ] || there_once q
    ended() { ml-queue run q -- 'cat >/dev/null'; [ -z "$(files q)" ]; }
    for _ in 1 2 3 4 5 6 7 8 9 10; do ended && return; done
    return 1
  }
  at_each_call gone_or_again put_whole ml-queue run q -- 'cat >/dev/null'
}

@test "ml-queue run: killed at any call an entry put off is there once" {
  setup_traced
  once() { there_once q; }
  at_each_call once put_whole ml-queue run q -- 'cat >/dev/null; exit 75'
}

@test "ml-queue run: killed at any call there is the entry or what is left of it" {
  setup_traced
  once() { there_once q; }
  at_each_call once put_whole ml-queue run q -- 'grep -v ann@; exit 75'
}

# sent: the entry `whole` is of a message that ann has and bob has not, by its journal.
sent() {
  printf '#!/bin/sh\ncat >/dev/null\n[ -e calm ] || exit 75\nfor last; do :; done\n[ "$last" = ann@example.org ] || exit 75\n' >fake
  chmod +x fake
  sed '1s/$/\tlist=news@x.org/; s/^\(rcpt\t\([^@]*\)@.*\t\)-$/\1b+\2@x.org/' whole |
    ml-send --via "sendmail:$PWD/fake" --undelivered queue 2>/dev/null
  ml-queue show outbound x1 >whole
  grep -v ann@ whole >left
  touch calm
  ml-send --via "sendmail:$PWD/fake" <whole 2>/dev/null || [ $? -eq 75 ]
}

@test "ml-queue run: killed at any call there is the entry or whom its journal has as left" {
  setup_queue
  sent
  shrunk() {
    there_once q && later_now && ml-queue run q -- 'cat >/dev/null; exit 75' 2>/dev/null &&
      cmp -s "$(files q)" left
  }
  at_each_call shrunk put_whole ml-queue run q -- 'cat >/dev/null; exit 75'
}

# later_now: what is put off, due and too old.
later_now() {
  local file
  mkdir -p "$ML_HOME/queue/q/later/1"
  for file in $(files q); do
    touch -d '2 days ago' "$file"
    mv "$file" "$ML_HOME/queue/q/later/1/one" 2>/dev/null || true
  done
}

@test "ml-queue run: killed at any call of giving up nobody is told but who is left and he once" {
  setup_queue
  sent
  mkdir alone
  cp "$(command -v ml-queue)" alone  # which cannot start a runner of bounces
  put_old() { put_whole; later_now; }
  put_rest() { ml-queue put q --name one <left 2>/dev/null; later_now; }
  give_up() { alone/ml-queue run q --give-up 86400 -- false 2>/dev/null; }
  told() {
    [ -z "$(files q)" ] || there_once q || return 1
    for _ in 1 2 3; do [ -z "$(files q)" ] || { later_now; give_up; }; done
    is "" "$(files q)" && is 1 "$(files bounces | grep -c .)" &&
      is bob@example.org "$(grep ^rcpt "$(files bounces)" | cut -f2)"
  }
  for put in put_old put_rest; do
    at_each_call told $put alone/ml-queue run q --give-up 86400 -- false
  done
}

@test "ml-queue run: killed at any call a failed entry is in its queue or in failed" {
  setup_traced
  once() { there_once q failed; }
  at_each_call once put_whole ml-queue run q -- 'cat >/dev/null; exit 65'
}

@test "ml-queue hold and release and retry: killed at any call the entry is there once" {
  setup_traced
  once() { there_once q post failed; }
  put_held() { put_whole; ml-queue hold q one; }
  put_failed() { put_whole; ml-queue run q -- 'cat >/dev/null; exit 65' 2>/dev/null; }
  at_each_call once put_whole ml-queue hold q one
  at_each_call once put_held ml-queue release q one
  at_each_call once put_held ml-queue release q one --to post
  at_each_call once put_failed ml-queue retry failed one@q
}

@test "ml-queue put: the entry is synced before its name and its name before the end" {
  setup_traced
  put_whole
  strace -qqo trace -e trace=write,fsync,renameat,exit_group ml-queue put q --name two <whole 2>/dev/null
  order=$(grep -oE '^(write|fsync|renameat|exit_group)' trace | uniq | paste -sd' ')
  is "write fsync renameat fsync write exit_group" "$order"
}

@test "ml-queue put: a failed sync or rename is 75 and leaves no draft" {
  setup_traced
  put_whole
  faults=(fsync:error=EIO:when=1 renameat:error=ENOSPC:when=1)
  # The first write of a sanitized program is not ours.
  [ -n "${SAN:-}" ] || faults+=(write:error=ENOSPC:when=1)
  for fault in "${faults[@]}"; do
    run strace -qqo /dev/null -e inject="$fault" ml-queue put q --name two <whole
    is 75 "$status"
    is "" "$(ls "$ML_HOME/queue/q/tmp")"
    is 1 "$(files q | wc -l)"
  done
  run strace -qqo /dev/null -e inject=fsync:error=EIO:when=2 ml-queue put q --name two <whole
  is 75 "$status"
}
