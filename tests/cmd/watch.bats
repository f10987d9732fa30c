# The tests themselves.
load common

@test "a test that hangs fails by its name and holds nobody up" {
  mkdir tests
  cp "$BATS_TEST_DIRNAME"/{common,watch}.bash tests
  {
    echo "load common"
    test='@test'
    echo "$test 'waits' { tail -f /dev/null & wait; }"
    echo "$test 'runs what is deaf' { run sh -c \"trap '' TERM; while :; do tail -f /dev/null; done\"; }"
    echo "$test 'loops' { run eval 'while :; do :; done'; }"
    echo "$test 'leaves one behind' { (setsid tail -f /dev/null &); false; }"
    echo "$test 'is well' { true & wait; }"
  } >tests/hung.bats
  # Who reads what it says waits for everybody who can still write.
  env -i PATH=/usr/bin:/bin BUILD_DIR="$BUILD_DIR" TEST_TIMEOUT=3 \
    bats --tap tests/hung.bats 3>&- | cat >tap
  is "not ok 1 waits,not ok 2 runs what is deaf,not ok 3 loops,not ok 4 leaves one behind,ok 5 is well" \
    "$(grep -E '^(not )?ok ' tap | paste -sd,)"
  is "test_waits test_runs_what_is_deaf test_loops" \
    "$(sed -n 's/^# \(test_.*\): ended after 3 s$/\1/p' tap | paste -sd' ')"
}
