// ml-receive: a post out of a mail server's hands, judged, dressed as the list's, into the stream.
//
//   judge_post("Return-Path: <ann@example.org>\nFrom: ann@example.org\n\nHi.\n", rules, ask)
//     -> PostFate::pass, id r..., author ann@example.org, and the text that subscribers will get
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "list/name.hpp"
#include "list/policy.hpp"
#include "list/settings.hpp"
#include "mail/envelope.hpp"
#include "mail/message.hpp"
#include "store/store.hpp"
#include "stream/writer.hpp"

namespace ml {

// As the command line and the environment gave it; what they did not is looked up in the
// settings of the list.
struct ReceiveOptions {
  std::optional<std::string> home;
  std::string list;
  SenderSources sender;                 // --sender and $SENDER; the message adds its own
  std::vector<std::string> recipients;  // of the envelope, likeliest first
  std::optional<std::string> post;
  std::optional<std::string> otherwise;
  std::optional<std::uint64_t> max_size;
  std::optional<std::uint64_t> max_hops;
  std::optional<std::string> archive;
  std::optional<std::string> unsubscribe;
  std::optional<std::string> log;
};

// Everything that decides about a post, known before its first octet is read. Whatever of it does
// not make sense is 75.
struct ReceiveRules {
  ListName list;
  Role role = Role::post;  // to whom of the list it came
  PostPolicy post{PostPolicy::Who::subscribers};
  Otherwise otherwise = Otherwise::reject;
  std::size_t max_size = 0;
  std::size_t max_hops = 0;
  std::string fields;  // the list's header fields, whole lines, perhaps with token_slot
  std::string log;     // where drops and holds are told
  SenderSources sender;
};
[[nodiscard]] Result<ReceiveRules> receive_rules(const Home& home, const ReceiveOptions& options);
// The same with the settings of the list at hand; options.list is not looked at.
[[nodiscard]] Result<ReceiveRules> receive_rules(const Home& home, const Settings& settings,
                                                 const ListName& list,
                                                 const ReceiveOptions& options);

enum class PostFate { pass, hold, drop };

struct Judgement {
  PostFate fate = PostFate::pass;
  std::string why;  // of hold and drop, for the log
  std::string id;
  std::optional<std::string> author;  // envelope sender; nothing where nobody named one
  std::string text;                   // as the subscribers get it
  std::string nonce;                  // of the slots in it; empty: it has none
};

// Pure but for `is_subscriber`. `octets` is the message as it came. A message at fault is 65 and
// an author who may not post, where the rules say reject, 77; both texts begin with a code.
[[nodiscard]] Result<Judgement> judge_post(std::string octets, const ReceiveRules& rules,
                                           const PostPolicy::IsSubscriber& is_subscriber);

// The section of a post that may go out, or is held: the message and `end 0`. It says which role it
// came to, if that is not post (section_role.hpp).
void write_post(Writer& out, const ReceiveRules& rules, const Judgement& judgement);
// The line of the log about one that was held or dropped.
void log_fate(const ReceiveRules& rules, const Judgement& judgement);
// Who may post where subscribers may: whoever is on the list, in whatever state but removed.
[[nodiscard]] PostPolicy::IsSubscriber subscribers_of(const Store& store, ListNumber list);
// The sources of the envelope sender, completed by what the message itself says.
[[nodiscard]] SenderSources with_message(SenderSources sources, const IncomingMessage& message,
                                         std::string_view head);
// Why a message has come too far to go on; nothing if it has not.
[[nodiscard]] std::optional<std::string> too_many_hops(std::string_view head, std::size_t max_hops);

// Reads one message from `input` and writes its section: the message and `end 0`; a bare `end 0`
// where it was held (by then durably, in the queue `held`) or dropped (a line to the log); or an
// end with the failure. Nothing is written before the post has been judged. The role is that of the
// first recipient that is an address of the list, else post.
[[nodiscard]] Result<Status> receive(const ReceiveOptions& options, int input, Writer& out);

}  // namespace ml
