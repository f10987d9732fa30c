bats_require_minimum_version 1.5.0
load common
eval "common_$(declare -f setup)"

setup() { # also the list that every test here posts to
  common_setup
  ml-list create news@x.org
}

# post [OPTION...]: the message on stdin to news@x.org, whoever wrote it.
post() { ml-receive news@x.org --post anyone "$@"; }

# author: the envelope sender in the stream on stdin; "none" where the message names none.
author() {
  grep -m1 '^message' | tr '\t' '\n' | sed -n 's/^author=//p' | grep . || echo none
}

# entries: the held messages, a path a line.
entries() { find "$ML_HOME/queue/held" -regex '.*/[a-z2-7]/r[a-z2-7]+' 2>/dev/null; }

@test "ml-receive: a post becomes a section with id and bounce address and list and author" {
  post --sender ann@example.org < <(message) >out
  is "message end" "$(cut -f1 out | paste -sd' ')"
  [[ "$(cut -f2 out | head -n 1)" =~ ^r[a-z2-7]{26}$ ]]
  is news-bounces@x.org "$(cut -f3 out | head -n 1)"
  is "author=ann@example.org list=news@x.org" "$(head -n 1 out | cut -f5- | tr '\t' '\n' | sort | paste -sd' ')"
  is "$(printf 'end\t0')" "$(tail -n 1 out)"
}

@test "ml-receive: the post keeps its own octets below the fields of the list" {
  post < <(message) | decoded >got
  is "$(message)" "$(tail -n 7 got)"
  is "X-BeenThere List-Id List-Post List-Help List-Subscribe List-Unsubscribe List-Owner Precedence" \
    "$(head -n -7 got | cut -d: -f1 | paste -sd' ')"
}

@test "ml-receive: the same post delivered again has the same id" {
  { printf 'Return-Path: <ann@example.org>\nReceived: by a; 1\n'; message; } | post | cut -f2 >first
  { printf 'Return-Path: <ann@example.org>\nReceived: by b; 2\n'; message; } | sed 's/$/\r/' | post | cut -f2 >again
  cmp first again
}

@test "ml-receive: events are told where the site says and not where a list does" {
  printf 'log = "%s/site.log"\n' "$PWD" >"$ML_HOME/lists.toml"
  printf 'log = "%s/list.log"\n' "$PWD" >"$ML_HOME/lists/x.org/news.toml"
  is "$(printf 'end\t0')" "$(message | post --sender '')"
  [ -s site.log ]
  [ ! -e list.log ]
}

# --- who sent it: every server says it in another place -------------------------------------

@test "ml-receive: under Postfix local the Return-Path is believed and not the mangled SENDER" {
  { printf "From o'b*1@x.net  Sun Nov 22 10:00:00 2026\nReturn-Path: <o'b*1@x.net>\n"
    printf 'X-Original-To: news@x.org\nDelivered-To: news@x.org\n'; message; } |
    SENDER=o_b_1@x.net RECIPIENT=news@x.org ORIGINAL_RECIPIENT=news@x.org LOCAL=news DOMAIN=x.org post >out
  is "o'b*1@x.net" "$(author <out)"
}

@test "ml-receive: under pipe(8) the sender is an argument" {
  is "o'b*1@x.net" "$(message | post --sender "o'b*1@x.net" | author)"
  is "$(printf 'end\t0')" "$(message | post --sender '' 2>log)"
  is "$(printf 'end\t0')" "$(message | post --sender= 2>log)"
  is "$(printf 'end\t0')" "$(message | post --sender MAILER-DAEMON 2>log)"
}

@test "ml-receive: under Exim SENDER is exact and comes before the From line" {
  { printf 'From o_b_1@x.net Sun Nov 22 10:00:00 2026\nReceived: by x\n'; message; printf '\n'; } |
    SENDER="o'b*1@x.net" RECIPIENT=news@x.org LOCAL_PART=news DOMAIN=x.org MESSAGE_ID=1 post >out
  is "o'b*1@x.net" "$(author <out)"
  { printf 'From MAILER-DAEMON Sun Nov 22 10:00:00 2026\nReceived: by x\n'; message; } |
    SENDER='' RECIPIENT=news@x.org post >out 2>log
  is "$(printf 'end\t0')" "$(cat out)"
}

@test "ml-receive: under OpenSMTPD SENDER is exact and agrees with the Return-Path" {
  { printf "Return-Path: <o'b*1@x.net>\nDelivered-To: news@x.org\nReceived: by x\n"; message; } |
    SENDER="o'b*1@x.net" RECIPIENT=news@x.org LOCAL=news DOMAIN=x.org post >out
  is "o'b*1@x.net" "$(author <out)"
}

