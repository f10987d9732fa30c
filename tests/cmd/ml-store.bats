load common

setup() {
  PATH="${BUILD_DIR:?run these through tests/run}/bin:$BUILD_DIR/tests/bin:$PATH"
  cd "$BATS_TEST_TMPDIR"
  export ML_HOME="$BATS_TEST_TMPDIR/home"
  ml-list create news@x.org
}

# awkward: addresses of every kind, as an export with attributes.
awkward() {
  local long
  long=$(printf '%064d@%063d.%063d.%057d.de' 0 0 0 0 | tr 0 l)
  printf 'address\tstate\tjoined\tchanged\tname\tnote\n'
  printf '%s\n' \
    $'ann@example.org\tactive\t2020-01-01\t2020-01-01\tAnn\t' \
    $'Bob+tag@Example.ORG\tnomail\t2021-02-28\t2022-03-01\t"B ""the"" Bob"\tx' \
    $'"""a b""@example.com"\tdigest\t2021-02-28\t2022-03-01\t\t" leading and trailing "' \
    $'"""a,b;c@d""@example.com"\tbouncing\t2021-02-28\t2022-03-01\t\tback\\slash' \
    $'#comment@example.com\tactive\t2021-02-28\t2022-03-01\t\t"two\nlines\tand a TAB"' \
    $'-dash@example.com\tactive\t2021-02-28\t2022-03-01\t\t{{name}} %s $(id)' \
    $'post@[192.0.2.1]\tactive\t2021-02-28\t2022-03-01\t\t' \
    $'six@[IPv6:2001:db8::1]\tsuspended\t2021-02-28\t2022-03-01\tSix\t' \
    $'ann@Bücher.example\tactive\t2021-02-28\t2022-03-01\tÄnn\t' \
    $'änn@bücher.example\tactive\t2021-02-28\t2022-03-01\t\t' \
    $'gone@example.net\tremoved\t2021-02-28\t2022-03-01\t\t' \
    "$long"$'\tactive\t2021-02-28\t2022-03-01\t\t'
}

# people NUMBER: so many addresses in fifty domains.
people() { seq "$1" | awk '{ printf "user%d@d%d.example\n", $1, $1 % 50 }'; }

counted() { ml-store count "${2:-news@x.org}" | grep "^$1" | cut -f2; }

@test "ml-store: an export imported elsewhere is the same list to the last octet" {
  awkward >in
  ml-store import news@x.org in >told
  is "added 11 removed 1" "$(paste -sd' ' told | tr '\t' ' ')"
  ml-store export news@x.org >one
  ml-list create two@x.org
  ml-store import two@x.org one >/dev/null
  ml-store export two@x.org >two
  cmp one two
  ml-store check
}

@test "ml-store: an import of its own export changes nothing" {
  awkward | ml-store import news@x.org >/dev/null
  ml-store export news@x.org >one
  is "$(printf 'unchanged\t12')" "$(ml-store import news@x.org one)"
  is "$(printf 'unchanged\t12')" "$(ml-store import --replace news@x.org one)"
  ml-store export news@x.org | cmp - one
}

@test "ml-store: an export is in the order of domains and its addresses in that of sort" {
  printf '%s\n' z@a.org a@z.com B@a.org a@b.a.org | ml-store import news@x.org >/dev/null
  is "a@z.com B@a.org z@a.org a@b.a.org" \
    "$(ml-store export news@x.org | tail -n +2 | cut -f1 | paste -sd' ')"
  ml-store export --addresses news@x.org | LC_ALL=C sort -c
}

@test "ml-store: exported addresses go through add and remove again whatever they are" {
  awkward | ml-store import news@x.org >/dev/null
  ml-store export --addresses news@x.org >addresses
  is 11 "$(wc -l <addresses)"
  ml-list create two@x.org
  ml-store add two@x.org - <addresses
  ml-store export --addresses two@x.org | cmp - addresses
  ml-store remove two@x.org - <addresses
  is 0 "$(counted all two@x.org)"
}

@test "ml-store: comm and add and remove bring a list to what is wanted" {
  printf '%s\n' a@x.org b@x.org c@x.org | ml-store import news@x.org >/dev/null
  printf '%s\n' b@x.org c@x.org d@x.org >want
  ml-store export --addresses news@x.org >have
  LC_ALL=C comm -13 have want | ml-store add news@x.org -
  LC_ALL=C comm -23 have want | ml-store remove news@x.org -
  ml-store export --addresses news@x.org | cmp - want
}

