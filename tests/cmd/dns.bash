# A resolver of ours, ended with the test.

teardown() { for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done; }

# zone LINE...: what the resolver at $resolver knows. dns.log has a line a question.
zone() {
  printf '%s\n' "$@" >zone
  rm -f dns.port
  dns-server --zone zone --port-file dns.port --log dns.log 3>&- &
  started+=($!)
  until [ -e dns.port ] || ! kill -0 $!; do sleep 0.01; done # polls
  export resolver="127.0.0.1:$(cat dns.port)"
  : >dns.log
}
