#include "stage/receive.hpp"

#include <utility>
#include <vector>

#include "base/attributes.hpp"
#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "list/headers.hpp"
#include "list/settings.hpp"
#include "mail/header.hpp"
#include "mail/id.hpp"
#include "mail/mailboxes.hpp"
#include "mail/message.hpp"
#include "mail/slots.hpp"
#include "queue/entry.hpp"
#include "stage/route.hpp"
#include "stage/section_role.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

constexpr std::uint64_t default_max_size = std::uint64_t{50} << 20;
constexpr std::uint64_t default_max_hops = 25;
constexpr std::size_t most_authors = 100;

// The option, else the setting, else the default.
Result<std::uint64_t> size_of(const std::optional<std::uint64_t>& given, const Settings& settings,
                              std::string_view key, std::uint64_t fallback) {
  if (given) return *given;
  const auto set = settings.size(key);
  if (!set) return fail(set);
  return set->value_or(fallback);
}

std::string text_of(const std::optional<std::string>& given, const Settings& settings,
                    std::string_view key, std::string_view fallback) {
  return given ? *given : settings.text(key).value_or(std::string(fallback));
}

// A path on the command line is as the shell has it; one in the settings is below the home, because
// the directory that a mail server runs us in says nothing to who wrote it.
Result<PostPolicy> post_policy(const ReceiveOptions& options, const Settings& settings,
                               const Home& home) {
  if (options.post) return text_to_post_policy(*options.post);
  const std::string set = settings.text("post").value_or("subscribers");
  const bool is_word = set == "anyone" || set == "subscribers" || set == "nobody";
  return text_to_post_policy(is_word || set.starts_with('/') ? set : home.path(set));
}

// Why the message must not go round again; nothing if it may go out.
std::optional<std::string> loop(const ReceiveRules& rules, std::string_view head) {
  for (const Field& field : Fields(head)) {
    if (is_loop_mark(rules.list, field.name, unfolded(field.value))) {
      return fmt::format("a loop: its {} says that it has been through this list", field.name);
    }
  }
  return too_many_hops(head, rules.max_hops);
}

// To the list itself a program must not answer: its readers would all have the answer, and a second
// program among them answers that. The owner and the other roles read what comes to them.
std::optional<std::string> automatic_answer(const ReceiveRules& rules, std::string_view head) {
  if (rules.role != Role::post) return std::nullopt;
  for (const Field& field : Fields(head)) {
    if (is_automatic_answer(field.name, unfolded(field.value))) {
      return fmt::format("its {} says that a program has answered, not a person", field.name);
    }
  }
  return std::nullopt;
}

// RFC 5322 3.6: exactly one From. A second one would let a server judge one and readers see the
// other.
Result<std::vector<Address>> authors_of(std::string_view head) {
  const auto count = count_fields(head, "From");
  if (count != 1) {
    return failure(Status::rejected, "5.6.0 the message has {} From field{}, it must have one",
                   count == 0 ? "no" : fmt::to_string(count), count == 0 ? "" : "s");
  }
  auto authors = mailboxes(find_field(head, "From")->value);
  if (authors.empty()) {
    return failure(Status::rejected, "5.6.0 the From field names no valid address");
  }
  if (authors.size() > most_authors) {
    return failure(Status::rejected, "5.6.0 the From field names more than {} authors",
                   most_authors);
  }
  return authors;
}

void dress(Judgement& judgement, const ReceiveRules& rules, std::string_view message) {
  const MessageParts parts = split_message(message);
  std::string& text = judgement.text = rules.fields;
  if (const auto slot = text.find(token_slot); slot != std::string::npos) {
    judgement.nonce = slot_nonce(message);
    text.replace(slot, token_slot.size(), marked_slot_in_url(token_key, judgement.nonce));
  }
  text.append(
      without_fields(parts.head, [](const Field& field) { return is_taken_away(field.name); }));
  text.append(parts.separator).append(parts.body);
}

