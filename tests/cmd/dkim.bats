# A passing post keeps its author's DKIM signature valid: signed and verified by python3-dkim.

load common
eval "common_$(declare -f setup)"

setup_file() {
  openssl genrsa -out "$BATS_FILE_TMPDIR/key" 1024 2>/dev/null
  openssl rsa -in "$BATS_FILE_TMPDIR/key" -pubout -out "$BATS_FILE_TMPDIR/public" 2>/dev/null
}

setup() {
  common_setup
  ml-list create news@x.org
}

sign() { "$BATS_TEST_DIRNAME/dkim" sign "$BATS_FILE_TMPDIR/key" "$@"; }
verifies() { "$BATS_TEST_DIRNAME/dkim" verify "$BATS_FILE_TMPDIR/public"; }
passed() { ml-receive news@x.org --post anyone | decoded; }

# What a canonicalisation could trip over: folds, blanks, dots, 8 bits, lines without an end.
awkward() {
  printf 'From:   Ann  Author\n\t<ann@example.org>  \nTo: news@x.org\nReply-To: ann@example.org\n'
  printf 'Subject: a  subject \n that   is folded\nDate: Sun, 22 Nov 2026 10:00:00 +0000\n'
  printf 'Message-ID:<1@example.org>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=x\n\n'
  printf '.\n..dots\nFrom the start\n  blanks  \n\xe4\xf6 8 bits\n%0998d\nno end' 0
}

@test "dkim: a message that nobody touched verifies and one with a changed body does not" {
  message | sign >signed
  verifies <signed
  run verifies < <(sed 's/^Hello/hello/' signed)
  is 1 "$status"
}

@test "dkim: a passing post still verifies" {
  for form in simple/simple simple/relaxed relaxed/simple relaxed/relaxed; do
    for sample in message awkward; do
      $sample | sign $form | passed >got
      grep -q '^List-Id: <news.x.org>' got
      verifies <got
    done
  done
}

@test "dkim: a passing post still verifies when it came with CRLF and a delivery's trace" {
  awkward | sign >signed
  { printf 'From ann@example.org Sun Nov 22 10:00:00 2026\nReturn-Path: <ann@example.org>\n'
    printf 'Delivered-To: news@x.org\nList-Id: <other.y.org>\n'; cat signed; } | sed 's/$/\r/' | passed >got
  verifies <got
}

@test "dkim: a subscriber's copy verifies after the whole pipe" {
  echo bob@example.com >people
  for sample in message awkward; do
    $sample | sign | ml-receive news@x.org --post anyone | ml-expand --to people | ml-verp |
      ml-send --via "bsmtp:$PWD/wire"
    # From behind DATA to the lone dot, the dots that stuff lines taken out again.
    sed -e '1,/^DATA$/d' -e '/^\.$/,$d' -e 's/^\.//' wire >got
    grep -qx 'List-Id: <news.x.org>' got
    verifies <got
    rm wire
  done
}

@test "dkim: a subscriber's copy with a click of its own to leave the list verifies" {
  echo bob@example.com >people
  for sample in message awkward; do
    $sample | sign |
      ml-receive news@x.org --post anyone --unsubscribe 'https://x.org/u/{{token}}' |
      ml-expand --to people | ml-verp | ml-send --via "bsmtp:$PWD/wire"
    sed -e '1,/^DATA$/d' -e '/^\.$/,$d' -e 's/^\.//' wire >got
    grep -q '^List-Unsubscribe: <https://x.org/u/a.*>,$' got
    verifies <got
    rm wire
  done
}

@test "dkim: a passing post whose body a filter changed does not verify" {
  message | sign | ml-receive news@x.org --post anyone | ml-edit -- sed 's/^Hello/hello/' | decoded >got
  run verifies <got
  is 1 "$status"
}
