load common
load entries

# Every operation of a queue has its power cut at each of its syncs in turn, on a disk that keeps only
# what was synced (tests/tools/power-cut.cpp). No entry is ever lost; until the operation has ended
# well it may be there as it was, as it will be or, where a rename is not one step on the disk, both.

# each_whole QUEUE...: what is there is the entry or what is left of it.
each_whole() {
  local file
  for file in $(files "$@"); do cmp -s "$file" whole || cmp -s "$file" left || return 1; done
}
# one WHICH QUEUE: one entry, and it is that.
one() {
  is 1 "$(files "$2" | wc -l)"
  cmp "$(files "$2")" "$1"
}

# at_each_sync CUT DONE PREPARE COMMAND...: CUT holds after each cut, DONE where it came after the end.
at_each_sync() {
  local cut=$1 done=$2 prepare=$3 at status=100
  shift 3
  for ((at = 1; status == 100; ++at)); do
    rm -rf "$ML_HOME/queue"
    $prepare
    status=0
    power-cut "$ML_HOME" $at "$@" <whole >/dev/null 2>said || status=$?
    [ $status -eq 100 ] || break
    echo "cut at sync $at"
    find "$ML_HOME/queue" 2>/dev/null || true
    $cut # by itself, as below: left of || only its last command would count
  done
  echo "cut at the end"
  find "$ML_HOME/queue" 2>/dev/null || true
  cat said
  is 0 "$status"
  [ $at -gt 1 ] || { echo "nothing was synced"; return 1; }
  $done
}

nothing() { :; }
put_whole() { ml-queue put q --name one <whole 2>/dev/null; }
there() { [ -n "$(files q failed post)" ] && each_whole q failed post; }
whole_in_q() { one whole q; }

@test "power cut: an entry that was put is there, and before that whole or not at all" {
  setup_queue
  maybe() { each_whole q; put_whole; one whole q; }
  at_each_sync maybe whole_in_q nothing ml-queue put q --name one
}

@test "power cut: putting over an entry leaves the old one or the new" {
  setup_queue
  put_left() { ml-queue put q --name one <left 2>/dev/null; }
  at_each_sync there whole_in_q put_left ml-queue put q --name one
}

@test "power cut: an entry that is done with may be there again" {
  setup_queue
  ended() { each_whole q; ml-queue run q -- 'cat >/dev/null'; is "" "$(files q)"; }
  # Nothing is synced for it, so that the cut comes at its end.
  put_whole
  power-cut "$ML_HOME" 999 ml-queue run q -- 'cat >/dev/null'
  there
  ended
}

@test "power cut: an entry put off is not lost and in the end there once" {
  setup_queue
  at_each_sync there whole_in_q put_whole ml-queue run q -- 'cat >/dev/null; exit 75'
}

@test "power cut: there is the entry or what is left of it and in the end that alone" {
  setup_queue
  left_in_q() { one left q; }
  at_each_sync there left_in_q put_whole ml-queue run q -- 'grep -v ann@; exit 75'
}

@test "power cut: a failed entry is in its queue or in failed and in the end there alone" {
  setup_queue
  moved() { one whole failed; is "" "$(files q)"; }
  put_both() { put_whole; ml-queue put failed --name other <left 2>/dev/null; ml-queue remove failed other; }
  at_each_sync there moved put_both ml-queue run q -- 'cat >/dev/null; exit 65'
}

@test "power cut: hold and release and retry lose nothing" {
  setup_queue
  put_held() { put_whole; ml-queue hold q one; }
  put_off() { put_whole; ml-queue run q -- 'cat >/dev/null; exit 75' 2>/dev/null; }
  at_each_sync there whole_in_q put_whole ml-queue hold q one
  at_each_sync there whole_in_q put_held ml-queue release q one
  at_each_sync there whole_in_q put_off ml-queue retry q one
}

@test "power cut: a post that ml-run took is there and one that was cut is taken again" {
  setup_queue
  ml-list create news@x.org
  echo ann@example.org | ml-store import news@x.org -
  # What runs it here keeps it.
  printf 'log = "%s/log"\npipeline.post = ["ml-receive", "cat >/dev/null; exit 75"]\n' "$PWD" >"$ML_HOME/lists.toml"
  message >whole
  names() { files post | xargs -rn 1 basename | sort -u | wc -l; }
  again() { [ "$(names)" -le 1 ]; power-cut "$ML_HOME" 999 ml-run news@x.org <whole; is 1 "$(names)"; }
  taken() { is 1 "$(names)"; }
  at_each_sync again taken nothing ml-run news@x.org
}
