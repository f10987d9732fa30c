# Whole domains of lists under a real Postfix that drops their mail into a Maildir, from which
# ml-receive takes it.

bats_require_minimum_version 1.5.0
load common
load domains
load postfix

setup_file() {
  domains_setup_file
  export BY=maildir
  for dir in in in/new in/cur in/tmp; do install -d -o list -g list -m 700 "$T/home/$dir"; done
  setpriv --reuid=list --regid=list --clear-groups \
    ml-receive --maildir "$T/home/in" --watch >"$T/maildir.log" 2>&1 3>&- &
  echo $! >"$T/maildir.pid"
  server_up
}
teardown_file() {
  local pid
  if pid=$(cat "${T:-}/maildir.pid" 2>/dev/null); then
    kill "$pid"
    until_true 10 is_gone "$pid"
  fi
  domains_teardown_file
}
setup() { domains_setup; }

@test "postfix maildir: each post reaches the subscribers of its own list and nobody else" { each_post_reaches_its_own_list; }
@test "postfix maildir: an extension behind a plus belongs to the list" { extensions_belong_to_the_list; }
@test "postfix maildir: what nobody handles goes to the owner" { roles_go_to_the_owner; }
@test "postfix maildir: an address of no list is refused when it is named" { other_addresses_are_refused; }
@test "postfix maildir: a bounce to a signed address marks its subscriber and no other" { a_bounce_marks_its_subscriber; }