// What the policy makes of a post by these authors.
Result<> apply_policy(Judgement& judgement, const ReceiveRules& rules,
                      std::span<const Address> authors,
                      const PostPolicy::IsSubscriber& is_subscriber) {
  const auto may = rules.post.allows(authors, is_subscriber);
  if (!may) return fail(may);
  if (*may) return {};
  std::string denial = rules.post.denial(rules.list);
  if (rules.otherwise == Otherwise::reject) return failure(Status::denied, "{}", denial);
  judgement.fate = rules.otherwise == Otherwise::hold ? PostFate::hold : PostFate::drop;
  judgement.why = std::move(denial);
  return {};
}

// The entry is the section that would have gone on: releasing it is writing it out.
Result<> hold(const Home& home, const ReceiveRules& rules, const Judgement& judgement) {
  auto entry = QueueEntry::create(home, "held", judgement.id);
  if (!entry) return fail(entry);
  Writer draft(entry->fd(), "the entry in the queue held");
  write_post(draft, rules, judgement);
  if (auto written = draft.flush(); !written) return written;
  return entry->keep();
}

Result<Role> role_of(const Home& home, const Store& store, const ListName& list,
                     const std::vector<std::string>& recipients) {
  if (recipients.empty() || recipients.front() == list.text()) return Role::post;
  const auto delimiter = delimiter_of(home);
  if (!delimiter) return fail(delimiter);
  for (const std::string& recipient : recipients) {
    const auto route = text_to_route(store, recipient, *delimiter);
    if (!route) return fail(route);
    if (*route && (*route)->list == list) return (*route)->role;
  }
  return Role::post;
}

Result<> receive_one(const ReceiveOptions& options, int input, Writer& out) {
  const auto home = open_home(options.home, Create::no);
  if (!home) return fail(home);
  auto rules = receive_rules(*home, options);
  if (!rules) return fail(rules);
  if (auto logged = log_to(rules->log); !logged) return logged;
  const auto store = Store::open(*home, Access::read);
  if (!store) return fail(store);
  const auto list = store->list(rules->list.text());
  if (!list) return fail(list);
  const auto role = role_of(*home, *store, rules->list, options.recipients);
  if (!role) return fail(role);
  rules->role = *role;

  auto octets = read_all(input, rules->max_size, "standard input");
  if (!octets) return fail(octets);
  if (octets->empty()) return retry("the input is empty: no message came");
  const auto judgement = judge_post(std::move(*octets), *rules, subscribers_of(*store, *list));
  if (!judgement) return fail(judgement);
  if (judgement->fate == PostFate::pass) {
    write_post(out, *rules, *judgement);
    return {};
  }
  if (judgement->fate == PostFate::hold) {
    if (auto held = hold(*home, *rules, *judgement); !held) return held;
  }
  log_fate(*rules, *judgement);
  out.end(Status::done, "");
  return {};
}

}  // namespace

Result<ReceiveRules> receive_rules(const Home& home, const ReceiveOptions& options) {
  auto list = find_list_name(home, options.list);
  if (!list) return fail(list);
  const auto settings = load_settings(home, &*list);
  if (!settings) return fail(settings);
  return receive_rules(home, *settings, *list, options);
}

Result<ReceiveRules> receive_rules(const Home& home, const Settings& settings, const ListName& list,
                                   const ReceiveOptions& options) {
  ReceiveRules rules;
  rules.list = list;
  rules.log = text_of(options.log, settings, "log", "stderr");
  auto post = post_policy(options, settings, home);
  if (!post) return fail(post);
  rules.post = std::move(*post);
  const std::string word = text_of(options.otherwise, settings, "else", "reject");
  const auto otherwise = text_to_otherwise(word);
  if (!otherwise) {
    return retry("{} must be hold, reject or drop, not '{}'",
                 options.otherwise ? "--else" : "the setting else of " + list.text(),
                 printable(word, 40));
  }
  rules.otherwise = *otherwise;

  const auto max_size = size_of(options.max_size, settings, "max-size", default_max_size);
  if (!max_size) return fail(max_size);
  if (*max_size > largest_message) return retry("--max-size must be at most 100M");
  rules.max_size = *max_size;
  const auto max_hops = size_of(options.max_hops, settings, "max-hops", default_max_hops);
  if (!max_hops) return fail(max_hops);
  rules.max_hops = *max_hops;

  auto fields =
      list_fields(rules.list, {rules.post.is_announce_only() ? Posting::closed : Posting::open,
                               text_of(options.archive, settings, "archive", ""),
                               text_of(options.unsubscribe, settings, "unsubscribe", "")});
  if (!fields) return fail(fields);
  rules.fields = std::move(*fields);
  rules.sender = options.sender;
  return rules;
}

