#include "stage/intake.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/attributes.hpp"
#include "base/diag.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"
#include "mail/id.hpp"
#include "mail/message.hpp"
#include "mail/mime.hpp"
#include "stage/mta.hpp"
#include "stage/runner.hpp"
#include "stage/section_role.hpp"
#include "stage/stages.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

constexpr std::chrono::seconds fresh{1};
constexpr std::chrono::minutes patience{4};  // less than any mail server's
constexpr std::size_t most_lists = 1000;     // remembered
constexpr std::string_view held = "held";
// What is kept of what filters write: the largest message in base64 with room for other fields, and
// of what they complain.
constexpr std::size_t most_output = largest_message / 3 * 4 + (std::size_t{4} << 20);
constexpr std::size_t most_said = 65536;

Failure too_big(std::size_t limit) {
  return failure(Status::rejected, "5.3.4 message too big: more than {} octets are not taken here",
                 limit);
}

// Postfix gives the commands of its aliases a limit of 51.2 MB that nobody can raise again.
Result<> check_file_size(std::size_t octets) {
  constexpr std::size_t other_fields = 65536;
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  if (octets / 3 * 4 + other_fields < limit.rlim_cur) return {};
  return retry(
      "a message of {} octets needs a larger file than the {} octets allowed here (in Postfix: "
      "postconf -e mailbox_size_limit=0)",
      octets, limit.rlim_cur);
}

// A pipe for stages to write into, and its tap.
struct TappedPipe {
  Fd end;
  Tap tap;
};
Result<TappedPipe> tapped(std::function<bool(std::string_view)> take) {
  auto pipe = make_pipe();
  if (!pipe) return fail(pipe);
  return TappedPipe{std::move(pipe->write), {std::move(pipe->read), std::move(take)}};
}

// Up to most_output octets.
Result<TappedPipe> tapped(const Fd& file) {
  return tapped([&file, left = most_output](std::string_view octets) mutable {
    if (octets.size() > left) return false;
    left -= octets.size();
    return write_all(file, octets, "memory").has_value();
  });
}

// The last of it: what a stage says in the end is why it has failed.
Result<TappedPipe> tapped(std::string& said) {
  return tapped([&said](std::string_view octets) {
    said.append(octets);
    if (said.size() > 2 * most_said) said.erase(0, said.size() - most_said);
    return true;
  });
}

// The lines that a stage said.
std::vector<std::string> lines_of(std::string_view said) {
  std::vector<std::string> lines;
  for (const std::string_view line : split(said, '\n')) {
    if (!trim(line).empty()) lines.emplace_back(trim(line));
  }
  return lines;
}

// The id of a stream's first message; empty where it has none. What failed in it is a failure here.
Result<std::string> first_id(const Fd& stream) {
  if (lseek(stream.get(), 0, SEEK_SET) != 0) return system_failure("cannot read memory", errno);
  Reader in(stream.get());
  Verdict verdict;
  std::string id;
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    if (record == Record::message && id.empty()) id = in.message().id;
    if (record == Record::end) verdict.add(in.end());
  }
  if (verdict.failed()) return fail(verdict.result());
  return id;
}

// The sections of a stream that is known to be whole. Each says its role, even where ml-receive was
// not told of it.
Result<> copy_stream(const Fd& stream, Role role, Writer& out) {
  std::string received;
  if (role != Role::post) append_attribute(received, received_attribute, role_to_text(role));
  if (lseek(stream.get(), 0, SEEK_SET) != 0) return system_failure("cannot read memory", errno);
  Reader in(stream.get());
  bool in_section = false;
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    switch (record) {
      case Record::message:
        out.buffer().append(in.line());
        if (!role_besides_post(in.message().attributes)) out.buffer().append(received);
        out.buffer().push_back('\n');
        out.settle();
        in_section = true;
        break;
      case Record::rcpt: out.pass(in.line()); break;
      default:
        if (in_section) out.end(in.end());
        in_section = false;
    }
  }
  return {};
}

