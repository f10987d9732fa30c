# ml-send with TLS and AUTH, against a sink that speaks both.
load common
load sink

# certificate NAME ALTERNATIVE-NAMES [DAYS]: NAME.pem, signed by the authority of these tests.
certificate() {
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
    -addext "subjectAltName=$2" -keyout "$1.key" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -days "${3:-2}" -copy_extensions copy -CA ca.pem -CAkey ca.key \
    -out "$1.crt"
  cat "$1.key" "$1.crt" >"$1.pem"
}

setup_file() {
  cd "$BATS_FILE_TMPDIR"
  umask 077
  {
    for ca in ca stranger; do
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$ca" \
        -addext subjectAltName=IP:127.0.0.1 -keyout $ca.key -out $ca.pem
    done
    cat stranger.key stranger.pem >self-signed.pem
    certificate good IP:127.0.0.1,DNS:localhost
    certificate other DNS:other.test
    certificate expired IP:127.0.0.1 -1
    certificate client DNS:lists.test
  } >openssl.log 2>&1 || { cat openssl.log; return 1; }
}

# sink CERTIFICATE [OPTION...]: with a new log.
sink() {
  : >log
  begin_sink --tls-cert "$BATS_FILE_TMPDIR/$1.pem" "${@:2}"
}

# send URI [OPTION...]: to ann and bob, trusting the authority of these tests.
send() {
  stream ann@x.org bob@x.org >in
  run ml-send --again --max-wait 1 --tls-ca "$BATS_FILE_TMPDIR/ca.pem" --via "$@" <in
}

# left WORDS: nobody was delivered to, and the first line says why.
left() {
  echo "$output"
  is 75 "$status"
  [[ "${lines[0]}" == "ml-send: relay smtp"*"$1"* ]]
  [[ "$output" == *"2 of 2 left"* ]]
  is "" "$(cat log)"
}

# auth_file LINE...
auth_file() { (umask 077 && printf '%s\n' "$@" >auth); }

# ---- TLS

@test "tls: STARTTLS with a good certificate is used and mail goes as ever" {
  sink good
  send "smtp://$at?tls=must"
  is "" "$output"
  is 0 "$status"
  sunk
  is "messages 1 recipients 2 refused 0 connections 1 violations 0" "$(head -n1 counts)"
  is "tls 1 resumed 0 certificates 0 authenticated 0" "$(tail -n1 counts)"
}

@test "tls: smtps is TLS from the first octet" {
  sink good --smtps
  send "smtps://localhost:$(cat port)"
  is 0 "$status"
  sunk
  is "tls 1 resumed 0 certificates 0 authenticated 0" "$(tail -n1 counts)"
}

@test "tls: on loopback it is not used unless asked for" {
  sink good
  send "smtp://$at"
  is 0 "$status"
  sunk
  is "tls 0 resumed 0 certificates 0 authenticated 0" "$(tail -n1 counts)"
}

@test "tls: bodies go as they are, with DATA and with BDAT, and replies come cut anywhere" {
  { message; yes '.a line of the body, which is long enough to fill some records' | head -n 5000; } >mail.eml
  mkdir mail
  for how in --drip --chunking --multiline; do
    sink good "$how" --messages mail
    ml-expand --to <(seq -f 'u%g@x.org' 40) --sender news@x.org <mail.eml | sed -E 's/^rcpt\t(.*)@.*/rcpt\t\1@x.org\tb+\1@x.org/' |
      ml-send --again --tls-ca "$BATS_FILE_TMPDIR/ca.pem" --via "smtp://$at?tls=must"
    sunk
    is 40 "$(sort -u log | wc -l)"
    cmp mail.eml <(tr -d '\r' <mail/40.eml)
  done
}

@test "tls: a certificate for another name is not trusted" {
  sink other
  send "smtp://$at?tls=must"
  left "its certificate is not trusted"
  sink other --smtps
  send "smtps://localhost:$(cat port)"
  left "its certificate is not trusted: hostname mismatch"
}

@test "tls: a certificate of an unknown authority, an expired and a self-signed one are not trusted" {
  sink good
  run ml-send --again --via "smtp://$at?tls=must" < <(stream ann@x.org bob@x.org)
  left "its certificate is not trusted: unable to get local issuer certificate"
  sink expired
  send "smtp://$at?tls=must"
  left "its certificate is not trusted: certificate has expired"
  sink self-signed
  send "smtp://$at?tls=must"
  left "its certificate is not trusted: self-signed certificate"
}