@test "ml-store: an attribute that is named address or email does not displace the address" {
  printf 'mail,address,email\na@x.org,Main Street 1,b@x.org\n' |
    ml-store import --column mail news@x.org >/dev/null
  ml-store export news@x.org >one
  ml-list create two@x.org
  ml-store import two@x.org one >/dev/null
  ml-store export two@x.org | cmp - one
  is "Main Street 1" "$(ml-store show two@x.org a@x.org | grep ^address | tail -n 1 | cut -f2)"
}

@test "ml-store: a bad row stops an import before anything is changed and is named by its line" {
  printf 'email,name\nann@example.org,Ann\nbob@@example.org,Bob\ncy@example.org,Cy\n' >in.csv
  run ml-store import news@x.org in.csv
  is 75 "$status"
  [[ "$output" == *"in.csv line 3"* ]]
  is 0 "$(counted all)"
  run ml-store import --bad skip news@x.org in.csv
  is 0 "$status"
  [[ "$output" == *"in.csv line 3"* && "$output" == *added$'\t'2* ]]
  is 2 "$(counted all)"
}

@test "ml-store: a state or a day that is none is a bad row and another name helps" {
  printf 'email\tstate\nann@example.org\tCA\n' >in
  run ml-store import news@x.org in
  is 75 "$status"
  [[ "$output" == *"in line 2"*"'CA'"*"--rename state="* ]]
  ml-store import --rename state=us_state news@x.org in
  is CA "$(ml-store show news@x.org ann@example.org | grep ^us_state | cut -f2)"
  printf 'email\tjoined\nann@example.org\tyesterday\n' >in
  run ml-store import news@x.org in
  is 75 "$status"
  [[ "$output" == *"joined 'yesterday'"* ]]
}

@test "ml-store: a tombstone stays out of add and import until it is revived" {
  ml-store add news@x.org ann@example.org
  ml-store remove news@x.org Ann@example.org
  run ml-store add news@x.org ann@example.org
  is 1 "$status"
  [[ "$output" == *"was removed on"*"--revive"* ]]
  printf '%s\n' ann@example.org bob@example.org >in
  run ml-store import news@x.org in
  is 0 "$status"
  [[ "$output" == *"1 address stays out"* ]]
  is 1 "$(counted all)"
  run ml-store add news@x.org ann@example.org bob@example.org
  is 1 "$status"
  [[ "$output" == *"ann@example.org was removed on"*"stays out"* ]]
  ml-store add news@x.org - <in
  ml-store add --revive news@x.org ann@example.org
  is 2 "$(counted due)"
}

@test "ml-store: a row keeps what it does not say and lays over what it says" {
  printf 'email,name,city\nann@example.org,Ann,Bonn\n' | ml-store import news@x.org >/dev/null
  ml-store set news@x.org ann@example.org state=nomail
  echo ann@example.org | ml-store import news@x.org >/dev/null
  printf 'email,city,tags\nann@example.org,Ulm,x\n' | ml-store import news@x.org >/dev/null
  is "nomail Ulm Ann x" "$(ml-store export news@x.org | tail -n 1 | cut -f2,5- | tr '\t' ' ')"
}

@test "ml-store: of rows of one mailbox the last counts" {
  printf 'email,name\nann@example.org,1\nbob@example.org,2\nANN@Example.org,3\n' >in.csv
  is "$(printf 'added\t2\nrepeated\t1')" "$(ml-store import news@x.org in.csv)"
  is "3" "$(ml-store show news@x.org ann@example.org | grep ^name | cut -f2)"
}

@test "ml-store: replace removes who is not named and refuses to lose a tenth" {
  people 100 | ml-store import news@x.org >/dev/null
  people 95 | ml-store import --replace news@x.org >told
  is "unchanged 95 removed 5" "$(paste -sd' ' told | tr '\t' ' ')"
  run ml-store import --replace news@x.org < <(people 80)
  is 1 "$status"
  [[ "$output" == *"15 of 95"*"--yes"* ]]
  is 95 "$(counted all)"
  people 80 | ml-store import --replace --yes news@x.org >/dev/null
  is 80 "$(counted all)"
}

