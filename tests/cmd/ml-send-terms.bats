# ml-send: what a relay is asked beside delivery, and relays that cannot take a message as it is.
load common
load sink

# section MESSAGE-ATTRIBUTES RCPT-ATTRIBUTES: to ann, with what stands on the two lines.
section() {
  printf 'message\tx1\tnews@x.org\t%s%b\n' "$(message | base64 -w0)" "$1"
  printf 'rcpt\tann+x@example.org\t-%b\nend\t0\n' "$2"
}

# ---- notices about delivery

@test "dsn: the stream asks for it and the relay is asked with the address and the id" {
  sink --dsn
  section '\tml.ret=hdrs\tml.envid=a=b' '\tml.notify=Failure,delay' | ml-send --via "$via"
  sunk
  [[ "$(cut -f4 log)" == *" RET=HDRS ENVID=a+3Db" ]]
  is "NOTIFY=FAILURE,DELAY ORCPT=rfc822;ann+2Bx@example.org" "$(cut -f5 log)"
}

@test "dsn: options ask for everybody and what the stream says goes first" {
  sink --dsn --chunking
  {
    section '' '' | sed '$d'
    printf 'rcpt\tbob@example.org\t-\tml.notify=never\n'
    printf 'rcpt\tcy@example.org\t-\tml.orcpt=x-local;cy\n'
    printf 'rcpt\tzoë@example.org\t-\nend\t0\n'
  } | ml-send --notify failure --ret full --via "$via"
  sunk
  [[ "$(head -n1 log | cut -f4)" == *" RET=FULL ENVID=x1" ]]
  is "NOTIFY=FAILURE ORCPT=rfc822;ann+2Bx@example.org|NOTIFY=NEVER|NOTIFY=FAILURE ORCPT=x-local;cy|NOTIFY=FAILURE" \
    "$(cut -f5 log | paste -sd'|')"
}

@test "dsn: a relay that does not announce it is not asked" {
  sink
  section '\tml.ret=hdrs' '\tml.notify=never' | ml-send --notify failure --via "$via"
  sunk
  is 1 "$(wc -l <log)"
}

@test "dsn: nobody asks where nothing was said" {
  sink --dsn
  section '' '\tname=Ann' | ml-send --via "$via"
  sunk
  is "" "$(cut -f5 log)"
  [[ "$(cut -f4 log)" != *ENVID* ]]
}

@test "dsn: values that are none reach no relay and leave whom they are about" {
  sink --dsn
  for notify in '' never,failure sometimes 'failure ORCPT=x' 'failure\\r\\nRSET' ; do
    run ml-send --again --via "$via" --undelivered left < <(section '' "\tml.notify=$notify")
    is 75 "$status"
    grep -q status=5.5.4 left
  done
  for orcpt in ann 'rfc822;' ';ann' 'rfc 822;ann' 'rfc822;ann\\nRSET' "rfc822;$(printf 'a%.0s' {1..500})"; do
    run ml-send --again --via "$via" --undelivered left < <(section '' "\tml.orcpt=$orcpt")
    is 75 "$status"
    grep -q status=5.5.4 left
  done
  for message in ml.ret=body "ml.envid=$(printf 'a%.0s' {1..101})" 'ml.envid=a\\tb' 'ml.envid=ü'; do
    run ml-send --again --via "$via" --undelivered left < <(section "\t$message" '')
    is 75 "$status"
    grep -q status=5.5.4 left
  done
  is "" "$(cat log)"
  sunk
}

@test "dsn: options that are none are 75 before anybody is sent to" {
  for option in --notify=often --notify=never,delay --ret=half; do
    run ml-send $option --via null: < <(stream ann@example.org)
    is 75 "$status"
    [[ "$output" == "ml-send: $option: "* ]]
  done
}

# ---- a relay without 8BITMIME

# eight_bit FIELDS BODY: a stream with this message to ann.
eight_bit() {
  printf 'From: a@x.org\nTo: n@x.org\nSubject: x\n%b\n%b' "$1" "$2" >original.eml
  printf 'message\tx1\ts@x.org\t%s\nrcpt\tann@x.org\t-\nrcpt\tbob@x.org\tb@x.org\nend\t0\n' "$(base64 -w0 original.eml)"
}