@test "tls: where it may be it is used whatever the certificate, or not at all" {
  for certificate in self-signed expired other; do
    sink $certificate
    send "smtp://$at?tls=may"
    is 0 "$status"
    sunk
    is "tls 1 resumed 0 certificates 0 authenticated 0" "$(tail -n1 counts)"
  done
  sink good --without STARTTLS
  send "smtp://$at?tls=may"
  is 0 "$status"
  sunk
}

@test "tls: a relay that announces no STARTTLS is sent nothing and others take over" {
  sink good --without STARTTLS
  send "smtp://$at?tls=must"
  left "it announces no STARTTLS"
  send "smtp://$at?tls=must" --via "smtp://$at?backup"
  is 0 "$status"
  is 2 "$(wc -l <log)"
  sunk
}

@test "tls: octets injected behind the 220 end it" {
  sink good --fault $'starttls=220 go\n250-sink.test\n250 PIPELINING'
  send "smtp://$at?tls=must"
  left "there are octets behind its reply to STARTTLS"
}

@test "tls: a handshake of garbage is no TLS and one that hangs or breaks off is waited for" {
  sink good --smtps --fault tls=garbage
  send "smtps://$at"
  left "TLS: "
  sink good --fault tls=silence
  send "smtp://$at?tls=must"
  left "time is up for shaking hands"
  sink good --smtps --fault tls=silence
  send "smtps://$at"
  left "time is up for shaking hands"
  sink good --fault 'tls<1=drop'
  send "smtp://$at?tls=must"
  is 0 "$status"
  sunk
}

@test "tls: where it may be and does not work mail goes in clear and that is said" {
  for fault in --tls-newest=1.1 --fault=tls=drop --fault=tls=silence; do
    sink good "$fault"
    send "smtp://$at?tls=may"
    echo "with $fault: $output"
    is 0 "$status"
    [[ "${lines[0]}" == "ml-send: relay smtp://$at?tls=may has no TLS that works ("*"); going on in clear" ]]
    is 1 "${#lines[@]}"
    is 2 "$(wc -l <log)"
    sunk
  done
}

@test "tls: no password follows in clear and smtps stays TLS" {
  sink good --smtps --fault tls=garbage
  send "smtps://$at?tls=may"
  left "TLS: "
  sink good --auth ann:sesame --tls-newest 1.1
  auth_file "relay.test ann:sesame"
  # Off loopback as far as anybody can tell: DNS has named the host.
  printf '%s\n' 'relay.test 60 A 127.0.0.1' >zone
  rm -f dns.port
  dns-server --zone zone --port-file dns.port 3>&- &
  dns=$!
  until [ -e dns.port ]; do sleep 0.01; done # polls
  send "smtp+mx:relay.test:$(cat port)?tls=may" --auth-file auth --resolver "127.0.0.1:$(cat dns.port)"
  kill $dns
  echo "$output"
  is 75 "$status"
  [[ "$output" == *"going on in clear"*"no password is sent without TLS"* ]]
  is "" "$(cat log)"
}

@test "tls: smtps to a relay that speaks in clear is no TLS" {
  sink good
  send "smtps://$at"
  left "TLS: "
}

@test "tls: STARTTLS refused for now is tried again" {
  sink good --fault 'starttls<1=454 4.7.0 later'
  send "smtp://$at?tls=must"
  is 0 "$status"
  sunk
  sink good --fault 'starttls=554 5.7.0 no'
  send "smtp://$at?tls=must"
  left "554 5.7.0 no"
}

@test "tls: what is older than 1.2 is not spoken" {
  sink good --tls-newest 1.1
  send "smtp://$at?tls=must"
  left "TLS: "
  sink good --tls-newest 1.2
  send "smtp://$at?tls=must"
  is 0 "$status"
  sunk
}

@test "tls: what openssl.cnf asks for holds and a module that it names is not missed" {
  cat >openssl.cnf <<'CNF'
openssl_conf = all
[all]
engines = engines
providers = providers
ssl_conf = tls
[engines]
missing = missing
[missing]
dynamic_path = /missing.so
[providers]
legacy = other
default = usual
[other]
activate = 1
[usual]
activate = 1
[tls]
system_default = system_default
[system_default]
MinProtocol = TLSv1.3
CNF
  sink good --tls-newest 1.2
  OPENSSL_CONF=$PWD/openssl.cnf send "smtp://$at?tls=must"
  left "TLS: "
  sink good
  OPENSSL_CONF=$PWD/openssl.cnf send "smtp://$at?tls=must"
  is 0 "$status"
  sunk
}