@test "ml-store: replace by an input without a row is 75 whatever else is said" {
  people 3 | ml-store import news@x.org >/dev/null
  printf '# nobody\n\n' >comment
  printf 'email,name\n' >header
  printf 'nobody@\n' >bad
  for file in /dev/null comment header bad; do
    run ml-store import --replace --yes --bad skip news@x.org "$file"
    is 75 "$status"
    [[ "$output" == *"$file has no subscriber in it"*"nothing was changed"* ]]
  done
  is 3 "$(counted all)"
  ml-store export --addresses news@x.org | ml-store remove news@x.org -
  is 0 "$(counted all)"
  ml-store import news@x.org </dev/null
  ml-store import --replace news@x.org </dev/null
  run ml-store import --replace news@x.org bad
  is 75 "$status"
}

@test "ml-store: set changes state and attributes and an empty value takes one away" {
  ml-store add news@x.org ann@example.org
  ml-store set news@x.org ann@example.org "name=Ann B" tags=a,b state=digest
  is "digest Ann B a,b" "$(ml-store export news@x.org | tail -n 1 | cut -f2,5- | tr '\t' ' ')"
  ml-store set news@x.org ann@example.org tags=
  run ml-store show news@x.org ann@example.org
  [[ "$output" != *tags* ]]
  for wrong in state=on list=x Name=x joined=2020-01-01 $'name=\x01' name address=b@x.org; do
    run ml-store set news@x.org ann@example.org "$wrong"
    is 64 "$status"
  done
  run ml-store set news@x.org nobody@example.org name=x
  is 1 "$status"
}

@test "ml-store: set does not bring back who is suspended without revive" {
  ml-store add --state suspended news@x.org ann@example.org
  run ml-store set news@x.org ann@example.org state=active
  is 1 "$status"
  ml-store set --revive news@x.org ann@example.org state=active
  is 1 "$(counted due)"
}

@test "ml-store: who is suspended can be removed by add and nobody says that he stays out" {
  ml-store add --state suspended news@x.org ann@example.org
  run ml-store add --state suspended news@x.org ann@example.org
  is "0 " "$status $output"
  run ml-store add --state removed news@x.org ann@example.org
  is "0 " "$status $output"
  is removed "$(ml-store show news@x.org ann@example.org | sed -n 's/^state\t//p')"
  run ml-store add --state suspended news@x.org ann@example.org
  is 1 "$status"
}

@test "ml-store: who is taken back joins anew by whatever verb" {
  printf '%s,2020-02-02\n' email ann@example.org bob@example.org | sed '1s/,.*/,joined/' | ml-store import news@x.org >/dev/null
  ml-store remove news@x.org ann@example.org bob@example.org
  ml-store add --revive news@x.org ann@example.org
  ml-store set --revive news@x.org bob@example.org state=active
  for who in ann bob; do
    is "$(date -u +%F)" "$(ml-store show news@x.org $who@example.org | sed -n 's/^joined\t//p')"
  done
}

@test "ml-store: show finds an address on all lists and says what suppresses it" {
  ml-list create two@x.org
  ml-store add news@x.org Ann@example.org
  ml-store add two@x.org ann@example.org
  ml-store suppress ANN@example.org 'asked "us" to'
  ml-store show --json ann@example.org >shown
  is 3 "$(wc -l <shown)"
  is "news@x.org two@x.org" "$(ml-store show ann@example.org | grep ^list | cut -f2 | paste -sd' ')"
  grep -q '"reason":"asked \\"us\\" to"' shown
  run ml-store show nobody@example.org
  is 1 "$status"
  run ml-store show news@x.org nobody@example.org
  is 1 "$status"
}

@test "ml-store: json is read by a JSON parser whatever the addresses are" {
  command -v python3 >/dev/null || skip "python3 is not installed"
  awkward | ml-store import news@x.org >/dev/null
  for address in '"a b"@example.com' '#comment@example.com' 'änn@bücher.example'; do
    ml-store show --json "$address" | python3 -c 'import json, sys; json.loads(sys.stdin.read())'
  done
  ml-store count --json news@x.org | python3 -c 'import json, sys; assert json.load(sys.stdin)["all"] == 11'
  ml-store check --json | python3 -c 'import json, sys; assert json.load(sys.stdin)["findings"] == []'
}

@test "ml-store: suppressed tells whom no list mails and since when and why" {
  is "" "$(ml-store suppressed)"
  ml-store suppress Zoe@a.example.org 'left by a link'
  ml-store suppress ann@example.org
  today=$(date -u +%F)
  is "$(printf '%s\t%s\t%s\n' ann@example.org "$today" '' zoe@a.example.org "$today" 'left by a link')" "$(ml-store suppressed)"
  is "{\"address\":\"zoe@a.example.org\",\"suppressed\":\"$today\",\"reason\":\"left by a link\"}" "$(ml-store suppressed --json | tail -n 1)"
  ml-store unsuppress ann@example.org
  is zoe@a.example.org "$(ml-store suppressed | cut -f1)"
}

