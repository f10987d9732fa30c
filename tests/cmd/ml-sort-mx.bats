# ml-sort --by mx, with a resolver of ours.
load common
load dns

# sorted ADDRESS...: how they come out, on one line.
sorted() {
  run bash -c 'stream "$@" | ml-sort --by mx --resolver "$resolver" --max-wait "${max_wait:-600}" 2>err' - "$@"
  grep ^rcpt <<<"$output" | cut -f2 | paste -sd' '
}
export -f stream message

two_hosts=('a.test 300 MX 10 mx.one.test' 'b.test 300 MX 10 mx.two.test'
  'c.test 300 MX 10 MX.one.test' 'd.test 300 MX 20 mx.one.test' 'd.test 300 MX 10 mx.two.test')

@test "mx: domains that share a host stand together in the order of the hosts" {
  zone "${two_hosts[@]}"
  is "1@a.test 6@a.test 2@c.test 4@b.test 3@d.test 5@D.test" \
    "$(sorted 1@a.test 2@c.test 3@d.test 4@b.test 5@D.test 6@a.test)"
  is "" "$(cat err)"
}

@test "mx: of hosts of one preference the first by name counts whatever order they come in" {
  zone 'a.test 300 MX 10 mx1.one.test' 'a.test 300 MX 10 mx2.one.test' 'b.test 300 MX 10 mx.two.test' \
    'c.test 300 MX 10 mx2.one.test' 'c.test 300 MX 10 mx1.one.test'
  for _ in 1 2 3 4; do is "x@a.test x@c.test x@b.test" "$(sorted x@c.test x@b.test x@a.test)"; done
}

@test "mx: domains that take no mail or are not there or are no names stand by themselves" {
  zone 'a.test 300 MX 10 mx.z.test' 'm.test 300 MX 10 mx.z.test' 'null.test 300 MX 0 .' \
    'own.test 60 A 127.0.0.1' 'evil.test 300 MX 10 no/host' 'mx.y.test 60 A 127.0.0.1'
  is "x@[192.0.2.1] x@evil.test x@nowhere.test x@null.test x@own.test x@mx.y.test x@a.test x@m.test" \
    "$(sorted x@m.test x@own.test 'x@[192.0.2.1]' x@nowhere.test x@mx.y.test x@null.test x@a.test x@evil.test)"
  is "" "$(cat err)"
}

@test "mx: what DNS said is kept in the home and asked no second time" {
  zone "${two_hosts[@]}" 'null.test 300 MX 0 .'
  mkdir -m 700 "$ML_HOME"
  want="$(sorted x@null.test x@a.test x@b.test x@c.test)"
  is "x@null.test x@a.test x@c.test x@b.test" "$want"
  is 4 "$(wc -l <dns.log)"
  kill "${started[@]}"
  is "$want" "$(sorted x@null.test x@a.test x@b.test x@c.test)"
  is "" "$(cat err)"
}

@test "mx: without a home it asks each time and makes none" {
  zone "${two_hosts[@]}"
  sorted x@a.test x@b.test
  sorted x@a.test x@b.test
  is 4 "$(wc -l <dns.log)"
  [ ! -e "$ML_HOME" ]
}

@test "mx: a cache that cannot be used is said and does no harm" {
  zone "${two_hosts[@]}"
  mkdir -m 700 "$ML_HOME"
  echo nothing >"$ML_HOME/mail-hosts"
  is "x@a.test x@c.test x@b.test" "$(sorted x@a.test x@b.test x@c.test)"
  [[ "$(cat err)" == "ml-sort: mail hosts are not kept: "* ]]
}

@test "mx: domains that DNS does not answer for stand by themselves and are counted" {
  zone "${two_hosts[@]}" 'mute.test 0 SILENCE' 'aaa.test 0 SILENCE' 'noise.test 0 GARBAGE'
  max_wait=1 sorted x@c.test x@mute.test x@b.test x@aaa.test x@a.test x@noise.test >out
  is "x@aaa.test x@mute.test x@noise.test x@a.test x@c.test x@b.test" "$(cat out)"
  is "ml-sort: who takes the mail of 3 of 6 domains is not known (no answer in time): each stands by itself" \
    "$(cat err)"
}

@test "mx: a resolver that is not there loses nobody" {
  zone
  kill "${started[@]}"
  wait "${started[@]}" || true
  max_wait=1 sorted x@c.test x@b.test x@a.test >out
  is "x@a.test x@b.test x@c.test" "$(cat out)"
  [[ "$(cat err)" == *" of 3 of 3 domains is not known ("* ]]
}

@test "mx: a resolver that is none is 75 and no recipient passes" {
  run ml-sort --by mx --resolver nonsense < <(stream x@a.test)
  is 75 "$status"
  [[ "$output" == *"'nonsense' is not a valid resolver"* ]]
  is "" "$(grep ^rcpt <<<"$output" || true)"
}

@test "mx: two thousand domains are asked side by side and no line is lost or changed" {
  seq 2000 | awk '{ print "d" $1 ".test 300 MX 10 mx" $1 % 7 ".test" }' >lines
  mapfile -t lines <lines
  zone "${lines[@]}"
  seq 6000 | awk 'BEGIN { print "message\tx1\ta@x.org\taGkK" }
    { print "rcpt\tu" $1 "@d" ($1 * 7919) % 2000 + 1 ".test\t-" } END { print "end\t0" }' >in
  ml-sort --by mx --resolver "$resolver" --max-wait 600 --memory 100K <in >out
  is "$(sort in | cksum)" "$(sort out | cksum)"
  # Groups come in the order of their hosts, and a domain's recipients in that of input.
  is "0 1 2 3 4 5 6" "$(grep ^rcpt out | sed 's/.*@d\([0-9]*\)\..*/\1/' | awk '{ print $1 % 7 }' | uniq | paste -sd' ')"
  is "$(grep ^rcpt in | awk -F'[@\t]' '{ print $3, $2 }' | sort -s -k1,1 | cksum)" \
    "$(grep ^rcpt out | awk -F'[@\t]' '{ print $3, $2 }' | sort -s -k1,1 | cksum)"
}
