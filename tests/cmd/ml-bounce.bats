bats_require_minimum_version 1.5.0
load common

# The list news@x.org with two subscribers, one message sent to both; $ann and $bob are the
# senders that carried it.
send_one() {
  ml-list create news@x.org
  printf '%s\n' ann@example.org bob@example.com | ml-store import news@x.org - >/dev/null
  message >mail.eml
  ml-expand news@x.org <mail.eml | ml-verp >sent
  ann=$(grep ann@example.org sent | cut -f3)
  bob=$(grep bob@example.com sent | cut -f3)
}

# dsn SENDER RECIPIENT ACTION STATUS [DIAGNOSTIC]: a delivery report to that sender.
dsn() {
  cat <<E
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
To: $1
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_r1"

--=_r1
Content-Type: text/plain

Your message did not reach $2.

--=_r1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; $2
Action: $3
Status: $4
Diagnostic-Code: smtp; ${5:-$4 no}

--=_r1
Content-Type: text/rfc822-headers

From: Ann Author <ann@example.org>
Subject: hello

--=_r1--
E
}

nested_parts() {
  awk 'BEGIN { for (i = 0; i < '"${1:-100000}"'; ++i) printf "Content-Type: multipart/mixed; boundary=%d\n\n--%d\n", i, i }'
}

state() { ml-store show news@x.org "$1" | sed -n 's/^state\t//p'; }
states() { echo "$(state ann@example.org) $(state bob@example.com)"; }

# marks_nobody COMMAND...: it runs to 0 with a bare end, says why, and both stay active.
marks_nobody() {
  run --separate-stderr "$@"
  is 0 "$status"
  is "$(printf 'end\t0')" "$output"
  [[ "$stderr" == "ml-bounce: nobody is marked for a bounce: "* ]]
  is "active active" "$(states)"
}

@test "ml-bounce: a report of a failure marks exactly the subscriber it is about" {
  send_one
  dsn "$bob" bob@example.com failed 5.1.1 | ml-bounce >out 2>err
  is "$(printf 'end\t0')" "$(cat out)"
  is "" "$(cat err)"
  is "active bouncing" "$(states)"
}

@test "ml-bounce: a message marks once however often its bounce comes" {
  send_one
  for _ in 1 2 3; do dsn "$ann" ann@example.org failed 5.1.1 | ml-bounce news@x.org; done
  is "bouncing active" "$(states)"
  is 1 "$(ml-store show news@x.org ann@example.org | sed -n 's/^bounces\t//p')"
  is "" "$(ml-store check)"
}

@test "ml-bounce: who the mail was sent to is marked and not whom it was forwarded to" {
  send_one
  dsn "$bob" somebody@else.example failed 5.1.1 | ml-bounce
  is "active bouncing" "$(states)"
}

@test "ml-bounce: a recipient whose sender carries a handle is marked" {
  long=$(printf 'l%.0s' {1..40})@example.org
  ml-list create news@x.org
  ml-store add news@x.org "$long"
  sender=$(message | ml-expand news@x.org | ml-verp | grep ^rcpt | cut -f3)
  dsn "$sender" "$long" failed 5.1.1 | ml-bounce
  is bouncing "$(state "$long")"
}

@test "ml-bounce: a list with a long name finds its subscriber" {
  list=$(printf 'n%.0s' {1..40})@x.org
  ml-list create "$list"
  ml-store add "$list" ann@example.org
  sender=$(message | ml-expand "$list" | ml-verp | grep ^rcpt | cut -f3)
  dsn "$sender" ann@example.org failed 5.1.1 | ml-bounce
  is bouncing "$(ml-store show "$list" ann@example.org | sed -n 's/^state\t//p')"
}

@test "ml-bounce: a forged address marks nobody" {
  send_one
  for forged in "${ann/ann=/bob=}" "${ann/+???/+aaa}" "${ann/x.org/y.org}" "${ann/news/views}"; do
    marks_nobody ml-bounce < <(dsn "$forged" ann@example.org failed 5.1.1)
    [[ "$stderr" == *"does not carry our signature"* ]]
  done
}

@test "ml-bounce: a report without an address of ours marks nobody" {
  send_one
  marks_nobody ml-bounce < <(dsn news-bounces@x.org ann@example.org failed 5.1.1)
  marks_nobody ml-bounce < <(dsn ann@example.org ann@example.org failed 5.1.1)
}