@test "tls: the authorities that the system knows are trusted" {
  sink good
  stream ann@x.org bob@x.org >in
  SSL_CERT_FILE=$BATS_FILE_TMPDIR/ca.pem run ml-send --max-wait 1 --via "smtp://$at?tls=must" <in
  is "" "$output"
  is 0 "$status"
  sunk
}

@test "tls: the next connection to a relay resumes the session" {
  for newest in 1.2 1.3; do
    sink good --tls-newest $newest
    stream a@x.org b@x.org c@x.org | sed -E 's/^rcpt\t(.)@.*/&\1@x.org/; s/-([abc]@)/\1/' |
      ml-send --again --connections 1 --per-connection 1 --tls-ca "$BATS_FILE_TMPDIR/ca.pem" --via "smtp://$at?tls=must"
    sunk
    is "tls 3 resumed 2 certificates 0 authenticated 0" "$(tail -n1 counts)"
  done
}

@test "tls: a connection cut without a goodbye is lost and everybody ends in one set" {
  for fault in 'dot@3=drop' 'mail%5=drop' 'data@2=drop' 'body@4=drop' 'helo<1=drop'; do
    sink good --fault "$fault"
    seq -f 'u%g@x.org' 20 >people
    ml-expand --to people --sender news@x.org < <(message) | sed -E 's/^rcpt\t(.*)@.*/rcpt\t\1@x.org\tb+\1@x.org/' >in
    run ml-send --again --max-wait 1 --undelivered left --tls-ca "$BATS_FILE_TMPDIR/ca.pem" --via "smtp://$at?tls=must" <in
    echo "with $fault: $output"
    [ "$status" -eq 0 ] || [ "$status" -eq 75 ]
    sunk
    is "$(sort people)" "$({ cut -f2 log; [ ! -e left ] || grep ^rcpt left | cut -f2; } | sort -u)"
    rm -f left
  done
}

@test "tls: our certificate is shown to a relay that asks for it" {
  sink good --tls-clients "$BATS_FILE_TMPDIR/ca.pem"
  send "smtp://$at?tls=must"
  left ""
  send "smtp://$at?tls=must" --tls-cert "$BATS_FILE_TMPDIR/client.pem"
  is 0 "$status"
  sunk
  is "certificates 1" "$(tail -n1 counts | grep -o 'certificates [0-9]*')"
}

@test "tls: a certificate file that everybody may read or that is none is refused" {
  sink good
  cp "$BATS_FILE_TMPDIR/client.pem" ours.pem
  chmod 644 ours.pem
  send "smtp://$at?tls=must" --tls-cert ours.pem
  is 75 "$status"
  [[ "$output" == "ml-send: ours.pem has secrets and everybody may read it"* ]]
  send "smtp://$at?tls=must" --tls-cert nowhere.pem
  is 75 "$status"
  (umask 077 && echo none >none.pem)
  send "smtp://$at?tls=must" --tls-cert none.pem
  left "no certificate with its key can be read from none.pem"
}

# ---- AUTH

@test "auth: PLAIN, LOGIN and XOAUTH2 are used as the relay announces them" {
  for mechanism in PLAIN LOGIN XOAUTH2; do
    sink good --auth ann:sesame --mechanisms "CRAM-MD5 $mechanism"
    auth_file "127.0.0.1 ann:sesame"
    [ $mechanism != XOAUTH2 ] || auth_file "127.0.0.1 ann:{XOAUTH2}sesame"
    send "smtp://$at?tls=must" --auth-file auth
    is "" "$output"
    is 0 "$status"
    sunk
    is "tls 1 resumed 0 certificates 0 authenticated 1" "$(tail -n1 counts)"
  done
}

@test "auth: a long token comes behind the 334" {
  token=$(head -c 3000 /dev/zero | tr '\0' t)
  sink good --auth "ann:$token"
  auth_file "$at ann:{XOAUTH2}$token"
  send "smtps://localhost:1" --via "smtp://$at?tls=must" --auth-file auth
  is 0 "$status"
  sunk
}

