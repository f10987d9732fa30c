# Names looked up at a resolver that is asked for real: base/dns.hpp by dns-lookup.
load common

setup_file() {
  cd "$BATS_FILE_TMPDIR"
  PATH="$BUILD_DIR/tests/bin:$PATH"
  cat >zone <<'ZONE'
x.test      300  MX    20 MX2.x.test
x.test      200  MX    10 mx1.x.test
null.test   10   MX    0 .
bare.test   60   A     127.0.0.1
alias.test  60   CNAME x.test
loop.test   60   MX    10 no/host.x.test
mx1.x.test  60   A     127.0.0.1
mx1.x.test  50   AAAA  ::1
_smtp._tcp.x.test 60 SRV 1 0 2527 b.x.test
_smtp._tcp.x.test 60 SRV 0 5 2525 a.x.test
_off._tcp.x.test  60 SRV 0 0 0 .
sick.test   0    FAIL
mute.test   0    SILENCE
noise.test  0    GARBAGE
cut.test    0    CUT
big.test    0    TCP
big.test    7    MX 1 mx1.x.test
ZONE
  dns-server --zone zone --port-file port --log log 3>&- &
  echo $! >pid
  until [ -e port ] || ! kill -0 "$(cat pid)"; do sleep 0.01; done # polls
}

teardown_file() { kill "$(cat "$BATS_FILE_TMPDIR/pid")"; }

# lookup MILLISECONDS KIND NAME...
lookup() { run dns-lookup "127.0.0.1:$(cat "$BATS_FILE_TMPDIR/port")" "$@"; }

@test "dns: a domain's hosts come by preference with the least TTL and through aliases" {
  lookup 60000 mx x.test alias.test X.TEST.
  is "found 200 10:mx1.x.test 20:mx2.x.test" "${lines[0]}"
  is "${lines[0]}" "${lines[1]}"
  is "${lines[0]}" "${lines[2]}"
}

@test "dns: a domain without MX is its own host and one with the null MX has none" {
  lookup 60000 mx bare.test null.test nowhere.test
  is "found 0 0:bare.test" "${lines[0]}"
  is "none 10 (what is there says that no host does it)" "${lines[1]}"
  is "none 0 (there is no such name)" "${lines[2]}"
}

@test "dns: a name that could be no host's is no host" {
  lookup 60000 mx loop.test
  is "none" "${output%% *}"
}

@test "dns: services have their ports and may say that they are not there" {
  lookup 60000 srv _smtp._tcp.x.test _off._tcp.x.test _smtp._tcp.bare.test
  is "found 60 0:a.x.test:2525 1:b.x.test:2527" "${lines[0]}"
  is "none 60 (what is there says that no host does it)" "${lines[1]}"
  is "none 0 (there is no such name)" "${lines[2]}"
}

@test "dns: addresses of both kinds are found" {
  lookup 60000 address mx1.x.test bare.test x.test
  is "found 50 ::1 127.0.0.1" "${lines[0]}"
  is "found 60 127.0.0.1" "${lines[1]}"
  is "none 0 (nothing of the kind is there)" "${lines[2]}"
}

@test "dns: what fails, is silent or is damaged is unknown and keeps no other waiting for ever" {
  lookup 1000 mx sick.test mute.test noise.test cut.test x.test
  is "unknown unknown unknown unknown found" "$(cut -d' ' -f1 <<<"$output" | paste -sd' ')"
  lookup 1000 address sick.test mute.test mx1.x.test
  is "unknown unknown found" "$(cut -d' ' -f1 <<<"$output" | paste -sd' ')"
  run dns-lookup 127.0.0.1:1 1000 mx x.test
  is unknown "${output%% *}"
}

@test "dns: a reply too big for a datagram comes by TCP" {
  lookup 60000 mx big.test
  is "found 7 1:mx1.x.test" "$output"
  grep -qx "big.test MX tcp" "$BATS_FILE_TMPDIR/log"
}

@test "dns: more names than are asked at once get their answers in order" {
  seq -f 'n%g.test' 999 >names
  lookup 60000 mx $(sed '500s/.*/x.test/' names)
  is 999 "${#lines[@]}"
  is "found 200 10:mx1.x.test 20:mx2.x.test" "${lines[499]}"
  is 998 "$(grep -c ^none <<<"$output")"
}