# parts FILE: the decoded text of each part of a message, as a mail reader has it.
parts() {
  python3 -c 'import sys, email, email.policy
for part in email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default).walk():
    if not part.is_multipart(): print(part.get_content_type(), repr(part.get_payload(decode=True).replace(b"\r\n", b"\n")))' "$1"
}

@test "7bit: a relay without 8BITMIME gets 8-bit text as quoted-printable and a reader sees no difference" {
  eight_bit 'MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n' \
    'Grüße = alles\n.\nFrom hier\n' >in
  for how in --multiline --chunking; do
    sink --without 8BITMIME $how
    run ml-send --again --via "$via" <in
    is 0 "$status"
    is "ml-send: x1: to relays without 8BITMIME its 8-bit text went encoded" "$output"
    sunk
    is "messages 2 recipients 2 refused 0 connections 1 violations 0" "$(cat counts)"
    run grep -qP '[^\x00-\x7f]' mail/2.eml
    is 1 "$status"
    is "$(parts original.eml)" "$(parts mail/2.eml)"
  done
}

@test "7bit: parts are encoded each in its way and others keep every octet" {
  printf 'Plain.\n' >plain
  eight_bit 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n' \
    'preamble\n--b\n\nPlain.\n--b\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n<p>gr\xfc\xdfe\n--b\nContent-Type: image/x\nContent-Transfer-Encoding: binary\n\n\x01\xff\xfe\n--b\nContent-Type: message/rfc822\n\nSubject: y\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nnested ü\n--b--\nepilogue\n' >in
  sink --without 8BITMIME
  ml-send --via "$via" <in
  sunk
  run grep -qP '[^\x00-\x7f]' mail/1.eml
  is 1 "$status"
  is "$(parts original.eml)" "$(parts mail/1.eml)"
  grep -q '^preamble' mail/1.eml
  grep -q '^epilogue' mail/1.eml
}

@test "7bit: what is signed or cannot be encoded is left with the reason" {
  while IFS='|' read -r fields body why; do
    sink --without 8BITMIME
    eight_bit "$fields" "$body" >in
    run ml-send --again --via "$via" --undelivered left <in
    echo "$why: $(cat left)"
    is 75 "$status"
    is 2 "$(grep -c "reply=554 5.6.3 the relay knows no 8BITMIME, and $why" left)"
    sunk
    is "" "$(cat log)"
  done <<'CASES'
DKIM-Signature: v=1; d=x.org\n|ü\n|it is signed (DKIM, ARC)
Content-Type: multipart/signed; boundary=b\n|--b\n\nü\n--b\nContent-Type: application/pgp-signature\n\nx\n--b--\n|it has a part that is signed or encrypted
X-Name: ü\n|ü\n|8-bit text is not only in its parts
Content-Transfer-Encoding: base64\n|ü\n|a part is not encoded as it says
Content-Type: message/delivery-status\n|ü\n|a part is of a kind that cannot be encoded
CASES
}

@test "7bit: a signature over ASCII stays good beside 8-bit text" {
  sink --without 8BITMIME
  eight_bit 'Content-Type: multipart/mixed; boundary=a\n' \
    '--a\nContent-Type: multipart/signed; boundary=b\n\n--b\n\nsigned\n--b\nContent-Type: application/pgp-signature\n\nx\n--b--\n--a\n\nfooter ü\n--a--\n' >in
  ml-send --via "$via" <in
  sunk
  is "$(sed -n '/^--b/,/^--b--/p' original.eml)" "$(tr -d '\r' <mail/1.eml | sed -n '/^--b/,/^--b--/p')"
}

