# ml-send to relays that DNS names: a resolver and sinks of ours.
load common
load dns

# sink NAME [OPTION...]: a sink whose log is NAME.log and whose port is $(cat NAME.port).
sink() {
  rm -f "$1.port"
  : >"$1.log"
  smtp-sink --port-file "$1.port" --log "$1.log" "${@:2}" >"$1.counts" 2>"$1.violations" 3>&- &
  started+=($!)
  until [ -e "$1.port" ] || ! kill -0 $!; do sleep 0.01; done # polls
}

# send URI [OPTION...]: to ann and bob.
send() {
  stream ann@x.org bob@x.org >in
  run ml-send --again --max-wait 1 --resolver "$resolver" --undelivered left --via "$@" <in
}

@test "mx: mail goes to the host of least preference and the log names it" {
  sink near
  zone 'x.test 60 MX 20 far.x.test' 'x.test 60 MX 10 near.x.test' 'near.x.test 60 A 127.0.0.1' \
    'far.x.test 60 A 127.0.0.2'
  send "smtp+mx:x.test:$(cat near.port)?tls=none"
  is "" "$output"
  is 0 "$status"
  is 2 "$(wc -l <near.log)"
  is "smtp://near.x.test:$(cat near.port)" "$(ml-log --json x1 | grep -o 'smtp://[^"]*' | sort -u)"
}

@test "mx: the next host takes over where nobody answers" {
  sink far
  zone 'x.test 60 MX 10 near.x.test' 'near.x.test 60 A 127.0.0.2' 'x.test 60 MX 20 far.x.test' \
    'far.x.test 60 A 127.0.0.1'
  send "smtp+mx://x.test:$(cat far.port)/?tls=none"
  is 0 "$status"
  is 2 "$(wc -l <far.log)"
}

@test "mx: all addresses of a host are tried" {
  sink far
  zone 'x.test 60 MX 10 mx.x.test' 'mx.x.test 60 A 127.0.0.2' 'mx.x.test 60 A 127.0.0.3' \
    'mx.x.test 60 A 127.0.0.1' 'mx.x.test 60 AAAA ::1'
  send "smtp+mx:x.test:$(cat far.port)?tls=none"
  is "" "$output"
  is 0 "$status"
}

@test "host: one of several addresses that drops what comes to it is passed over" {
  load sink
  sinks=()
  begin_sink
  mv log far.log
  port=$(cat port)
  black_hole 127.0.0.2 "$port"
  started+=("${sinks[@]}")
  zone 'mx.test 60 A 127.0.0.2' 'mx.test 60 A 127.0.0.1' 'x.test 60 MX 10 mx.test'
  for uri in "smtp://mx.test:$port" "smtp+mx:x.test:$port"; do
    verp $(seq -f 'u%g@x.org' 20) >in
    run ml-send --again --for 50 --max-wait 2 --resolver "$resolver" --via "$uri?tls=none" <in
    is "" "$output"
    is 0 "$status"
  done
  is 40 "$(wc -l <far.log)"
}

@test "host: a name is looked up once for all connections and localhost never" {
  sink near --drip
  zone 'mx.test 60 A 127.0.0.1'
  stream $(seq -f 'u%g@x.org' 500) | sed -E 's/^rcpt\t(u.*)@.*/&\1@x.org/; s/-(u)/\1/' >in
  for host in mx.test LOCALHOST 127.0.0.1 "[::1]"; do
    [ "$host" != "[::1]" ] || continue
    ml-send --again --resolver "$resolver" --via "smtp://$host:$(cat near.port)?tls=none" <in
  done
  is 1500 "$(wc -l <near.log)"
  is "mx.test A udp mx.test AAAA udp" "$(sort dns.log | paste -sd' ')"
}

@test "host: while nobody knows where one relay is the others have the mail" {
  sink near
  zone 'slow.test 60 SILENCE' 'sick.test 60 FAIL'
  for name in slow sick nowhere; do
    run ml-send --again --for 20 --max-wait 300 --resolver "$resolver" --via "smtp://$name.test?tls=none" \
      --via "smtp://127.0.0.1:$(cat near.port)?backup" < <(stream ann@x.org)
    is 0 "$status"
  done
  is 3 "$(wc -l <near.log)"
}

@test "host: a second server is asked where the first says nothing" {
  sink near
  zone 'mx.test 60 SILENCE'
  silent=$resolver
  zone 'mx.test 60 A 127.0.0.1'
  run ml-send --again --max-wait 30 --resolver "$silent,$resolver" --via "smtp://mx.test:$(cat near.port)?tls=none" < <(stream ann@x.org)
  is 0 "$status"
  is 1 "$(wc -l <near.log)"
}

@test "host: whoever waits for a name can be stopped" {
  zone 'slow.test 60 SILENCE'
  stream ann@x.org >in
  ml-send --max-wait 300 --resolver "$resolver" --via "smtp://slow.test?tls=none" --undelivered left <in 3>&- &
  sender=$!
  until [ -s dns.log ]; do sleep 0.01; done # polls
  kill $sender
  status=0
  wait $sender || status=$?
  is 75 "$status"
  grep -q '^rcpt.ann@x.org' left
}

@test "host: a relay that is not there is said to be" {
  zone 'x.test 60 A 127.0.0.1'
  run ml-send --max-wait 0 --resolver "$resolver" --via "smtp://nowhere.test?tls=none" --undelivered left \
    < <(stream ann@x.org)
  is 75 "$status"
  [[ "$output" == *"no address of nowhere.test is known: there is no such name"* ]]
}

@test "mx: a domain without MX is its own host" {
  sink own
  zone 'x.test 60 A 127.0.0.1'
  send "smtp+mx:x.test:$(cat own.port)?tls=none"
  is 0 "$status"
  is 2 "$(wc -l <own.log)"
}