struct ReceivedLetter {
  std::string text;
  std::optional<std::string> sender;  // "<>": the null sender; nothing: nobody named one
};

Result<ReceivedLetter> octets_to_letter(std::string octets, const SenderSources& sources) {
  auto message = octets_to_message(std::move(octets));
  if (!message) return fail(message);
  const MessageParts parts = split_message(message->message);
  auto sender = envelope_sender(with_message(sources, *message, parts.head));
  if (!sender) return fail(sender);
  return ReceivedLetter{std::move(message->message), std::move(*sender)};
}

// The message for the owners, marked so that it cannot come round a second time.
std::string text_for_owner(const std::string& text, const std::string& address) {
  const MessageParts parts = split_message(text);
  std::string head =
      without_fields(parts.head, {"Return-Path", "Delivered-To", "X-Original-To", "Envelope-To"});
  prepend_field(head, "X-BeenThere", address);
  return head.append(parts.separator).append(parts.body);
}

bool has_been_at(std::string_view head, std::string_view address) {
  for (const Field& field : Fields(head)) {
    if (same_nocase(field.name, "X-BeenThere") && unfolded(field.value) == address) return true;
  }
  return false;
}

}  // namespace

Result<Intake> Intake::open(const Home& home, std::optional<std::string> log) {
  auto store = Store::open(home, Access::read);
  if (!store) return fail(store);
  const auto now = std::chrono::steady_clock::now();
  auto site = load_settings(home, nullptr);
  if (!site) return fail(site);
  const auto delimiter = delimiter_of(*site);
  if (!delimiter) return fail(delimiter);
  return Intake(home, std::move(log), std::move(*store), {std::move(*site), now}, *delimiter);
}

Result<std::optional<Route>> Intake::route(std::string_view recipient) const {
  return text_to_route(store_, recipient, delimiter_);
}

Result<bool> Intake::knows(std::string_view recipient) const {
  const auto found = route(recipient);
  if (!found) return fail(found);
  return found->has_value();
}

Result<const Intake::ListTerms*> Intake::terms_of(const ListName& list) {
  const auto now = std::chrono::steady_clock::now();
  const std::string name = list.text();
  if (const auto known = terms_.find(name); known != terms_.end()) {
    if (now - known->second.read < fresh) return &known->second;
    terms_.erase(known);
  }
  if (now - site_.read >= fresh) {
    auto site = load_settings(*home_, nullptr);
    if (!site) return fail(site);
    site_ = {std::move(*site), now};
  }
  auto settings = list_settings(*home_, site_.settings, list);
  if (!settings) return fail(settings);
  ReceiveOptions options;
  options.log = log_;
  auto rules = receive_rules(*home_, *settings, list, options);
  if (!rules) return fail(rules);
  if (auto logged = log_to(rules->log); !logged) return fail(logged);
  if (terms_.size() >= most_lists) terms_.clear();
  return &terms_.insert_or_assign(name, ListTerms{std::move(*rules), std::move(*settings), now})
              .first->second;
}

Result<> Intake::take(Arrival arrival) {
  auto found = route(arrival.recipient);
  if (!found) return fail(found);
  if (!*found) {
    return failure(Status::rejected, "5.1.1 no such list: {}", printable(arrival.recipient, 320));
  }
  return take(std::move(**found), std::move(arrival));
}

Result<> Intake::take(Route route, Arrival arrival) {
  if (auto fits = check_file_size(arrival.octets.size()); !fits) return fits;
  if (!route.list) return take_raw(route, std::move(arrival));
  const auto terms = terms_of(*route.list);
  if (!terms) return fail(terms);
  const std::size_t limit = (*terms)->rules.max_size;
  if (route.role != Role::bounces && arrival.octets.size() > limit) return too_big(limit);
  const auto role = role_to_text(route.role);
  const Pipeline pipeline = split_pipeline(pipeline_of((*terms)->settings, role));
  if (pipeline.inside.empty() && pipeline.after.empty()) {
    return take_for_owner(**terms, route, std::move(arrival));
  }
  if (pipeline.inside.empty()) return take_raw(route, std::move(arrival));
  if (route.role == Role::post && is_plain_receive(pipeline.inside)) {
    return take_post(**terms, std::move(arrival));
  }
  return take_filtered(**terms, route, pipeline.inside, arrival);
}

