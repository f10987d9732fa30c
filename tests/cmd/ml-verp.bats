bats_require_minimum_version 1.5.0
load common

# of_list LIST ADDRESS...: a stream of that list's to these recipients.
of_list() {
  printf 'message\tx1\t%s\t%s\tlist=%s\n' "${1/@/-bounces@}" "$(message | base64 -w0)" "$1"
  printf 'rcpt\t%s\t-\n' "${@:2}"
  printf 'end\t0\n'
}

senders() { grep ^rcpt | cut -f3; }
decoded_recipient() { ml-verp --decode "$1" | cut -f1; }

long=$(printf 'l%.0s' {1..40})@example.org

@test "ml-verp: each recipient gets a sender that decodes to it and to the list" {
  ml-list create news@x.org
  of_list news@x.org ann@example.org Bob+tag@example.com >in
  ml-verp <in >out
  is "$(grep -v ^rcpt in)" "$(grep -v ^rcpt out)"
  is "$(grep ^rcpt in | cut -f2)" "$(grep ^rcpt out | cut -f2)"
  is $'ann@example.org\tnews@x.org' "$(ml-verp --decode "$(senders <out | sed -n 1p)" | cut -f1,2)"
  is Bob+tag@example.com "$(decoded_recipient "$(senders <out | sed -n 2p)")"
}

@test "ml-verp: an ad-hoc run makes home and keys and its sender stands for the list" {
  stream ann@example.org >in
  ml-verp <in >out
  [ -f "$ML_HOME/keys/a" ]
  [[ "$(senders <out)" == news-bounces+*-ann=example.org@x.org ]]
  is $'ann@example.org\tnews@x.org' "$(ml-verp --decode "$(senders <out)" | cut -f1,2)"
  sed 's/news-bounces@x.org/news@x.org/' in | ml-verp | senders >again
  is "$(senders <out)" "$(cat again)"
}

@test "ml-verp: a list's section makes no home" {
  run --separate-stderr ml-verp < <(of_list news@x.org ann@example.org)
  is 75 "$status"
  [[ "$stderr" == *"there is no home"* ]]
  [ ! -e "$ML_HOME" ]
}

@test "ml-verp: a home with a store and without keys is 75" {
  ml-list create news@x.org
  rm -rf "$ML_HOME/keys"
  run ml-verp < <(of_list news@x.org ann@example.org)
  is 75 "$status"
  run ml-verp < <(stream ann@example.org)
  is 75 "$status"
  [[ "$output" == *"would disown"* ]]
}

@test "ml-verp: a sender of its own stays and the null sender stays" {
  { printf 'message\tx1\tnews@x.org\taGk=\n'
    printf 'rcpt\ta@x.org\tmine@x.org\tname=A\nrcpt\tb@x.org\t<>\nrcpt\tc@x.org\t-\nend\t0\n'
    printf 'message\tx2\t<>\taGk=\nrcpt\td@x.org\t-\nend\t0\n'; } >in
  ml-verp <in >out
  is "$(grep -v c@x.org in)" "$(grep -v c@x.org out)"
  [[ "$(grep c@x.org out | cut -f3)" == news-bounces+* ]]
  ml-verp <out | cmp - out
}

@test "ml-verp: attributes stay where they are" {
  printf 'message\tx1\tnews@x.org\taGk=\nrcpt\ta@x.org\t-\tname=A\\tB\ttoken=7\nend\t0\n' |
    ml-verp | grep ^rcpt | cut -f4- >out
  is "$(printf 'name=A\\tB\ttoken=7')" "$(cat out)"
}

@test "ml-verp: handles are in the store and come back and the order stays" {
  stream a@x.org "$long" b@x.org "[broken" >/dev/null
  stream a@x.org "$long" 'Ann@[192.0.2.1]' b@x.org "$long" >in
  ml-verp <in >out
  is "$(cut -f1,2 in)" "$(cut -f1,2 out)"
  is "a@x.org $long ann@[192.0.2.1] b@x.org $long" \
    "$(senders <out | while read -r s; do decoded_recipient "$s"; done | paste -sd' ')"
  ml-verp <in | cmp - out
}

@test "ml-verp: more handles than one commit holds all come back" {
  stream $(seq -f "u%06g-$(printf 'l%.0s' {1..40})@example.org" 60000) >in
  ml-verp <in >out
  is "$(cut -f1,2 in | md5sum)" "$(cut -f1,2 out | md5sum)"
  is 60000 "$(senders <out | sort -u | wc -l)"
  for n in 1 30000 60000; do
    is "$(grep ^rcpt in | sed -n ${n}p | cut -f2)" "$(decoded_recipient "$(senders <out | sed -n ${n}p)")"
  done
}