@test "ml-bounce: a report that names nobody whom we have signed is kept for a person" {
  send_one
  for i in 1 2; do marks_nobody ml-bounce < <(dsn news-bounces@x.org ann@example.org failed 5.1.1); done
  name=$(ml-queue list undecoded | cut -f1)
  [[ "$stderr" == *"(kept: ml-queue show undecoded $name)"* ]]
  is "$(dsn news-bounces@x.org ann@example.org failed 5.1.1)" "$(ml-queue show undecoded "$name")"
  is "ann@example.org failed 5.1.1" "$(ml-queue show undecoded "$name" | ml-bounce --report | cut -f1-3 | tr '\t' ' ')"
}

@test "ml-bounce: plain mail to a bounce address marks nobody" {
  send_one
  marks_nobody ml-bounce < <(printf 'To: %s\nSubject: 550 5.1.1\n\nFinal-Recipient: rfc822; %s\nAction: failed\nStatus: 5.1.1\n' "$ann" ann@example.org)
}

@test "ml-bounce: delays and successes and trouble of others mark nobody" {
  send_one
  while read -r action code; do
    marks_nobody ml-bounce < <(dsn "$ann" ann@example.org "$action" "$code")
    [[ "$stderr" == *"ann@example.org on news@x.org"* ]]
  done <<'E'
delayed 4.4.1
delayed 5.1.1
delivered 2.0.0
relayed 2.0.0
expanded 2.0.0
failed 5.7.1
failed 5.7.26
failed 5.3.4
failed 5.1.8
failed 5.0.0
failed 4.4.7
E
}

@test "ml-bounce: an address of 21 days speaks and one of 22 days marks nobody" {
  send_one
  marks_nobody ml-bounce < <(dsn "$(verp-sender news@x.org x1 ann@example.org 22)" ann@example.org failed 5.1.1)
  [[ "$stderr" == *"older than 21 days"* ]]
  dsn "$(verp-sender news@x.org x1 ann@example.org 21)" ann@example.org failed 5.1.1 | ml-bounce
  is "bouncing active" "$(states)"
}

@test "ml-bounce: an address of another list than LIST marks nobody" {
  send_one
  ml-list create views@x.org
  marks_nobody ml-bounce views@x.org < <(dsn "$ann" ann@example.org failed 5.1.1)
}

@test "ml-bounce: a shared XVERP sender marks nobody and has a probe ask whom it names" {
  send_one
  shared=$(ml-verp --xverp <sent | grep ^message | cut -f3)
  dsn "${shared/@/+ann=example.org@}" ann@example.org failed 5.1.1 | ml-bounce >out 2>err
  is "active active" "$(states)"
  grep -q "a probe finds out" err
  is ann@example.org "$(grep ^rcpt out | cut -f2)"
  is ann@example.org "$(ml-verp --decode "$(grep ^rcpt out | cut -f3)" | cut -f1)"
  is 0 "$(grep ^end out | cut -f2)"
  # While it is on its way no other goes out.
  marks_nobody ml-bounce < <(dsn "${shared/@/+ann=example.org@}" ann@example.org failed 5.1.1)
  marks_nobody ml-bounce < <(dsn "${shared/@/+ann=example.org@}" stranger@example.org failed 5.1.1)
}

@test "ml-bounce: a probe that was lost behind it goes with the same bounce and one that was sent goes once" {
  send_one
  printf '#!/bin/sh\necho sent >>sent-to\ncat >/dev/null\n' >accept && chmod +x accept
  shared=$(ml-verp --xverp <sent | grep ^message | cut -f3)
  dsn "$ann" ann@example.org failed 5.1.1 >bounce
  ml-bounce <bounce
  dsn "${shared/@/+ann=example.org@}" ann@example.org failed 5.1.1 | ml-bounce >lost
  grep -q ^rcpt lost
  for _ in 1 2; do
    run bash -o pipefail -c "ml-bounce <bounce 2>/dev/null | tee again | ml-send --via sendmail:$PWD/accept"
    is 0 "$status"
    is "$(cat lost)" "$(cat again)"
    is sent "$(cat sent-to)"
  done
}