Result<> Intake::take_post(const ListTerms& terms, Arrival arrival) {
  const ListName& list = terms.rules.list;
  const auto number = store_.list(list.text());
  if (!number) return fail(number);
  ReceiveRules rules = terms.rules;
  rules.sender = std::move(arrival.sender);
  const auto judgement =
      judge_post(std::move(arrival.octets), rules, subscribers_of(store_, *number));
  if (!judgement) return fail(judgement);
  if (judgement->fate != PostFate::pass) log_fate(terms.rules, *judgement);
  if (judgement->fate == PostFate::drop) return {};
  return draft(judgement->fate == PostFate::hold ? held : "post", judgement->id, [&](Writer& out) {
    write_post(out, terms.rules, *judgement);
    return Result<>();
  });
}

Result<> Intake::take_filtered(const ListTerms& terms, const Route& route, const Stages& inside,
                               const Arrival& arrival) {
  const std::string list = terms.rules.list.text();
  const auto letter = octets_to_letter(arrival.octets, arrival.sender);
  if (!letter) return fail(letter);
  std::vector<std::vector<std::string>> argvs;
  const auto programs = program_directory();
  if (!programs) return fail(programs);
  for (const std::string& stage : inside) argvs.push_back(stage_to_argv(stage, {*programs, list}));
  const auto input = file_in_memory(arrival.octets);
  if (!input) return fail(input);
  const auto output = file_in_memory({});
  if (!output) return fail(output);
  auto written = tapped(*output);
  if (!written) return fail(written);
  std::vector<std::string> said(argvs.size());
  std::vector<Fd> errors;
  std::vector<Tap> taps;
  taps.push_back(std::move(written->tap));
  for (std::string& of_stage : said) {
    auto complaints = tapped(of_stage);
    if (!complaints) return fail(complaints);
    errors.push_back(std::move(complaints->end));
    taps.push_back(std::move(complaints->tap));
  }
  const auto environment = stage_environment(
      *programs, home_->directory(),
      {list, role_to_text(route.role), arrival.recipient, letter->sender, route.extension});
  const auto ending =
      run_stages(argvs, environment, {*input, written->end, errors, taps}, patience);
  if (!ending) return fail(ending);
  if (!taps.front().from.open()) {
    return retry("the stages before ml-receive write more than {} octets", most_output);
  }
  const bool has_failed = ending->status != Status::done;
  std::string why = ending->why;
  for (std::size_t i = 0; i < said.size(); ++i) {
    const bool is_it = has_failed && i == ending->stage && why.empty();
    for (std::string& line : lines_of(said[i])) {
      if (is_it) {
        why = std::move(line);  // the last one counts
      } else {
        log_said(line);
      }
    }
  }
  if (has_failed) return Failure(Error{ending->status, std::move(why)});
  const auto id = first_id(*output);
  if (!id) return fail(id);
  if (id->empty()) return {};  // held or dropped by ml-receive
  return draft(role_to_text(route.role), *id,
               [&](Writer& out) { return copy_stream(*output, route.role, out); });
}