@test "7bit: slots are filled all the same" {
  printf 'From: a@x.org\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nDear {{name}}, ü\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nfooter ü\n--b--\n' >mail.eml
  printf 'email,name\nann@x.org,Ann\nzoe@x.org,Zoë\n' >people.csv
  sink --without 8BITMIME
  ml-expand --merge --to people.csv --sender s@x.org <mail.eml | ml-send --via "$via"
  sunk
  is "messages 2 recipients 2 refused 0 connections 1 violations 0" "$(cat counts)"
  parts mail/1.eml | grep -qF 'Dear Ann, '
  parts mail/2.eml | grep -qF 'Dear Zo\xc3\xab, '
  parts mail/2.eml | grep -qF 'footer \xc3\xbc'
}

@test "7bit: a relay with 8BITMIME gets every octet as it was" {
  sink
  eight_bit '' 'ü\n' >in
  run ml-send --via "$via" <in
  is "" "$output"
  sunk
  cmp original.eml <(tr -d '\r' <mail/1.eml)
}

# ---- another relay that can

# sinks_of_which_one OPTION...: two relays, the first with the option, the second without; each in a
# directory of that name.
sinks_of_which_one() {
  mkdir -p first second
  cd first && sink "$@" && first=$via && cd ..
  cd second && sink && second=$via && cd ..
}
got() { cut -f2 "$1/log" | sort | paste -sd' '; }

@test "relays: 8-bit text goes to one that takes it before it is encoded for another" {
  sinks_of_which_one --without 8BITMIME
  eight_bit 'X-Name: ü\n' 'ü\n' >in
  for order in "$first $second" "$second $first" "$first $second?backup"; do
    read -r a b <<<"$order"
    run ml-send --again --via "$a" --via "$b" <in
    is "" "$output"
    is 0 "$status"
  done
  is "" "$(got first)"
  is 6 "$(wc -l <second/log)"
  cmp original.eml <(tr -d '\r' <second/mail/1.eml)
}

@test "relays: who needs SMTPUTF8 goes to one that knows it and others go to all" {
  sinks_of_which_one --without SMTPUTF8
  verp ann@x.org zoë@x.org bob@x.org ünal@x.org cy@x.org >in
  for order in "$first $second" "$second $first" "$first $second?backup"; do
    read -r a b <<<"$order"
    run ml-send --again --via "$a" --via "$b" <in
    is "" "$output"
    is 0 "$status"
  done
  is 6 "$(cut -f2 second/log | grep -c '[zü]')"
  is 15 "$(cat first/log second/log | wc -l)"
  run grep -P '[^\x00-\x7f]' first/log
  is 1 "$status"
}

@test "relays: a message goes to one that takes its size and a small one to all" {
  sinks_of_which_one --size 1000
  { message; seq 1000; } >original.eml
  { printf 'message\tx1\tn@x.org\t%s\n' "$(base64 -w0 original.eml)"; verp $(seq -f 'u%g@x.org' 40) | tail -n +2; } >in
  for order in "$first $second" "$second $first" "$first $second?backup"; do
    read -r a b <<<"$order"
    run ml-send --again --via "$a" --via "$b" <in
    is "" "$output"
    is 0 "$status"
  done
  is "" "$(got first)"
  is 120 "$(wc -l <second/log)"
  ml-send --via "$first" --via "$second" < <(verp $(seq -f 'v%g@x.org' 40) | sed s/x1/x2/)
  grep -q v first/log
  is 160 "$(cat first/log second/log | wc -l)"
}

@test "relays: a personal message goes to one that takes its size" {
  sinks_of_which_one --size 1000
  { message; echo 'Dear {{name}},'; seq 1000; } >mail.eml
  printf 'email,name\n' >people.csv
  seq 20 | sed 's/.*/u&@x.org,U&/' >>people.csv
  ml-expand --merge --to people.csv --sender n@x.org <mail.eml >in
  run ml-send --via "$first" --via "$second" <in
  is "" "$output"
  is 0 "$status"
  is "" "$(got first)"
  is 20 "$(wc -l <second/log)"
}

@test "relays: where none takes the size or only one out of reach nobody waits for it" {
  sinks_of_which_one --size 20
  run ml-send --via "$first" --undelivered left < <(stream ann@x.org)
  is 75 "$status"
  other=$first
  sunk
  sink --size 30
  run ml-send --via "$other" --via "$via" --via "$second?backup" --undelivered left < <(stream ann@x.org)
  is 75 "$status"
  grep -q $'^rcpt\tann@x.org\t-\tstatus=5.3.4' left
}