@test "ml-store: unsuppress of one who is not suppressed says no" {
  run ml-store unsuppress ann@example.org
  is 1 "$status"
  ml-store suppress ann@example.org
  ml-store unsuppress ann@example.org
}

@test "ml-store: a command line that makes no sense is 64 and an unknown list 75" {
  for wrong in "" "frobnicate" "import" "add news@x.org" "add news@x.org no-address" \
    "show" "set news@x.org ann@example.org" "import --bad maybe news@x.org" \
    "add --state happy news@x.org a@x.org" "count news@x.org extra"; do
    # shellcheck disable=SC2086 # words
    run ml-store $wrong </dev/null
    is "64 $wrong" "$status $wrong"
  done
  run ml-store import other@x.org </dev/null
  is 75 "$status"
  [[ "$output" == *"ml-list create other@x.org"* ]]
}

@test "ml-store: a missing home or input is 75 and nothing is made" {
  ML_HOME=$PWD/nowhere run ml-store count news@x.org
  is 75 "$status"
  [ ! -e nowhere ]
  run ml-store import news@x.org missing.csv
  is 75 "$status"
  [[ "$output" == *missing.csv* ]]
}

@test "ml-store: home and store are for their owner alone" {
  is "700 700 600" "$(stat -c %a home home/store home/store/data.mdb | paste -sd' ')"
}

@test "ml-store: writers killed at any moment of an import leave all of it or nothing" {
  people 30000 >many
  for try in $(seq 12); do
    ml-list create "l$try@x.org"
    ml-store import "l$try@x.org" <many >/dev/null &
    pid=$!
    # Not a wait for anything: the instant is what varies.
    perl -e 'select undef, undef, undef, shift' "0.0$((try * 5 % 10))$try"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" || true
    all=$(counted all "l$try@x.org")
    [ "$all" = 0 ] || [ "$all" = 30000 ]
    ml-store add "l$try@x.org" next@example.org
  done
  ml-store check
  is "data.mdb lock.mdb" "$(ls home/store | paste -sd' ')"
}

@test "ml-store: adds of many processes at once are all there" {
  for who in 1 2 3 4; do
    for i in $(seq 10); do ml-store add news@x.org "u$i@d$who.example" || echo failed >&2; done &
  done
  wait
  is 40 "$(counted all)"
  ml-store check
}

@test "ml-store: a blocked pipe behind an export holds up no writer and no space" {
  people 30000 | ml-store import news@x.org >/dev/null
  mkfifo pipe
  ml-store export news@x.org >pipe &
  exec 8<pipe
  IFS= read -r -u 8 _
  for i in $(seq 50); do ml-store add news@x.org "new$i@zz.example"; done
  size=$(stat -c %s home/store/data.mdb)
  for i in $(seq 50); do ml-store set news@x.org "new$i@zz.example" name="$i"; done
  [ $(($(stat -c %s home/store/data.mdb) - size)) -lt 200000 ]
  cat <&8 >/dev/null
  exec 8<&-
  wait
}

@test "ml-store: Postfix's limit on files is told with the setting that lifts it" {
  people 1000 | ml-store import news@x.org >/dev/null
  run bash -c 'ulimit -f 8192; ml-store add news@x.org ann@example.org'
  is 75 "$status"
  [[ "$output" == *"set mailbox_size_limit=0 in Postfix"* ]]
  run bash -c 'ulimit -f 8192; ml-store count news@x.org'
  is 0 "$status"
}

@test "ml-store: an import that outgrows the limit on files changes nothing" {
  run bash -c 'ulimit -f 20480; seq 400000 | sed "s/$/@an-address-of-some-length.example/" |
    ml-store import news@x.org'
  is 75 "$status"
  [[ "$output" == *"mailbox_size_limit=0"* ]]
  is 0 "$(counted all)"
  ml-store add news@x.org ann@example.org
  ml-store check
}