@test "ml-receive: under qmail SENDER is all there is" {
  message | SENDER=ann@example.net RECIPIENT=news@x.org LOCAL=news EXT= HOST=x.org post >out
  is ann@example.net "$(author <out)"
  is "$(printf 'end\t0')" "$(message | SENDER='' RECIPIENT=news@x.org post 2>log)"
}

@test "ml-receive: under Sendmail the From line is all there is" {
  is ann@example.net "$({ echo 'From ann@example.net Sun Nov 22 10:00:00 2026'; message; } | post | author)"
  is "$(printf 'end\t0')" "$({ echo 'From MAILER-DAEMON Sun Nov 22 10:00:00 2026'; message; } | post 2>log)"
}

@test "ml-receive: by hand nobody names a sender and the message goes on" {
  is none "$(message | post | author)"
}

@test "ml-receive: an option that is no address rejects the message" {
  run --separate-stderr post --sender 'no address' < <(message)
  is 65 "$status"
  [[ "$stderr" == "5.1.7 "* ]]
}

# --- what goes round or comes from nobody ---------------------------------------------------

@test "ml-receive: what it sent out and gets back is dropped and logged and no failure" {
  post < <(message) | decoded >came-back
  run --separate-stderr post <came-back
  is 0 "$status"
  is "$(printf 'end\t0')" "$output"
  [[ "$stderr" == "ml-receive: news@x.org: dropped r"*"X-BeenThere"* ]]
}

@test "ml-receive: another list's X-BeenThere stays and is no loop" {
  { echo 'X-BeenThere: other@x.org'; message; } | post | decoded >got
  is "news@x.org other@x.org" "$(sed -n 's/^X-BeenThere: //p' got | paste -sd' ')"
}

@test "ml-receive: more hops than --max-hops are a loop" {
  { printf 'Received: by x\nReceived: by y\n'; message; } >in
  is 2 "$(post --max-hops 2 <in | wc -l)"
  is "$(printf 'end\t0')" "$(post --max-hops 1 <in 2>log)"
}

@test "ml-receive: a bounce is dropped and logged to the file that --log names" {
  run --separate-stderr post --log "$PWD/log" < <(echo 'Return-Path: <>'; message)
  is 0 "$status"
  is "" "$stderr"
  grep -q 'dropped r.*from <>: .*null sender' log
}

# --- what is at fault -----------------------------------------------------------------------

@test "ml-receive: a message at fault is 65 with an enhanced code on stderr and in the end" {
  printf 'To: news@x.org\n\nHi\n' >no-from
  printf 'From: a@x.org\nFrom: b@x.org\n\nHi\n' >two-from
  printf 'From: a@x.org\n\nH\0i\n' >nul
  for sample in no-from two-from nul; do
    run --separate-stderr post <$sample
    is "$sample 65" "$sample $status"
    [[ "$stderr" == "5.6.0 "* ]]
    is "$(printf 'end\t65\t%s' "$stderr")" "$output"
  done
}

@test "ml-receive: no input at all is 75: somebody before us has died" {
  run --separate-stderr post </dev/null
  is 75 "$status"
  [[ "$stderr" == *"input is empty"* ]]
}

@test "ml-receive: a message at --max-size passes and one octet more is 65" {
  message >in
  size=$(stat -c %s in)
  is 2 "$(post --max-size "$size" <in | wc -l)"
  run --separate-stderr post --max-size $((size - 1)) <in
  is 65 "$status"
  [[ "$stderr" == "5.3.4 "* ]]
}

@test "ml-receive: a --max-size that no stream could carry is refused" {
  run post --max-size 101M < <(message)
  is 75 "$status"
}

# --- who may post ---------------------------------------------------------------------------

@test "ml-receive: a stranger's post is 77 with a text for its author" {
  run --separate-stderr ml-receive news@x.org < <(message)
  is 77 "$status"
  is "5.7.1 only subscribers may post to news@x.org" "$stderr"
  is "$(printf 'end\t77\t%s' "$stderr")" "$output"
}

@test "ml-receive: a subscriber may post in every state and one who was removed may not" {
  for state in active nomail digest bouncing suspended; do
    printf 'email,state\nAnn@example.org,%s\n' $state | ml-store import news@x.org - >log 2>&1
    is "$state 2" "$state $(ml-receive news@x.org < <(message) | wc -l)"
  done
  ml-store remove news@x.org ann@example.org
  run ml-receive news@x.org < <(message)
  is 77 "$status"
}