@test "ml-verp: who had a handle before does not wait for the many of a commit" {
  stream $(seq -f "u%05g-$(printf 'l%.0s' {1..40})@example.org" 5000) >in
  ml-verp <in >/dev/null
  mkfifo lines
  ml-verp <lines >out 3>&- &
  exec 7>lines
  grep -v ^end in >&7
  while [ "$(grep -c ^rcpt out)" -lt 1000 ]; do kill -0 $! && sleep 0.1; done # polls
  printf 'end\t0\n' >&7
  exec 7>&-
  wait $!
  is "$(cut -f1,2 in)" "$(cut -f1,2 out)"
}

@test "ml-verp: killed before its commit it has let no line out that carries a lost handle" {
  stream $(seq -f "u%06g-$(printf 'l%.0s' {1..40})@example.org" 60000) >in
  ml-verp <in >/dev/null  # the home
  sed -i 's/-l/-m/' in
  mkfifo lines
  ml-verp <in >lines 3>&- &
  exec 7<lines
  head -n 20000 <&7 >out
  kill -9 $!
  wait $! || is 137 $?
  grep ^rcpt out | head -n -1 | shuf -n 20 --random-source=in | while IFS=$'\t' read -r _ address sender; do
    is "$address" "$(decoded_recipient "$sender")"
  done
}