@test "ml-store: a full disk is told and changes nothing" {
  mkdir small
  mount -t tmpfs -o size=3m none small 2>/dev/null || skip "a small file system takes root"
  export ML_HOME=$PWD/small/home
  ml-list create news@x.org
  ml-store add news@x.org before@example.org
  run ml-store import news@x.org < <(people 100000)
  found=$(counted all)
  ml-store check || found=damaged
  ml-store add news@x.org ann@example.org || found=stuck
  umount small
  is 75 "$status"
  [[ "$output" == *"no space left"* || "$output" == *"No space left"* ]]
  is 1 "$found"
}

@test "ml-store: another user is told whose home it is" {
  [ "$(id -u)" = 0 ] || skip "to become another user takes root"
  chmod 711 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null
  setpriv --reuid=65534 --regid=65534 --clear-groups -- sh -c "test -x $(command -v ml-store)" ||
    skip "nobody cannot reach the programs"
  run setpriv --reuid=65534 --regid=65534 --clear-groups \
    env ML_HOME="$ML_HOME" "$(command -v ml-store)" count news@x.org
  is 75 "$status"
  [[ "$output" == *"belongs to uid 0 and this runs as uid 65534"* ]]
}

@test "ml-store: root becomes the owner of the home and leaves nothing of its own" {
  [ "$(id -u)" = 0 ] || skip "takes root"
  chown -R 65534:65534 home
  chmod 711 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null
  ml-store add news@x.org ann@example.org || skip "nobody cannot reach the home"
  is "65534" "$(find home -printf '%U\n' | sort -u)"
}

@test "ml-store: a copy made while others write is a whole store" {
  people 20000 | ml-store import news@x.org >/dev/null
  for i in $(seq 30); do ml-store add news@x.org "w$i@example.org"; done &
  mkdir other
  ml-store copy other/store
  wait
  ML_HOME=$PWD/other ml-store check
  all=$(ML_HOME=$PWD/other counted all)
  [ "$all" -ge 20000 ] && [ "$all" -le 20030 ]
  run ml-store copy other/store
  is 75 "$status"
}

@test "ml-store: a reader that leaves early ends an export in silence" {
  people 50000 | ml-store import news@x.org >/dev/null
  run bash -c 'ml-store export news@x.org 2>err | head -n 1; echo "${PIPESTATUS[0]}"; cat err'
  is "75" "$(tail -n 1 <<<"$output")"
}

@test "ml-store: each verb has a help that fits a screen" {
  for verb in import export add remove set show count suppress unsuppress suppressed check copy; do
    ml-store "$verb" --help >help
    [ "$(wc -l <help)" -le 24 ]
    [ "$(wc -L <help)" -le 100 ]
  done
  ml-store --help >help
  [ "$(wc -l <help)" -le 24 ]
  ml-store --version | grep -q '^ml-store (mlpipe) '
}

@test "ml-store: remove of some who are not there removes the others and is 1" {
  printf '%s\n' ann@example.org bob@example.com | ml-store add news@x.org -
  run ml-store remove news@x.org ann@example.org nobody@example.org no@example.org
  is 1 "$status"
  is $'ml-store: nobody@example.org is not on news@x.org\nml-store: no@example.org is not on news@x.org' "$output"
  is 1 "$(counted all)"
  run ml-store remove news@x.org ann@example.org
  is 1 "$status"
  run ml-store remove news@x.org - < <(printf '%s\n' ann@example.org bob@example.com)
  is 0 "$status"
  is "ml-store: 1 address is not on news@x.org" "$output"
  is 0 "$(counted all)"
}

@test "ml-store: add of several names those who stay out and adds the others" {
  ml-store add news@x.org ann@example.org bob@example.com
  ml-store remove news@x.org ann@example.org bob@example.com
  run ml-store add news@x.org ann@example.org cy@example.net bob@example.com
  is 1 "$status"
  is "ann@example.org bob@example.com" "$(sed -n 's/^ml-store: \(.*\) was removed on .* stays out of news@x.org.*/\1/p' <<<"$output" | paste -sd' ')"
  is 1 "$(counted all)"
}

@test "ml-store: a suppression without a reason shows none" {
  ml-store suppress ann@example.org
  is "" "$(ml-store show ann@example.org | grep reason || true)"
  is "" "$(ml-store show --json ann@example.org | grep reason || true)"
}

@test "ml-store: without any home the options that name one are named" {
  [ ! -e /var/lib/mlpipe ] || skip "this machine has the system's home"
  run env -u ML_HOME -u HOME -u XDG_STATE_HOME ml-store count news@x.org
  is 75 "$status"
  [[ "$output" == *"--home or ML_HOME"* ]]
}