@test "ml-receive: nobody may post where nobody may and the list says so" {
  run ml-receive news@x.org --post nobody < <(message)
  is 77 "$status"
  echo ann@example.org >board
  ml-receive news@x.org --post board < <(message) | decoded | grep -qx 'List-Post: NO'
  post < <(message) | decoded | grep -qx 'List-Post: <mailto:news@x.org>'
}

@test "ml-receive: a file of posters is checked whole before the message is judged" {
  printf 'ann@example.org\nnot an address\n' >board
  run --separate-stderr ml-receive news@x.org --post board < <(message)
  is 75 "$status"
  [[ "$stderr" == *"board: line 2"* ]]
}

@test "ml-receive: what may not be posted can be dropped" {
  run --separate-stderr ml-receive news@x.org --else drop < <(message)
  is 0 "$status"
  is "$(printf 'end\t0')" "$output"
  [[ "$stderr" == *"dropped"*"5.7.1 only subscribers"* ]]
  is "" "$(entries)"
}

@test "ml-receive: the settings of the list say what the command line does not" {
  printf 'post = "nobody"\nelse = "drop"\narchive = "https://x.org/a/"\n' >"$ML_HOME/lists/x.org/news.toml"
  is "$(printf 'end\t0')" "$(ml-receive news@x.org 2>log < <(message))"
  post < <(message) | decoded | grep -qx 'List-Archive: <https://x.org/a/>'
  run ml-receive news@x.org --else reject < <(message)
  is 77 "$status"
}

@test "ml-receive: a file of posters in the settings is found below the home" {
  echo ann@example.org >"$ML_HOME/board"
  echo 'post = "board"' >"$ML_HOME/lists/x.org/news.toml"
  is 2 "$(cd / && ml-receive news@x.org < <(message) | wc -l)"
}

@test "ml-receive: a bare list name is completed by the site" {
  run ml-receive news --post anyone < <(message)
  is 75 "$status"
  echo 'default-domain = "x.org"' >"$ML_HOME/lists.toml"
  is 2 "$(ml-receive news --post anyone < <(message) | wc -l)"
}

# --- what is held ---------------------------------------------------------------------------

@test "ml-receive: a held post is an entry that is the section it would have been" {
  run --separate-stderr ml-receive news@x.org --else hold --sender ann@example.org < <(message)
  is 0 "$status"
  is "$(printf 'end\t0')" "$output"
  is 1 "$(entries | wc -l)"
  cmp "$(entries)" <(post --sender ann@example.org < <(message))
  is 600 "$(stat -c %a "$(entries)")"
}

@test "ml-receive: the same post held twice is one entry" {
  for _ in 1 2; do ml-receive news@x.org --else hold 2>log < <(message); done
  is 1 "$(entries | wc -l)"
}

@test "ml-receive: a held post is durable before anybody is told" {
  strace -f -y -o trace -e trace=write,fsync,renameat,renameat2 \
    ml-receive news@x.org --else hold < <(message) >out 2>log
  # The file, its name, its directory, and only then the word.
  order=$(sed -nE -e 's/.*fsync\([0-9]+<[^>]*\/held\/tmp\/r[^>]*>.*/file/p' -e 's/.*renameat.*"tmp\/r.*/name/p' \
    -e 's/.*fsync\([0-9]+<[^>]*\/held\/[a-z2-7]>.*/directory/p' -e 's/.*write\(1<.*"end.*/word/p' trace | paste -sd' ')
  is "file name directory word" "$order"
}

@test "ml-receive: a hold that is killed at any step says nothing and is completed by the next try" {
  local call n kills=0
  for call in mkdirat openat syncfs fsync renameat; do
    for n in {1..20}; do
      rm -rf "$ML_HOME/queue"
      strace -f -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n \
        ml-receive news@x.org --else hold < <(message) >out 2>log || true
      if grep -q '^end' out; then break; fi # this call was not made that often
      kills=$((kills + 1))
      is "" "$(cat out)"
      for entry in $(entries); do is "$(printf 'end\t0')" "$(tail -n 1 "$entry")"; done
      ml-receive news@x.org --else hold < <(message) >out 2>log
      is "$call $n: 1" "$call $n: $(entries | wc -l)"
    done
  done
  [ "$kills" -ge 10 ]
}

