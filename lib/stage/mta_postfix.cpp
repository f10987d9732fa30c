#include <fmt/format.h>

#include "stage/mta.hpp"
#include "stage/mta_text.hpp"

namespace ml {
namespace {

// What a domain's entry names, and its line in master.cf.
struct Service {
  std::string name;
  std::string next_hop;
  std::string line;
};

Service service_of(const MtaFacts& facts) {
  switch (facts.way) {
    case MtaWay::lmtp: {
      const std::string_view kind = facts.place.starts_with('/') ? "unix" : "inet";
      return {"mlpipe-lmtp", fmt::format("{}:{}", kind, facts.place), "unix - - n - - lmtp"};
    }
    case MtaWay::maildir: {
      const auto slash = facts.place.rfind('/');
      return {"mlpipe-maildir", "",
              fmt::format("unix - n n - - virtual -o virtual_mailbox_base={0}/ "
                          "-o virtual_mailbox_maps=static:{1}/ "
                          "-o virtual_uid_maps=static:$(id -u {2}) "
                          "-o virtual_gid_maps=static:$(id -g {2}) -o virtual_minimum_uid=1 "
                          "-o virtual_mailbox_limit=0",
                          facts.place.substr(0, slash), facts.place.substr(slash + 1), facts.user)};
    }
    default:
      return {"mlpipe", "",
              fmt::format("unix - n n - 4 pipe flags=RX user={} null_sender= directory=/ "
                          "argv={} -f \\${{sender}} -- \\${{recipient}}",
                          facts.user, run_command(facts))};
  }
}

constexpr std::string_view beginning =
    R"sh(# Postfix for the lists in {home}: whole domains, an entry each.
# Read this, then as root: {command} | sh
# It may be run again at any time. When lists come and go, the map of all is enough:
#   cd "$(postconf -h config_directory)" &&
#   {all} --map >mlpipe-lists.new && mv mlpipe-lists.new mlpipe-lists && postfix reload
set -eu
{refusal}config=$(postconf -h config_directory)

# add PARAMETER VALUE: behind what it has, once.
add() {{
  now=$(postconf -h "$1")
  case ", $now," in
    *", $2,"*) ;;
    *) postconf -e "$1 = ${{now:+$now, }}$2" ;;
  esac
}}