@test "auth: a wrong password gives up the relay, leaves everybody and is in no line" {
  for line in "127.0.0.1 ann:open-barley" "127.0.0.1 ann:{XOAUTH2}open-barley"; do
    sink good --auth ann:sesame
    auth_file "$line"
    send "smtp://$at?tls=must" --auth-file auth --undelivered left
    [[ "$output" == *"does not talk to us (535 5.7.8 AUTH "*" as ann: "*"Authentication failed"*"given up"* ]]
    is 75 "$status"
    is 2 "$(grep -c ^rcpt left)"
    [[ "$output" == *"go on with: ml-send --via 'smtp://$at?tls=must' --auth-file auth --tls-ca "*" <left" ]]
    sunk
    is "connections 1" "$(grep -o 'connections [0-9]*' counts)"
  done
  secrets=$(printf '%s\n' open-barley "$(printf '\0ann\0open-barley' | base64)" "$(printf open-barley | base64)")
  run grep -rFl "$secrets" left log counts violations "$ML_HOME"
  is 1 "$status"
  run grep -F "$secrets" <<<"$output"
  is 1 "$status"
}

@test "auth: a relay that repeats the password is not quoted" {
  sink good --auth ann:sesame --fault "response=535 5.7.8 sesame is wrong, AGFubgBzZXNhbWU="
  auth_file "127.0.0.1 ann:sesame"
  send "smtp://$at?tls=must" --auth-file auth --log log-of-ours
  left=$(cat log-of-ours)
  [[ "$left" == *"it repeats the secret"* ]]
  run grep -rF -e sesame -e AGFubgB log-of-ours "$ML_HOME"
  is 1 "$status"
}

@test "auth: refused for now it is tried again" {
  sink good --auth ann:sesame --fault 'auth<1=454 4.7.0 later'
  auth_file "127.0.0.1 ann:sesame"
  send "smtp://$at?tls=must" --auth-file auth
  is 0 "$status"
  sunk
}

@test "auth: a relay that announces none that fits is sent nothing" {
  sink good --without AUTH
  auth_file "127.0.0.1 ann:sesame"
  send "smtp://$at?tls=must" --auth-file auth
  left "it announces no AUTH PLAIN or LOGIN as the auth file wants it"
  sink good --auth ann:sesame --mechanisms XOAUTH2
  send "smtp://$at?tls=must" --auth-file auth
  left "it announces no AUTH PLAIN or LOGIN as the auth file wants it"
}

@test "auth: where the URI names a user the line is theirs" {
  sink good --auth bob:sesame
  auth_file "127.0.0.1 ann:other" "127.0.0.1 bob:sesame"
  send "smtp://bob@$at" --auth-file auth
  sunk || true # in clear, but on loopback
  is 0 "$status"
  send "smtp://cy@$at" --auth-file auth
  is 75 "$status"
  [[ "$output" == "ml-send: smtp://cy@$at: no password of cy for it is known"* ]]
}

@test "auth: a file that everybody may read, is broken or is not there is refused" {
  auth_file "127.0.0.1 ann:sesame"
  chmod 604 auth
  send smtp://127.0.0.1:1 --auth-file auth
  is 75 "$status"
  is "ml-send: auth has secrets and everybody may read it (do: chmod 600 auth)" "$output"
  chmod 640 auth
  echo "127.0.0.1 sesame" >>auth
  send smtp://127.0.0.1:1 --auth-file auth
  is "ml-send: auth: line 2 is not of the form: relay, blanks, user:password" "$output"
  is 75 "$status"
  send smtp://127.0.0.1:1 --auth-file none
  is 75 "$status"
}

@test "auth: a credential of systemd and a setting of the site are found" {
  sink good --auth ann:sesame
  auth_file "127.0.0.1 ann:sesame"
  mkdir -p credentials "$ML_HOME"
  mv auth credentials/mlpipe-auth
  CREDENTIALS_DIRECTORY=$PWD/credentials send "smtp://$at?tls=must"
  is 0 "$status"
  printf 'auth-file = "%s"\ntls-ca = "%s"\n' "$PWD/credentials/mlpipe-auth" \
    "$BATS_FILE_TMPDIR/ca.pem" >"$ML_HOME/lists.toml"
  stream ann@x.org | ml-send --again --via "smtp://$at?tls=must"
  sunk
  is "tls 2 resumed 0 certificates 0 authenticated 2" "$(tail -n1 counts)"
}

@test "auth: off loopback no password goes in clear" {
  auth_file "relay.test ann:sesame"
  send "smtp://relay.test?tls=none" --auth-file auth
  is 75 "$status"
  is "ml-send: smtp://relay.test?tls=none: with tls=none its password would go in clear" "$output"
}