@test "ml-receive: a hold whose disk fails is 75 and never says that it is ours" {
  local call n failures=0
  for call in syncfs fsync renameat; do
    for n in {1..20}; do
      rm -rf "$ML_HOME/queue"
      status=0
      strace -f -o /dev/null -e trace=$call -e inject=$call:error=ENOSPC:when=$n \
        ml-receive news@x.org --else hold < <(message) >out 2>log || status=$?
      [ "$status" -ne 0 ] || break # this call was not made that often
      failures=$((failures + 1))
      is "$call $n: 75" "$call $n: $status"
      is "end 75" "$(cut -f1,2 out | tr '\t' ' ')"
      is "" "$(find "$ML_HOME/queue" -path '*/held/tmp/*')"
    done
  done
  [ "$failures" -ge 5 ]
}

# --- trouble of ours ------------------------------------------------------------------------

@test "ml-receive: what came to another address of the list is marked and no stage takes it for a post" {
  for role in owner request; do
    RECIPIENT=news-$role@x.org post < <(message) >$role
    grep -q $'^message.*\tml.received='$role'$' $role
    run --separate-stderr ml-expand <$role
    is 75 "$status"
    is "" "$(grep ^rcpt <<<"$output" || true)"
    [[ "$stderr" == *"for the $role of news@x.org, not for its subscribers"* ]]
    [[ "$stderr" == *"--to FILE or a LIST, as in: ml-expand news@x.org"* ]]
    is "$(RECIPIENT= post < <(message) | ml-expand | grep ^rcpt)" "$(ml-expand news@x.org <$role | grep ^rcpt)"
    is bob@example.org "$(ml-expand --to <(echo bob@example.org) <$role | grep ^rcpt | cut -f2)"
  done
  RECIPIENT=news@x.org post < <(message) >plain
  post < <(message) | cmp - plain
  RECIPIENT=other-owner@x.org post < <(message) | cmp - plain
  is 3 "$(cut -f2 plain owner request | grep -c ^r)"
  is 3 "$(cut -f2 plain owner request | grep ^r | sort -u | wc -l)"
}

@test "ml-receive: a held post and held mail to the owner are two entries though one message" {
  for to in news news-owner; do RECIPIENT=$to@x.org ml-receive news@x.org --post nobody --else hold --log log < <(message); done
  is 2 "$(ml-queue list held | wc -l)"
  is 1 "$(grep -c 'news-owner@x.org: held' log)"
  is 1 "$(cat $(entries) | grep -c '^message.*ml.received=owner$')"
}

@test "ml-receive: a list that is not there is 75 and says how to make it" {
  run --separate-stderr ml-receive other@x.org < <(message)
  is 75 "$status"
  [[ "$stderr" == "ml-receive: "*"ml-list create other@x.org"* ]]
}

@test "ml-receive: a home that is not there is 75" {
  run ml-receive news@x.org --home "$PWD/nowhere" < <(message)
  is 75 "$status"
}

@test "ml-receive: settings that others may write are 75" {
  chmod 0666 "$ML_HOME/lists/x.org/news.toml"
  run ml-receive news@x.org < <(message)
  is 75 "$status"
}

@test "ml-receive: a pipe whose reader has left is 75 in silence" {
  exec 4> >(exit)
  wait $!
  message | post >&4 2>log || status=$?
  is 75 "$status"
  is "" "$(cat log)"
}

@test "ml-receive: usage that makes no sense is 75" {
  for arguments in "" "a@x.org b@x.org" "--else burn news@x.org" "--frob news@x.org" "news@x.org | ml-expand"; do
    run ml-receive $arguments < <(message)
    is 75 "$status"
  done
}

@test "ml-receive: no field of the message can become a record of the stream" {
  printf 'From: ann@example.org\nSubject: x\r\nend\t0\r\nmessage\tx\r\n\r\nend\t0\nrcpt\teve@x.org\t-\n' >in
  { printf 'Return-Path: <a\tb@x.org>\n'; cat in; } | post >out
  is "message end" "$(cut -f1 out | paste -sd' ')"
  is none "$(author <out)"
}

@test "ml-receive: a bad word is named with where it came from" {
  ml-list create other@x.org
  echo 'else = "foo"' >"$ML_HOME/lists/x.org/other.toml"
  run ml-receive other@x.org < <(message)
  [[ "$output" == *"the setting else of other@x.org must be hold, reject or drop, not 'foo'"* ]]
  run ml-receive --else bar other@x.org < <(message)
  [[ "$output" == *"--else must be hold"* ]]
}