# Mail for a domain in mydestination would go to local(8), however the maps below look.
# is_local DOMAIN
is_local() {{
  set -f
  for place in $(postconf -xh mydestination | tr ',' ' '); do
    case $place in
      /*) ! grep -qixF -e "$1" "$place" || return 0 ;;
      *:*) ! postmap -q "$1" "$place" >/dev/null 2>&1 || return 0 ;;
      *) [ "$(echo "$place" | tr '[:upper:]' '[:lower:]')" != "$1" ] || return 0 ;;
    esac
  done
  return 1
}}
for domain in {names}; do
  ! is_local "$domain" || {{
    echo "$domain stands in mydestination: take it out first (or let the lists have aliases:" \
      "--by alias)" >&2
    exit 1
  }}
done
set +f

# One Postfix serves one home: its maps and services would take the place of another's.
was=$(sed -n '1s/^# //p' "$config/mlpipe-domains" 2>/dev/null || :)
case $was in
  "" | "{home}") ;;
  *) echo "$config/mlpipe-domains is of the home $was: remove it first if that one is gone" >&2
     exit 1 ;;
esac

)sh";

constexpr std::string_view maps =
    R"sh(# The domains and what delivers their mail.
{{
  echo '# {home}'
  {other_domains}cat <<'END'
{domains}END
}} >"$config/mlpipe-domains.new"
mv "$config/mlpipe-domains.new" "$config/mlpipe-domains"

# Their addresses; any other is refused when it is named.
{{
  {other_lists}cat <<'END'
{map}END
}} >"$config/mlpipe-lists.new"
mv "$config/mlpipe-lists.new" "$config/mlpipe-lists"

add virtual_mailbox_domains "texthash:$config/mlpipe-domains"
add virtual_mailbox_maps "regexp:$config/mlpipe-lists"
add transport_maps "texthash:$config/mlpipe-domains"
)sh";

// The dots of a domain as they stand in the map, in a string of awk.
std::string escaped_twice(std::string_view domain) {
  std::string text;
  for (const char c : domain) c == '.' ? text.append("\\\\.") : text.append(1, c);
  return text;
}

// The lines of other domains stay where only one is meant.
std::string maps_text(const MtaFacts& facts, std::string_view entry) {
  std::string other_domains;
  std::string other_lists;
  if (!facts.part.empty()) {
    const std::string& domain = facts.domains.front();
    other_domains = fmt::format(
        "[ ! -e \"$config/mlpipe-domains\" ] ||\n"
        "    awk '!/^#/ && $1 != \"{}\"' \"$config/mlpipe-domains\"\n  ",
        domain);
    other_lists = fmt::format(
        "[ ! -e \"$config/mlpipe-lists\" ] ||\n"
        "    awk '!index($0, \"@{}$/\")' \"$config/mlpipe-lists\"\n  ",
        escaped_twice(domain));
  }
  return fmt::format(fmt::runtime(maps), fmt::arg("home", facts.home),
                     fmt::arg("other_domains", other_domains), fmt::arg("other_lists", other_lists),
                     fmt::arg("domains", each_of(facts.domains, "", entry, "")),
                     fmt::arg("map", map_text(facts, MapForm::postfix)));
}

// Postfix runs no program and writes no Maildir as root; its queue would only fill.
std::string refusal_of(const MtaFacts& facts) {
  if (!facts.is_roots || facts.way == MtaWay::lmtp) return {};
  return fmt::format("echo '{}' >&2\nexit 1\n", roots_home(facts.home));
}

}  // namespace

std::string postfix_text(const MtaFacts& facts) {
  const Service service = service_of(facts);
  const std::string entry = fmt::format(" {}:{}\n", service.name, service.next_hop);
  std::string text =
      fmt::format(fmt::runtime(beginning), fmt::arg("home", facts.home),
                  fmt::arg("command", facts.command), fmt::arg("all", facts.command_of_all),
                  fmt::arg("refusal", refusal_of(facts)),
                  fmt::arg("names", each_of(facts.domains, "", "", " "))) +
      maps_text(facts, entry);
  if (facts.way == MtaWay::pipe) {
    text +=
        "# One recipient a call: each has an exit status of its own.\n"
        "postconf -e mlpipe_destination_recipient_limit=1\n";
  }
  if (facts.way == MtaWay::maildir) {
    text += fmt::format(
        "# Out of there into the queues, as {}: {}/ml-receive --maildir {} --watch\n{}", facts.user,
        facts.programs, facts.place,
        facts.is_system_home ? "# or by the unit: systemctl enable --now mlpipe-maildir.path\n"
                             : "");
  }
  if (facts.way == MtaWay::lmtp && facts.place.starts_with('/')) {
    text += fmt::format(
        "# The user postfix must be able to open {0}, which ml-lmtpd listens on:\n"
        "# {1}\n",
        facts.place,
        facts.place == "/run/mlpipe/lmtp"
            ? "the unit makes it so: systemctl enable --now mlpipe-lmtp.socket"
            : "the socket is 0660 and its directory 0750, both of the group postfix.");
  }
  text += fmt::format("postconf -M \"{0}/unix={0} {1}\"\n", service.name, service.line);
  return text + "postfix reload\n";
}

std::string postfix_outbound_text(const MtaFacts& facts) {
  constexpr std::string_view form =
      R"sh(# A second Postfix for what the lists send: no spam or virus scan of each copy, and a queue of its
# own, so that a big post does not stand before other mail.
# Read this, then as root: {command} | sh
# It may be run again: when the first instance was changed, when a domain of lists comes or goes.
# After that the lists send through it, with this line in {home}/lists.toml, above any [table]:
#   via = "smtp://127.0.0.1:10025"
set -euf
main=$(postconf -h config_directory)
config=$(dirname "$main")/postfix-mlpipe
case " $(postconf -xh multi_instance_directories | tr ',' ' ') " in
  *" $config "*) ;;
  *) postmulti -e init
     postmulti -I postfix-mlpipe -G mta -e create ;;
esac
set_here() {{ postconf -c "$config" -e "$@"; }}

# As the first instance does where it concerns the world outside; what that one no longer has goes.
outside='myhostname|mydomain|relayhost|sender_dependent_relayhost_maps|inet_protocols'
outside="$outside|tls_[a-z_0-9]*|smtp_(sasl|tls|dns)_[A-Za-z_0-9]*|smtp_helo_name"
outside="$outside|smtp_bind_address6?|smtp_address_preference|smtp_host_lookup"
outside="$outside|smtp_sender_dependent_authentication"
named() {{ postconf "$@" -n | sed 's/ *=.*//' | grep -xE "$outside" | grep -v cache_database || :; }}
for name in $(named); do
  set_here "$name = $(postconf -xh "$name")"
done
for name in $(named -c "$config"); do
  named | grep -qx "$name" || postconf -c "$config" -X "$name"
done
# From this machine only, for anywhere; nothing is delivered here.
set_here \
  'inet_interfaces = loopback-only' 'mynetworks = 127.0.0.0/8 [::1]/128' \
  'mydestination =' 'local_transport = error:5.1.1 no mailboxes here' 'alias_maps =' \
  'local_recipient_maps =' 'authorized_submit_users =' \
  'smtpd_relay_restrictions = permit_mynetworks, reject' \
  'smtpd_recipient_restrictions = permit_mynetworks, reject'
# How big a post may be was judged when it came in.
set_here 'message_size_limit = 0' 'mailbox_size_limit = 0'

# No scan: the post was scanned once, when it came in. Of the milters those that sign stay, which
# are known by their name or OpenDKIM's port; on a second run those that stand here.
queue=$(postconf -xh queue_directory)
milters=$(postconf -c "$config" -xh smtpd_milters)
unscanned='receive_override_options = no_unknown_recipient_checks, no_header_body_checks'
if [ -z "$milters" ]; then
  all=''
  for milter in $(postconf -xh smtpd_milters non_smtpd_milters | tr ',{{}}' '   '); do
    # A socket below the first one's queue; what is no milter is an option of one.
    case $milter in
      unix:* | local:*) [ ! -S "$queue/${{milter#*:}}" ] || milter=unix:$queue/${{milter#*:}} ;;
      *:*) ;;
      *) continue ;;
    esac
    case " $all " in
      *" $milter "*) continue ;;
    esac
    all="${{all:+$all }}$milter"
    case $milter in
      inet:*:8891 | inet:8891@* | *:*dkim*) milters="${{milters:+$milters }}$milter" ;;
      *) echo "$milter is left out here" >&2 ;;
    esac
  done
  if [ "$milters" != "$all" ]; then
    echo "If what is left out signs (DKIM), run this afterwards, without what does not sign:" >&2
    echo "postconf -c $config -e 'smtpd_milters = $all' '$unscanned' &&" \
      "postmulti -i postfix-mlpipe -p reload" >&2
  fi