@test "mx: a domain that takes no mail or is not there is no relay and nothing is sent" {
  zone 'null.test 60 MX 0 .' 'sick.test 0 FAIL' 'lost.test 60 MX 10 mx.lost.test'
  for domain in null nowhere sick lost; do
    send "smtp+mx:$domain.test?tls=none"
    is 75 "$status"
    [[ "${lines[-1]}" == "ml-send: relay smtp+mx:$domain.test?tls=none cannot be used (no "*"); nothing was sent" ]]
  done
}

@test "mx: other relays do without the one that is not known" {
  sink other
  zone 'null.test 60 MX 0 .'
  send "smtp+mx:null.test" --via "smtp://127.0.0.1:$(cat other.port)"
  is 0 "$status"
  [[ "$output" == "ml-send: relay smtp+mx:null.test cannot be used (no MX of null.test is known: "* ]]
  is 2 "$(wc -l <other.log)"
}

@test "mx: the best hosts share the work with relays that were named and later ones do not" {
  sink best --drip
  sink named --drip
  zone "_smtp._tcp.x.test 60 SRV 10 0 $(cat best.port) mx.x.test" 'mx.x.test 60 A 127.0.0.1' \
    "_smtp._tcp.x.test 60 SRV 20 0 1 mx.x.test"
  stream $(seq -f 'u%g@x.org' 2000) | sed -E 's/^rcpt\t(u.*)@.*/&\1@x.org/; s/-(u)/\1/' >in
  run ml-send --resolver "$resolver" --via "smtp+srv:x.test?tls=none" \
    --via "smtp://127.0.0.1:$(cat named.port)" <in
  is "" "$output"
  is 2000 "$(cat best.log named.log | wc -l)"
  [ -s best.log ]
  [ -s named.log ]
}

@test "mx: nobody is asked where nothing is to be looked up" {
  sink plain
  zone 'x.test 60 A 127.0.0.1'
  send "smtp://127.0.0.1:$(cat plain.port)"
  is 0 "$status"
  is "" "$(cat dns.log)"
}

@test "srv: hosts have ports and a busy one's place is taken by the next" {
  sink first --fault 'connect=421 4.3.2 busy'
  sink second
  zone "_smtp._tcp.x.test 60 SRV 0 1 $(cat first.port) mx.x.test" 'mx.x.test 60 A 127.0.0.1' \
    "_smtp._tcp.x.test 60 SRV 5 1 $(cat second.port) mx.x.test"
  send "smtp+srv:x.test?tls=none"
  is 0 "$status"
  is 2 "$(wc -l <second.log)"
  send "smtp+srv:_smtp._tcp.x.test?tls=none"
  is 0 "$status"
  is 4 "$(wc -l <second.log)"
}

@test "srv: equals share the work" {
  sink one --drip
  sink two --drip
  zone "_smtp._tcp.x.test 60 SRV 0 1 $(cat one.port) mx.x.test" 'mx.x.test 60 A 127.0.0.1' \
    "_smtp._tcp.x.test 60 SRV 0 1 $(cat two.port) mx.x.test"
  stream $(seq -f 'u%g@x.org' 2000) | sed -E 's/^rcpt\t(u.*)@.*/&\1@x.org/; s/-(u)/\1/' |
    ml-send --resolver "$resolver" --via "smtp+srv:x.test?tls=none"
  is 2000 "$(cat one.log two.log | wc -l)"
  [ -s one.log ]
  [ -s two.log ]
}

@test "srv: the command to go on has the relay as it was given and once" {
  sink first --fault 'rcpt=450 4.2.0 later'
  zone "_smtp._tcp.x.test 60 SRV 0 1 $(cat first.port) mx.x.test" 'mx.x.test 60 A 127.0.0.1' \
    "_smtp._tcp.x.test 60 SRV 5 1 $(cat first.port) mx.x.test"
  send "smtp+srv:x.test?tls=none"
  is 75 "$status"
  [[ "$output" == *"go on with: ml-send --via 'smtp+srv:x.test?tls=none' --resolver $resolver --undelivered left --max-wait 1 <left" ]]
}

@test "srv: the site names the resolver" {
  sink first
  zone "_smtp._tcp.x.test 60 SRV 0 1 $(cat first.port) mx.x.test" 'mx.x.test 60 A 127.0.0.1'
  mkdir -m 700 home
  printf 'resolver = "%s"\nvia = "smtp+srv:x.test?tls=none"\n' "$resolver" >home/lists.toml
  stream ann@x.org | ml-send
  is 1 "$(wc -l <first.log)"
}

@test "mx: a certificate is good for the domain or a host below it and for no other that DNS names" {
  (
    umask 077
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca \
      -keyout ca.key -out ca.pem
    for name in x.test mx.x.test mx.other.test; do
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" \
        -addext "subjectAltName=DNS:$name" -addext basicConstraints=CA:FALSE -CA ca.pem -CAkey ca.key \
        -keyout key -out crt || exit
      cat key crt >"$name.pem"
    done
  ) >openssl.log 2>&1 || { cat openssl.log; return 1; }
  while read -r certificate host expected; do
    sink mx --tls-cert "$certificate.pem"
    zone "x.test 60 MX 10 $host" "$host 60 A 127.0.0.1"
    send "smtp+mx:x.test:$(cat mx.port)" --tls-ca ca.pem
    echo "$certificate at $host: $output"
    is "$expected" "$status"
    [ "$expected" -eq 0 ] || [[ "$output" == *"its certificate is not trusted"* ]]
  done <<'CASES'
x.test mx.x.test 0
mx.x.test mx.x.test 0
x.test mx.other.test 0
mx.other.test mx.other.test 75
mx.other.test mx.x.test 75
CASES
}