@test "ml-verp: no sender is over 64 octets before its @ for names of any length" {
  for n in 1 22 23 40; do
    list=$(printf 'n%.0s' $(seq $n))@lists.example.org
    ml-list create "$list"
    of_list "$list" a@x.org "$long" 'o=b%c!d@x.org' >in
    ml-verp <in | senders >"senders.$n"
    while read -r sender; do
      local_part=${sender%@*}
      [ ${#local_part} -le 64 ]
      [[ "$local_part" != *[%!\'*]* ]]
      is "$list" "$(ml-verp --decode "${sender^^}" | cut -f2)"
    done <"senders.$n"
  done
}

@test "ml-verp: a sender that can stand for no list is 75 and says what to do" {
  run --separate-stderr ml-verp < <(stream ann@example.org | sed 's/news-bounces@x.org/a+b@x.org/')
  is 75 "$status"
  [[ "$stderr" == *"a+b@x.org"*"must look like"* ]]
  is 0 "$(grep -c ^rcpt <<<"$output")"
}

@test "ml-verp: a recipient that is no address ends its section alone" {
  run ml-verp < <(stream a@x.org nonsense b@x.org; stream c@x.org)
  is 75 "$status"
  [[ "$output" == *rcpt*a@x.org*$'end\t75'*rcpt*c@x.org*$'end\t0'* ]]
}

@test "ml-verp: a failed end is passed on in silence with its status" {
  run --separate-stderr ml-verp < <(printf 'end\t77\t5.7.1 no\n')
  is 77 "$status"
  is "" "$stderr"
}

@test "ml-verp: --decode is 65 for a forgery and for any other address" {
  sender=$(ml-verp < <(stream ann@example.org) | senders)
  for forged in "${sender/ann=/bob=}" "${sender/news/views}" "${sender/x.org/y.org}" ann@example.org \
    news-bounces@x.org '' @ "$sender@"; do
    run --separate-stderr ml-verp --decode "$forged"
    is "65 $forged" "$status $forged"
    is "" "$output"
    [[ "$stderr" == 5.[17].[13]\ * ]]
  done
}

@test "ml-verp: --decode prints the tag that marks carry" {
  sender=$(ml-verp < <(stream ann@example.org) | senders)
  [[ "$(ml-verp --decode "$sender" | cut -f3)" =~ ^[a-z2-7]{6}$ ]]
  is "${sender:16:6}" "$(ml-verp --decode "$sender" | cut -f3)"
}

@test "ml-verp: --decode sees through what other servers have wrapped around it" {
  sender=$(ml-verp < <(stream ann@example.org) | senders)
  is ann@example.org "$(decoded_recipient "prvs=4567abcdef=$sender")"
  is ann@example.org "$(decoded_recipient "BTV1==090ABCDEF==${sender^^}")"
}

@test "ml-verp: --xverp signs the message's sender and leaves the recipients to the server" {
  stream ann@example.org bob@example.com >in
  ml-verp --xverp <in >out
  is "$(grep -v ^message in)" "$(grep -v ^message out)"
  sender=$(grep ^message out | cut -f3)
  is ml.xverp=+= "$(grep ^message out | cut -f5)"
  is $'-\tnews@x.org' "$(ml-verp --decode "$sender" | cut -f1,2)"
  is $'-\tnews@x.org' "$(ml-verp --decode "${sender/@/+ann=example.org@}" | cut -f1,2)"
}

@test "ml-verp: a million recipients go through in flat memory" {
  mkfifo lines
  ml-verp <lines >out 3>&- &
  exec 8>lines
  printf 'message\tx1\tnews@x.org\taGk=\n' >&8
  peak() { # peak LINES: once so many have come out
    until [ "$(wc -l <out)" -ge "$1" ]; do kill -0 %1; done
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$!/status"
  }
  seq -f $'rcpt\tu%.0f@example.org\t-' 100000 >&8
  small=$(peak 90000)
  seq -f $'rcpt\tu%.0f@example.org\t-' 900000 >&8
  large=$(peak 990000)
  printf 'end\t0\n' >&8
  exec 8>&-
  wait $!
  [ "$large" -le $((small + small / 20)) ]
}

@test "verp: a key of a year ago signs no more and what it signed decodes for sixty days" {
  stream bob@example.org | ml-verp >/dev/null
  touch -d '100 days ago' "$ML_HOME/keys/a"
  old=$(stream bob@example.org | ml-verp | grep ^rcpt | cut -f3)
  touch -d '366 days ago' "$ML_HOME/keys/a"
  new=$(stream bob@example.org | ml-verp | grep ^rcpt | cut -f3)
  [[ "$old" == news-bounces+a* ]]
  [[ "$new" == news-bounces+b* ]]
  is bob@example.org "$(ml-verp --decode "$old" | cut -f1)"
  is bob@example.org "$(ml-verp --decode "$new" | cut -f1)"
  touch -d '61 days ago' "$ML_HOME/keys/b"
  run ml-verp --decode "$old"
  is 65 "$status"
  is bob@example.org "$(ml-verp --decode "$new" | cut -f1)"
}

# See tests/tools/power-cut.cpp.
@test "ml-verp: a power cut at each sync takes no handle from a line that has gone out" {
  stream >none
  ml-verp <none >/dev/null  # the home
  cp -a "$ML_HOME" fresh
  stream $(seq -f "u%05g-$(printf 'l%.0s' {1..40})@example.org" 3000) >in
  local at cut=100 n lines
  for ((at = 1; cut == 100; at++)); do
    rm -rf "$ML_HOME"
    cp -a fresh "$ML_HOME"
    cut=0
    power-cut "$ML_HOME" $at ml-verp <in >out || cut=$?
    [ -z "$(tail -c 1 out)" ] || sed -i "\$d" out
    lines=$(grep -c ^rcpt out || true)
    for n in 1 $((lines / 2)) $lines; do
      [ "$n" -eq 0 ] || [ "$lines" -eq 0 ] && continue
      is "$(grep ^rcpt in | sed -n ${n}p | cut -f2)" "$(decoded_recipient "$(senders <out | sed -n ${n}p)")"
    done
  done
  is "0 3000" "$cut $lines"
  [ $at -gt 2 ]
}

@test "verp: a recipient keeps its handle when the key changes" {
  long=$(printf 'l%.0s' {1..60})@example.org
  old=$(stream "$long" | ml-verp | grep ^rcpt | cut -f3)
  touch -d '366 days ago' "$ML_HOME/keys/a"
  new=$(stream "$long" | ml-verp | grep ^rcpt | cut -f3)
  [[ "$new" == news-bounces+b* ]]
  is "${old##*-}" "${new##*-}"
  is "$long" "$(ml-verp --decode "$new" | cut -f1)"
}

# one_click: a home with a list whose posts offer a click to leave it, and a post.
one_click() {
  ml-list create news@x.org
  printf 'bob@example.com\ncy@example.net\n' | ml-store import news@x.org - >/dev/null
  export ML_RECEIVE_UNSUBSCRIBE='https://x.org/u/{{token}}' ML_RECEIVE_POST=anyone
  message >mail.eml
}

@test "verp: each recipient's mail offers a click of its own to leave the list" {
  one_click
  ml-receive news@x.org <mail.eml | ml-expand | ml-verp >signed
  ml-send --via bsmtp:- <signed >sent
  is 2 "$(grep -c '^List-Unsubscribe-Post: List-Unsubscribe=One-Click' sent)"
  for who in bob@example.com cy@example.net; do
    token=$(grep -A 100 "^RCPT TO:<$who>" sent | sed -n 's|^List-Unsubscribe: <https://x.org/u/\(.*\)>,|\1|p' | head -n 1)
    is "$who	news@x.org	-" "$(ml-verp --decode "$token")"
  done
}

@test "verp: a token that was changed is 65 and one of an old key is good for ever" {
  one_click
  token=$(ml-receive news@x.org <mail.eml | ml-expand | ml-verp | sed -n 's/^rcpt.*token=//p' | head -n 1)
  run ml-verp --decode "${token%?}A"
  is 65 "$status"
  touch -d '3000 days ago' "$ML_HOME/keys/a"
  ml-receive news@x.org <mail.eml | ml-expand | ml-verp | grep -q 'news-bounces+b.*token=b'
  touch -d '500 days ago' "$ML_HOME/keys/b"
  is bob@example.com "$(ml-verp --decode "$token" | cut -f1)"
}

@test "verp: a token stands beside slots of the author and one for all senders" {
  one_click
  sed -i 's/^Subject: .*/Subject: Dear {{email}}/' mail.eml
  ml-receive news@x.org <mail.eml | ml-expand --merge | ml-verp | ml-send --via bsmtp:- >sent
  is 2 "$(grep -c '^Subject: Dear .*@example' sent)"
  is 2 "$(sed -n 's|^List-Unsubscribe: <https://x.org/u/\(.*\)>,|\1|p' sent | sort -u | wc -l)"
  ml-receive news@x.org <mail.eml | ml-expand --merge | ml-verp --xverp >shared
  is 2 "$(grep -c '^rcpt.*	-	.*token=' shared)"
  is 2 "$(ml-verp <shared | grep ^rcpt | grep -o 'token=' | wc -l)"
}

@test "verp: without it nobody is mailed a link that leads nowhere" {
  one_click
  run bash -c "ml-receive news@x.org <mail.eml | ml-expand | ml-send --via bsmtp:sent"
  is 75 "$status"
  [ ! -s sent ]
  grep -q 'token' "$ML_HOME"/left/*
}

# page_cgi: the program of the page, as ./cgi.
page_cgi() {
  sed -n '/^#!/,/^\.Ed/p' "$BATS_TEST_DIRNAME/../../man/ml-verp.1" | sed '$d; s/\\en/\\n/g' >cgi
}

@test "verp: who leaves an ad-hoc mailing by the page's CGI program gets no more of them" {
  export ML_HOME=$PWD/adhoc
  page_cgi
  printf '%s\n' bob@example.com cy@example.net >people
  printf 'From: a@x.org\n\nhttps://x.org/u/{{token}}\n' >letter
  ml-expand --merge --to people --sender shop@x.org <letter | ml-verp >in
  PATH_INFO=/$(sed -n 's/^rcpt.bob.*token=//p' in)
  export PATH_INFO
  [[ "$(REQUEST_METHOD=POST sh cgi)" == "Status: 200"* ]]
  is cy@example.net "$(ml-expand --merge --to people --sender shop@x.org <letter | grep ^rcpt | cut -f2)"
  [[ "$(REQUEST_METHOD=POST sh cgi)" == "Status: 200"* ]] # a second click
}

@test "verp: the page's CGI program takes off by POST and nobody by GET or with a link that is not ours or in trouble" {
  one_click
  page_cgi
  token=$(ml-receive news@x.org <mail.eml | ml-expand | ml-verp | sed -n 's/^rcpt.bob.*token=//p')
  export PATH_INFO=/$token
  [[ "$(REQUEST_METHOD=GET sh cgi)" == "Status: 405"* ]]
  [[ "$(PATH_INFO=/x$token REQUEST_METHOD=POST sh cgi)" == "Status: 404"* ]]
  [[ "$(ML_HOME="$PWD/not-there" REQUEST_METHOD=POST sh cgi)" == "Status: 503"* ]] # trouble of ours
  mv "$ML_HOME/store" store
  [[ "$(REQUEST_METHOD=POST sh cgi)" == "Status: 503"* ]]
  mv store "$ML_HOME/store"
  is 2 "$(ml-expand news@x.org <mail.eml | grep -c ^rcpt)"
  [[ "$(REQUEST_METHOD=POST sh cgi)" == "Status: 200"* ]]
  is cy@example.net "$(ml-expand news@x.org <mail.eml | grep ^rcpt | cut -f2)"
  [[ "$(REQUEST_METHOD=POST sh cgi)" == "Status: 200"* ]] # a second click
}