@test "ml-bounce: killed at any call it remembers no probe that was not written and the next bounce asks again" {
  local call n kills=0
  send_one
  shared=$(ml-verp --xverp <sent | grep ^message | cut -f3)
  dsn "${shared/@/+ann=example.org@}" ann@example.org failed 5.1.1 >bounce
  cp -a "$ML_HOME" before
  for call in write writev pwrite64 fdatasync; do
    for n in {1..20}; do
      rm -rf "$ML_HOME" && cp -a before "$ML_HOME"
      status=0
      strace -f -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n \
        ml-bounce <bounce >out 2>/dev/null || status=$?
      [ "$status" -ne 0 ] || break # this call was not made that often
      kills=$((kills + 1))
      ml-bounce <bounce >again 2>/dev/null
      if grep -q ^rcpt again; then # it was not remembered
        is "$call $n: ann@example.org" "$call $n: $(grep ^rcpt again | cut -f2)"
      else
        is "$call $n: ann@example.org" "$call $n: $(grep ^rcpt out | cut -f2)"
        grep -q $'^end\t0' out
      fi
      is $'end\t0' "$(ml-bounce <bounce 2>/dev/null)"
    done
  done
  [ "$kills" -ge 4 ]
}

@test "ml-bounce: a bounce that comes again is told in the log" {
  send_one
  dsn "$ann" ann@example.org failed 5.1.1 | ml-bounce
  dsn "$ann" ann@example.org failed 5.1.1 | ml-bounce 2>err >out
  is $'end\t0' "$(cat out)"
  is "ml-bounce: nobody is marked for a bounce: ann@example.org on news@x.org: this message was counted before" "$(cat err)"
}

@test "ml-bounce: --explain says how a subscriber stands and --sweep does what time brings" {
  send_one
  dsn "$ann" ann@example.org failed 5.1.1 | ml-bounce
  ml-bounce --explain ann@example.org news@x.org >out
  is "score	2.0" "$(grep ^score out)"
  grep -q "^state	bouncing since " out
  grep -q "^bounce	.*: 5.1.1 mailbox$" out
  is "next	nothing yet: score 2.0 of 5.0, 1 of 3 messages, 1 of 3 days" "$(grep ^next out)"
  is $'end\t0' "$(ml-bounce --sweep)"
  is $'end\t0' "$(ml-bounce --sweep news@x.org)"
  is "bouncing active" "$(states)"
  run --separate-stderr ml-bounce --explain nobody@x.org news@x.org
  is 75 "$status"
  run --separate-stderr ml-bounce --sweep views@x.org
  is 75 "$status"
}

@test "ml-bounce: a refusal that is about the message marks nobody" {
  send_one
  printf 'message\tm7\tnews-bounces@x.org\teA==\tlist=news@x.org\nrcpt\tann@example.org\t-\treply=550 blocked as spam\nend\t0\n' >refused
  is $'end\t0' "$(ml-bounce <refused 2>err)"
  is "active active" "$(states)"
  is "ml-bounce: nobody is marked for a refusal: ann@example.org: the relay said 550 blocked as spam" "$(cat err)"
}

@test "ml-bounce: a sender of an ad-hoc run marks nobody" {
  send_one
  sender=$(stream ann@example.org | sed 's/news-bounces@x.org/other@x.org/' | ml-verp | grep ^rcpt | cut -f3)
  marks_nobody ml-bounce < <(dsn "$sender" ann@example.org failed 5.1.1)
  [[ "$stderr" == *"no such list"* ]]
}

