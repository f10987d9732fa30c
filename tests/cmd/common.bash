# What every command test starts from: the programs in PATH, a fresh home, a fresh directory.
load watch

setup() {
  PATH="${BUILD_DIR:?run these through tests/run}/bin:$BUILD_DIR/tests/bin:$PATH"
  cd "$BATS_TEST_TMPDIR"
  export ML_HOME="$BATS_TEST_TMPDIR/home"
  unset ML_SEND_VIA SENDER RECIPIENT ORIGINAL_RECIPIENT EXTENSION LOCAL DOMAIN
}

# message [SUBJECT]: a small RFC 5322 message on stdout.
message() {
  printf 'From: Ann Author <ann@example.org>\nTo: news@x.org\nSubject: %s\n' "${1:-hello}"
  printf 'Date: Sun, 22 Nov 2026 10:00:00 +0000\nMessage-ID: <1@example.org>\n\nHello.\n'
}

# stream ADDRESS...: an ml-stream of that message to these recipients.
stream() {
  printf 'message\tx1\tnews-bounces@x.org\t%s\n' "$(message | base64 -w0)"
  [ $# -eq 0 ] || printf 'rcpt\t%s\t-\n' "$@"
  printf 'end\t0\n'
}

# decoded: the message in the stream on stdin.
decoded() { grep -m1 '^message' | cut -f4 | base64 -d; }

# is EXPECTED ACTUAL: fails with both when they differ.
is() {
  [ "$1" = "$2" ] && return
  printf 'expected: %s\nactual:   %s\n' "$1" "$2"
  return 1
}