fi
set_here 'content_filter =' "smtpd_milters = $milters" 'non_smtpd_milters =' 'header_checks =' \
  'body_checks =' "milter_default_action = $(postconf -xh milter_default_action)" \
  "milter_protocol = $(postconf -xh milter_protocol)"
if [ -n "$milters" ]; then
  set_here "$unscanned"
else
  set_here "$unscanned, no_milters"
fi
# At the speed of ml-send: it is the only client, and may have a sender for each copy.
set_here \
  'smtpd_authorized_verp_clients = 127.0.0.0/8 [::1]/128' \
  'smtpd_client_connection_count_limit = 0' \
  'smtpd_error_sleep_time = 0' 'in_flow_delay = 0'
# Bounces go to the first instance and from there to the lists.
set_here 'transport_maps = inline:{{ {domains} }}'
postconf -c "$config" -M '127.0.0.1:10025/inet=127.0.0.1:10025 inet n - n - - smtpd'
postconf -c "$config" -MX smtp/inet
set_here 'master_service_disable ='
# Debian: resolv.conf and certificates into the chroot of this instance.
debian=/usr/lib/postfix/configure-instance.sh
[ ! -x "$debian" ] || "$debian" postfix-mlpipe
postmulti -i postfix-mlpipe -e enable
if postmulti -i postfix-mlpipe -p status >/dev/null 2>&1; then
  postmulti -i postfix-mlpipe -p reload
else
  postmulti -i postfix-mlpipe -p start
fi
)sh";
  return fmt::format(fmt::runtime(form), fmt::arg("command", facts.command),
                     fmt::arg("home", facts.home),
                     fmt::arg("domains", each_of(facts.domains, "", "=smtp:[127.0.0.1]:25", ", ")));
}

}  // namespace ml