// A bounce is always taken: whatever a refusal said would bounce to nobody.
Result<> Intake::take_raw(const Route& route, Arrival arrival) {
  std::string& octets = arrival.octets;
  if (route.role == Role::bounces) {
    octets.resize(std::min(octets.size(), longest_mime_text));
    std::erase(octets, '\0');
    // One that is no address is then as good as none.
    if (arrival.sender.option) arrival.sender = {.environment = arrival.sender.option};
  }
  if (octets.size() > largest_message) return too_big(largest_message);
  const auto letter = octets_to_letter(std::move(octets), arrival.sender);
  if (!letter) return fail(letter);
  const auto role = role_to_text(route.role);
  const std::string id = message_id_of('m', arrival.recipient, letter->text);
  std::string attributes;
  if (route.list) append_attribute(attributes, "list", route.list->text());
  if (letter->sender) append_attribute(attributes, "author", *letter->sender);
  append_attribute(attributes, raw_attribute, role);
  append_attribute(attributes, "ml.recipient", arrival.recipient);
  return draft(role, id, [&](Writer& out) {
    out.message(id, letter->sender.value_or(std::string(null_sender)), letter->text, attributes);
    out.end(Status::done, "");
    return Result<>();
  });
}

Result<> Intake::take_for_owner(const ListTerms& terms, const Route& route, Arrival arrival) {
  const ListName& list = *route.list;
  const std::string address = list.address(route.role);
  const auto letter = octets_to_letter(std::move(arrival.octets), arrival.sender);
  if (!letter) return fail(letter);
  const std::string_view head = split_message(letter->text).head;
  auto loop = too_many_hops(head, terms.rules.max_hops);
  if (!loop && has_been_at(head, address)) loop = "a loop: it has been at this address";
  if (loop) {
    log(fmt::format("{}: dropped a message from {}: {}", address,
                    letter->sender.value_or("an unknown sender"), *loop));
    return {};
  }
  const auto owners = owners_of(store_, terms.settings, list, delimiter_);
  if (!owners) return fail(owners);
  const std::string id = message_id_of('r', address, letter->text);
  std::string attributes;
  append_attribute(attributes, "list", list.text());
  if (letter->sender) append_attribute(attributes, "author", *letter->sender);
  append_attribute(attributes, received_attribute, role_to_text(route.role));
  const bool is_null = letter->sender == null_sender;
  return draft("outbound", id, [&](Writer& out) -> Result<> {
    out.message(id, is_null ? std::string(null_sender) : list.address(Role::bounces),
                text_for_owner(letter->text, address), attributes);
    for (const std::string& owner : *owners) out.rcpt(owner, "-", "");
    out.end(Status::done, "");
    return {};
  });
}

Result<Queue*> Intake::open_queue(std::string_view queue) {
  if (const auto known = queues_.find(queue); known != queues_.end()) return known->second.get();
  auto opened =
      queue == held ? Queue::open(*home_, held, Create::yes) : open_run_queue(*home_, queue);
  if (!opened) return fail(opened);
  return queues_.emplace(queue, std::make_unique<Queue>(std::move(*opened))).first->second.get();
}

Result<> Intake::draft(std::string_view queue, std::string_view name,
                       const std::function<Result<>(Writer&)>& write) {
  const auto opened = open_queue(queue);
  if (!opened) return fail(opened);
  auto entry = QueueEntry::create(**opened, name);
  if (!entry) return fail(entry);
  Writer out(entry->fd(), "an entry of the queue " + std::string(queue));
  if (auto written = write(out); !written) return written;
  if (auto flushed = out.flush(); !flushed) return flushed;
  drafts_.push_back(std::move(*entry));
  if (queue != held) touched_.insert(*opened);
  return {};
}

Result<> Intake::keep_drafts() {
  if (drafts_.empty()) return {};
  if (!intake_log_) return QueueEntry::keep_all(drafts_, syncer_, Same::beside);
  return QueueEntry::keep_all(drafts_, *intake_log_, syncer_, Same::beside);
}

Result<> Intake::commit() {
  const auto kept = keep_drafts();
  const auto touched = std::exchange(touched_, {});
  drafts_.clear();
  if (!kept) return kept;
  for (const Queue* const queue : touched) {
    if (auto woken = wake_runner(*home_, *queue); !woken) return woken;
  }
  return {};
}

}  // namespace ml
