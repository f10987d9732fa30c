# Queues for tests that cut or kill, in memory where that is to be had: neither needs a disk.

setup_queue() {
  [ ! -w /dev/shm ] || ML_HOME=$(mktemp -d /dev/shm/mlpipe-XXXXXX)
  mkdir -p -m 700 "$ML_HOME"
  stream ann@example.org bob@example.org >whole
  grep -v ann@ whole >left
}

teardown() { rm -rf "$ML_HOME"; }

# files QUEUE...: the entries there, the drafts aside.
files() {
  local queue
  for queue; do
    find "$ML_HOME/queue/$queue" -type f ! -path '*/queue/*/tmp/*' ! -name 'runner.*' ! -name synced 2>/dev/null ||
      true # a queue that is not there has none
  done
}