@test "ml-bounce: the address is found wherever the mail server leaves it" {
  send_one
  bare() { dsn news-bounces@x.org ann@example.org failed 5.1.1; }
  extension=${ann#news-bounces+} extension=${extension%@*}
  said() { # said COMMAND...: marks ann, and forgets it again
    "$@" >/dev/null
    is "bouncing active" "$(states)"
    ml-store set news@x.org ann@example.org state=active >/dev/null
  }
  said ml-bounce --recipient "$ann" < <(bare)
  said env ML_BOUNCE_RECIPIENT="$ann" ml-bounce < <(bare)
  said env RECIPIENT="$ann" ml-bounce < <(bare)
  said env RECIPIENT=news-bounces@x.org ORIGINAL_RECIPIENT="$ann" ml-bounce < <(bare)
  said env LOCAL=news-bounces EXTENSION="$extension" DOMAIN=x.org ml-bounce < <(bare)
  said env LOCAL="${ann%@*}" DOMAIN=x.org ml-bounce < <(bare)
  said env LOCAL_PART=news LOCAL_PART_SUFFIX="-bounces+$extension" DOMAIN=x.org ml-bounce < <(bare)
  said env LOCAL="${ann%@*}" HOST=x.org ml-bounce < <(bare)
  said ml-bounce < <(echo "Delivered-To: $ann"; bare)
  said ml-bounce < <(echo "X-Original-To: $ann"; bare)
  said ml-bounce < <(dsn "Somebody <${ann^^}>, x@y.org" ann@example.org failed 5.1.1)
  said ml-bounce < <(echo "From MAILER-DAEMON Sun Nov 22 10:00:00 2026"; dsn "$ann" ann@example.org failed 5.1.1)
  said ml-bounce < <(dsn "$ann" ann@example.org failed 5.1.1 | sed 's/$/\r/')
  said ml-bounce < <(dsn "prvs=1234567890=$ann" ann@example.org failed 5.1.1)
}

@test "ml-bounce: refused recipients of ml-send are marked once a message" {
  send_one
  id=$(cut -f2 sent | head -n1)
  for _ in 1 2; do
    { grep ^message sent
      printf 'rcpt\tann@example.org\t%s\tstatus=5.1.1\treply=550 5.1.1 unknown\n' "$ann"
      printf 'end\t0\n'; } | ml-bounce >out
    is "$(printf 'end\t0')" "$(cat out)"
  done
  is "bouncing active" "$(states)"
  dsn "$ann" ann@example.org failed 5.1.1 | ml-bounce
  is 1 "$(ml-store show news@x.org ann@example.org | sed -n 's/^bounces\t//p')"
}

@test "ml-bounce: a record that is no refusal for good is 75 and marks nobody" {
  send_one
  while IFS= read -r attributes; do
    run ml-bounce < <(grep ^message sent; printf "rcpt\tann@example.org\t-$attributes\nend\t0\n")
    is "75 $attributes" "$status $attributes"
    [[ "$output" == *"no refusal for good"*$'end\t75\t'* || "$output" == *$'end\t75\t'*"no refusal for good"* ]]
    is "active active" "$(states)"
  done <<'E'

\tstatus=5.1.1
\tstatus=4.2.2\treply=450 4.2.2 later
\tstatus=5.7.1\treply=550 5.7.1 spam
\tstatus=5.1.1\treply=550 5.7.1 spam
\treply=550 5.7.1: spam
\tstatus=5.1.1\treply=554 5.1.1 unknown
\treply=
\treply=5501 no
E
}

@test "ml-bounce: a record that is no refusal keeps no other recipient from being marked" {
  send_one
  { grep ^message sent
    printf 'rcpt\tann@example.org\t-\treply=550 5.1.1 unknown\n'
    printf 'rcpt\tcy@example.net\t-\treply=550 5.7.1: denied\n'
    printf 'rcpt\tbob@example.com\t-\treply=550 5.1.1 unknown\nend\t0\n'; } >refused
  run ml-bounce <refused
  is 75 "$status"
  [[ "$output" == *"the record of cy@example.net is no refusal for good"* ]]
  is "bouncing bouncing" "$(states)"
}

@test "ml-bounce: a recipient that a queue gave up marks nobody" {
  send_one
  { grep ^message sent; printf 'rcpt\tann@example.org\t-\tstatus=4.4.7\treply=4.4.7 given up\nend\t0\n'; } >given-up
  run ml-bounce <given-up
  is 0 "$status"
  [[ "$output" == *"ann@example.org"*"given up"* ]]
  is "active active" "$(states)"
}

@test "ml-bounce: a mailbox that was full until the queue gave up counts" {
  send_one
  { grep ^message sent
    printf 'rcpt\tann@example.org\t-\tstatus=4.4.7\treply=452 4.2.2 over quota\n'
    printf 'rcpt\tbob@example.com\t-\tstatus=4.4.7\treply=451 4.3.2 busy\nend\t0\n'; } >given-up
  ml-bounce <given-up
  is "bouncing active" "$(states)"
}

@test "ml-bounce: a deferral that speaks of no full or missing mailbox marks nobody when it is given up" {
  send_one
  while IFS= read -r reply; do
    { grep ^message sent
      printf 'rcpt\tann@example.org\t-\tstatus=4.4.7\treply=%s\nend\t0\n' "$reply"; } >given-up
    run ml-bounce <given-up
    [[ "$output" == *"nobody is marked for a delivery that was given up"* ]]
    is "$reply: active active" "$reply: $(states)"
  done <<'R'
450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages
450 4.2.0 busy
450 4.2.0 mailbox is locked by another process
450 4.2.0 Mailbox temporarily unavailable
450 4.1.1 Recipient address rejected: unverified address: verification in progress
450 4.1.2 Domain not found
452 4.3.1 insufficient disk space
R
  { grep ^message sent
    printf 'rcpt\tann@example.org\t-\tstatus=4.4.7\treply=450 4.1.1 User unknown\nend\t0\n'; } | ml-bounce
  is "bouncing active" "$(states)"
}

@test "ml-bounce: a report that a server gave up a full mailbox counts" {
  send_one
  ml-bounce < <(dsn "$bob" bob@example.com failed 4.2.2 "452 4.2.2 over quota")
  is "active bouncing" "$(states)"
}

@test "ml-bounce: a bare 550 of a refused recipient counts" {
  send_one
  { grep ^message sent
    printf 'rcpt\tann@example.org\t-\tstatus=5.0.0\treply=550 no such user\nend\t0\n'; } | ml-bounce
  is "bouncing active" "$(states)"
}

@test "ml-bounce: refused recipients of a list that is not here are 75" {
  send_one
  run ml-bounce < <(printf 'message\tx1\ta-bounces@x.org\taGk=\tlist=a@x.org\nrcpt\ta@x.org\t-\treply=550 no\nend\t0\n')
  is 75 "$status"
  [[ "$output" == *"no such list"* ]]
}

@test "ml-bounce: a failed end of the stage before is its status and a bare end is none" {
  send_one
  run ml-bounce < <(printf 'end\t0\n')
  is 0 "$status"
  run ml-bounce < <(printf 'end\t65\t5.6.0 no\n')
  is 65 "$status"
  run ml-bounce < <(printf 'message\tx1')
  is 75 "$status"
}

@test "ml-bounce: no home is 75 and an empty input is 75" {
  run ml-bounce < <(dsn a@x.org a@x.org failed 5.1.1)
  is 75 "$status"
  [[ "$output" == *"there is no home"* ]]
  ml-list create news@x.org
  run ml-bounce </dev/null
  is 75 "$status"
}

@test "ml-bounce: a store that may not grow is 75 and the stream says so" {
  send_one
  dsn "$ann" ann@example.org failed 5.1.1 >dsn
  run --separate-stderr sh -c 'ulimit -f 1; ml-bounce <dsn'
  is 75 "$status"
  [[ "$stderr" == *"file-size limit"* ]]
  [[ "$output" == $'end\t75\t'*"file-size limit"* ]]
  is "active active" "$(states)"
}

@test "ml-bounce: --report needs no home and prints a line a recipient" {
  run --separate-stderr ml-bounce --report < <(dsn x@x.org ann@example.org failed 5.2.2 '552 5.2.2 mailbox	full')
  is 0 "$status"
  is $'ann@example.org\tfailed\t5.2.2\tfull\t552 5.2.2 mailbox full' "$output"
  is "" "$stderr"
  [ ! -e "$ML_HOME" ]
}

@test "ml-bounce: --report --mbox reads every message of a backlog" {
  {
    printf 'From MAILER-DAEMON Sun Nov 22 03:00:00 2026\n'
    dsn x@x.org ann@example.org failed 5.1.1
    printf '\n>From the sea it came.\nFrom here on it is text.\n\n'
    printf 'From MAILER-DAEMON Sun Nov 22 03:00:01 2026\n'
    message
    printf '\nFrom MAILER-DAEMON Sun Nov 22 03:00:02 2026\n'
    dsn x@x.org bob@example.com delayed 4.4.1
  } >old.mbox
  is $'ann@example.org\tfailed\nbob@example.com\tdelayed' \
    "$(ml-bounce --report --mbox old.mbox | cut -f1,2)"
  is "$(ml-bounce --report --mbox old.mbox)" "$(ml-bounce --report --mbox - <old.mbox)"
  is "$(ml-bounce --report --mbox old.mbox)" "$(sed 's/$/\r/' old.mbox | ml-bounce --report --mbox -)"
  is '{"message":"3","address":"bob@example.com","action":"delayed","status":"4.4.1","class":"delayed","diagnostic":"4.4.1 no"}' \
    "$(ml-bounce --report --json --mbox old.mbox | tail -n 1)"
}

@test "ml-bounce: --report --maildir reads what is new and what was seen" {
  mkdir -p box/new box/cur box/tmp
  dsn x@x.org ann@example.org failed 5.1.1 >box/new/1.a
  dsn x@x.org bob@example.com failed 5.2.2 >box/cur/1.b:2,S
  dsn x@x.org cy@example.net failed 5.1.1 >box/tmp/1.c
  is $'ann@example.org\nbob@example.com' "$(ml-bounce --report --maildir box | cut -f1)"
  run --separate-stderr ml-bounce --report --maildir nowhere
  is 75 "$status"
  [[ "$stderr" == *"cannot read the directory nowhere/new"* ]]
}

@test "ml-bounce: --mbox without --report is 75" {
  run --separate-stderr ml-bounce --mbox old.mbox </dev/null
  is 75 "$status"
}

@test "ml-bounce: --report of plain mail prints nothing" {
  run ml-bounce --report < <(message)
  is 0 "$status"
  is "" "$output"
}

@test "ml-bounce: --report shows no control of a hostile report" {
  dsn x@x.org $'a\x1b[2Jb@x.org' failed 5.1.1 $'550 \x1b]0;x\x07' | ml-bounce --report >out
  is 0 "$(grep -c $'[\x01-\x08\x0b-\x1f\x7f]' out)"
  is 1 "$(wc -l <out)"
}

@test "ml-bounce: hostile messages end in time with 0 and mark nobody" {
  send_one
  nested() { echo "To: $ann"; nested_parts; }
  headers() { echo "To: $ann"; seq -f 'X-%.0f: y' 100000; }
  long_field() { printf 'To: %s\nSubject: ' "$ann"; head -c 1600000 /dev/zero | tr '\0' x; printf '\n\nhello\n'; }
  long_line() { printf 'To: %s\n\n' "$ann"; head -c 50000000 /dev/zero | tr '\0' x; }
  nuls() { printf 'To: %s\n\n' "$ann"; head -c 100000 /dev/zero; }
  nobody() { printf 'To: undisclosed-recipients:\nCc: ;,<,@\n\nhello\n'; }
  mixed() { printf 'To: %s\r\nContent-Type: multipart/report; boundary=B\r\n\r\n--B\r\n\nh--B\rx\n--B--\r\n' "$ann"; }
  noise() { head -c 200000 /dev/urandom; }
  for hostile in nested headers long_field long_line nuls nobody mixed noise; do
    marks_nobody timeout 20 ml-bounce < <($hostile)
  done
}

@test "ml-bounce: --report of hostile messages ends in time within bounded memory" {
  flat_parts() { printf 'Content-Type: multipart/report; boundary=b\n\n'; yes -- $'--b\nContent-Type: text/plain\n\nx' | head -n 400000; }
  endless_header() { yes 'X-Header: <ann@example.org>:' | head -c 60000000; }
  endless_text() { printf 'From: MAILER-DAEMON\nSubject: failure notice\n\n'; yes '<ann@example.org>: 550 no' | head -c 50000000; }
  at_signs() { printf 'From: MAILER-DAEMON\n\n'; head -c 50000000 /dev/zero | tr '\0' '@'; }
  quotes() { printf 'From: MAILER-DAEMON\n\n'; yes '"@' | tr -d '\n' | head -c 10000000; }
  tags() { printf 'From: MAILER-DAEMON\nContent-Type: text/html\n\n'; yes '<style' | tr -d '\n' | head -c 10000000; }
  messages() { yes $'Content-Type: message/rfc822\n' | head -c 10000000; }
  # 7,000 addresses in one line, beside 4 MB of other recipients in the header that came back.
  sentences() {
    printf 'From: MAILER-DAEMON\nSubject: failure notice\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx'
    seq -f ' %04.0f@b.cc' 7000 | tr -d '\n'
    printf '\n\n--b\nContent-Type: text/rfc822-headers\n\n'
    yes "To: $(seq -f '%05.0f@d.ee' 5400 | tr '\n' ' ')" | head -n 60
    printf '\n--b--\n'
  }
  bomb() { printf 'From: MAILER-DAEMON\nContent-Transfer-Encoding: base64\n\n'; head -c 40000000 /dev/zero | base64; }
  # The sanitizers want all the address space there is, and time.
  local bounds='ulimit -v 262144; exec timeout 20'
  [ -z "${SAN:-}" ] || bounds='exec timeout 200'
  for hostile in nested_parts flat_parts endless_header endless_text at_signs quotes tags messages sentences bomb; do
    run bash -c "$bounds ml-bounce --report" < <($hostile)
    is "0 $hostile" "$status $hostile"
  done
}

@test "ml-bounce: a report at the end of sixty thousand nested parts is read from its text" {
  run timeout 20 ml-bounce --report < <(nested_parts 60000; dsn x@x.org ann@example.org failed 5.1.1)
  is 0 "$status"
  is "ann@example.org" "$(cut -f1 <<<"$output")"
}

@test "ml-bounce: --report of nothing is 75" {
  run ml-bounce --report </dev/null
  is 75 "$status"
  [[ "$output" == *"the input is empty"* ]]
}