@test "relays: where the one that could take it is out of reach nobody waits for it" {
  sinks_of_which_one --without 8BITMIME --without SMTPUTF8
  eight_bit '' 'ü\n' | sed '$d' >in
  printf 'rcpt\tzoë@x.org\t-\nend\t0\n' >>in
  sunk
  run ml-send --via "$first" --via "$second?backup" --undelivered left <in
  is 75 "$status"
  is "ann@x.org bob@x.org" "$(got first)"
  grep -q $'^rcpt\tzoë@x.org\t-\tstatus=5.6.7\treply=553 5.6.7 the relay knows no SMTPUTF8' left
}

@test "relays: where none takes 8-bit text it is encoded for one of them" {
  sinks_of_which_one --without 8BITMIME
  other=$first
  sink --without 8BITMIME
  eight_bit '' 'ü\n' >in
  run ml-send --via "$other" --via "$via" <in
  is "ml-send: x1: to relays without 8BITMIME its 8-bit text went encoded" "$output"
  is 2 "$(cat first/log log | wc -l)"
}

# ---- for machines

@test "log: a line a recipient has the fields of ml-log and events stand beside them" {
  sink --fault 'connect<1=421 4.3.2 busy' --fault 'rcpt~old=550 5.1.1 gone'
  run ml-send --log said --via "$via" < <(stream ann@x.org old@x.org full@x.org)
  is 75 "$status"
  sunk
  grep -q "is busy" said
  is "ann@x.org|delivered|$via|250 2.0.0 Ok: taken|x1
full@x.org|deferred|$via|452 4.2.2 Mailbox full|x1
old@x.org|refused|$via|550 5.1.1 gone|x1" "$(grep -P '\t' said | cut -f1,2,4- | sort | tr '\t' '|')"
  is "$(ml-log x1)" "$(grep -P '\t' said | LC_ALL=C sort)"
}

@test "log: without the option nothing is said of a recipient" {
  sink
  mkdir -m 700 home
  echo 'log = "events"' >home/lists.toml
  ml-send --via "$via" < <(stream ann@x.org)
  sunk
  is "" "$(cat events)"
}

@test "metrics: counters by relay, outcome and class grow from run to run and none is lost" {
  sink --fault 'rcpt~old=550 5.1.1 gone'
  counter() { sed -n "s|^mlpipe_send_recipients_total{relay=\"$1\",outcome=\"$2\",reply=\"$3\"} ||p" metrics; }
  run ml-send --metrics metrics --via "$via" < <(stream ann@x.org old@x.org full@x.org nobody)
  is 75 "$status"
  is 1 "$(counter "$via" delivered 2xx)"
  is 1 "$(counter "$via" refused 5xx)"
  is 1 "$(counter "$via" deferred 4xx)"
  is 1 "$(counter - deferred none)"
  for i in 1 2 3 4 5 6; do
    stream a$i@x.org b$i@x.org | sed "s/^message\tx1/message\tn$i/" | ml-send --metrics metrics --via "$via" &
    senders[i]=$!
  done
  wait "${senders[@]}"
  is 13 "$(counter "$via" delivered 2xx)"
  is 644 "$(stat -c %a metrics)"
  is "metrics" "$(ls | grep ^metrics)"
  sunk
}

@test "metrics and log: a place that cannot be written is refused before anybody is sent to" {
  sink
  for option in --metrics --log; do
    run ml-send $option no/such/file --via "$via" < <(stream ann@x.org)
    is 75 "$status"
    [[ "$output" == *no/such/file* ]]
  done
  sunk
  is "" "$(cat log)"
}

@test "log: a full disk ends the log and not the delivery" {
  sink
  run ml-send --log /dev/full --via "$via" < <(stream ann@x.org)
  is 0 "$status"
  [[ "$output" == *"No space left on device; no more recipients are logged"* ]]
  sunk
  is 1 "$(wc -l <log)"
}
