# A test that hangs fails by its name: after TEST_TIMEOUT seconds (tests/run) whatever it began is
# killed, and so is it. BATS_TEST_TIMEOUT would be waited for by a bare `wait`, and ends only
# what the test's own shell began. What outlives a test goes too, for bats would wait for that.

# Processes of the test but its shell: those in its directory, as its subshells are, and those with
# its environment, which ours have not.
began_by_test() { # began_by_test SHELL
  {
    find /proc/[0-9]*/cwd -maxdepth 0 -lname "$BATS_TEST_TMPDIR" -o -lname "$BATS_TEST_TMPDIR/*"
    grep -lzx "BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR" /proc/[0-9]*/environ
  } | cut -d/ -f3 | grep -vx "$1"
}

watch_test() { # watch_test SHELL
  export -n BATS_TEST_TMPDIR
  local end=$((SECONDS + TEST_TIMEOUT)) tries=0
  while kill -0 "$1" && [ "$SECONDS" -lt "$end" ]; do sleep 1; done # polls
  kill -0 "$1" && echo "# $BATS_TEST_NAME: ended after $TEST_TIMEOUT s" >"/proc/$1/fd/3"
  while kill -0 "$1" && ((++tries < 30)); do # a teardown may hang as well
    kill -ALRM "$1"
    began_by_test "$1" | xargs -r kill -KILL
    sleep 1 # polls
  done
  kill -KILL "$1"
  began_by_test "$1" | xargs -r kill -KILL
}

if [ -n "${BATS_TEST_TMPDIR:-}" ] && [ -n "${TEST_TIMEOUT:-}" ]; then
  trap 'exit 1' ALRM
  (watch_test $$ </dev/null >/dev/null 2>&1 3>&- &)
fi