Result<Judgement> judge_post(std::string octets, const ReceiveRules& rules,
                             const PostPolicy::IsSubscriber& is_subscriber) {
  const auto intake = octets_to_message(std::move(octets));
  if (!intake) return fail(intake);
  const MessageParts parts = split_message(intake->message);
  auto sender = envelope_sender(with_message(rules.sender, *intake, parts.head));
  if (!sender) return fail(sender);

  Judgement judgement;
  judgement.id = message_id_of('r', rules.list.address(rules.role), intake->message);
  judgement.author = std::move(*sender);
  if (judgement.author == null_sender) {
    judgement.why = "it has the null sender: a bounce, not a post";
  } else if (auto why = loop(rules, parts.head)) {
    judgement.why = std::move(*why);
  } else if (auto answer = automatic_answer(rules, parts.head)) {
    judgement.why = std::move(*answer);
  }
  if (!judgement.why.empty()) {
    judgement.fate = PostFate::drop;
    return judgement;
  }
  const auto authors = authors_of(parts.head);
  if (!authors) return fail(authors);
  if (auto applied = apply_policy(judgement, rules, *authors, is_subscriber); !applied) {
    return fail(applied);
  }
  dress(judgement, rules, intake->message);
  return judgement;
}

SenderSources with_message(SenderSources sources, const IncomingMessage& intake,
                           std::string_view head) {
  if (const auto field = find_field(top_block(head), "Return-Path")) {
    sources.return_path = unfolded(field->value);
  }
  sources.from_line = intake.from_line;
  return sources;
}

std::optional<std::string> too_many_hops(std::string_view head, std::size_t max_hops) {
  const std::size_t hops = count_fields(head, "Received");
  if (hops <= max_hops) return std::nullopt;
  return fmt::format("a loop: {} servers have passed it on, more than {}", hops, max_hops);
}

void write_post(Writer& out, const ReceiveRules& rules, const Judgement& judgement) {
  std::string attributes;
  append_attribute(attributes, "list", rules.list.text());
  if (judgement.author) append_attribute(attributes, "author", *judgement.author);
  if (!judgement.nonce.empty()) {
    append_attribute(attributes, slots_attribute, judgement.nonce);
    append_attribute(attributes, token_attribute, token_by_list);
  }
  if (rules.role != Role::post) {
    append_attribute(attributes, received_attribute, role_to_text(rules.role));
  }
  out.message(judgement.id, rules.list.address(Role::bounces), judgement.text, attributes);
  out.end(Status::done, "");
}

void log_fate(const ReceiveRules& rules, const Judgement& judgement) {
  log(fmt::format("{}: {} {} from {}: {}", rules.list.address(rules.role),
                  judgement.fate == PostFate::hold ? "held" : "dropped", judgement.id,
                  judgement.author.value_or("an unknown sender"), judgement.why));
}

PostPolicy::IsSubscriber subscribers_of(const Store& store, ListNumber list) {
  return [&store, list](const Address& author) -> Result<bool> {
    const auto found = store.find(list, author);
    if (!found) return fail(found);
    return *found && (*found)->state != State::removed;
  };
}

Result<Status> receive(const ReceiveOptions& options, int input, Writer& out) {
  const auto done = receive_one(options, input, out);
  if (!done) out.end(done.error().status, done.error().text);
  if (auto flushed = out.flush(); !flushed && done) return fail(flushed);
  if (!done) return fail(done);
  return Status::done;
}

}  // namespace ml
