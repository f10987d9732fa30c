#include "stage/queue_list.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "base/fd.hpp"
#include "base/lines.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/message.hpp"
#include "mail/rfc2047.hpp"
#include "stage/metrics_file.hpp"
#include "stream/reader.hpp"

namespace ml {
namespace {

// What a moderator goes by.
struct PostHead {
  std::string list;
  std::string from;
  std::string subject;
};

constexpr std::string_view held_queue = "held";  // where ml-receive puts what a person shall judge

struct EntryRow {
  EntryFacts facts;
  bool is_running = false;
  std::optional<std::uint64_t> recipients;  // of a stream that names any
  long nanoseconds = 0;                     // of the second in which it came
  std::optional<PostHead> head;             // in the queue held, whose entries a person judges
};

std::optional<std::uint64_t> count_recipients(const Fd& file) {
  constexpr std::size_t enough = 64;  // of a line, to know its kind
  Lines lines(file.get(), "entry", enough);
  std::uint64_t count = 0;
  for (bool is_first = true;; is_first = false) {
    const auto line = lines.next();
    if (!line || line->kind == Line::Kind::none) break;
    if (is_first && !begins_stream(line->text)) return std::nullopt;
    if (line->text.starts_with("rcpt\t")) ++count;
  }
  return count == 0 ? std::nullopt : std::optional(count);
}

Fd open_entry(const Queue& queue, const EntryFacts& facts) {
  return Fd(openat(queue.fd().get(), facts.place.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
}

std::string field_of(std::string_view head, std::string_view name) {
  const auto field = find_field(head, name);
  return field ? printable(decode_words(unfolded(field->value)), 200) : "";
}

std::optional<PostHead> head_of(const Fd& file) {
  if (lseek(file.get(), 0, SEEK_SET) != 0) return std::nullopt;
  Reader in(file.get());
  if (in.next() != Record::message) return std::nullopt;
  const auto message = decoded_message(in.message());
  if (!message) return std::nullopt;
  const auto parts = split_message(*message);
  const auto list = in.message().attributes.value("list").value_or("");
  return PostHead{printable(list, 320), field_of(parts.head, "From"),
                  field_of(parts.head, "Subject")};
}

EntryRow row_of(const Queue& queue, const EntryFacts& facts) {
  EntryRow row{facts, queue.is_taken(facts.place), std::nullopt, 0, std::nullopt};
  const Fd file = open_entry(queue, facts);
  if (!file.open()) return row;
  struct stat about{};
  if (fstat(file.get(), &about) == 0) row.nanoseconds = about.st_mtim.tv_nsec;
  row.recipients = count_recipients(file);
  if (queue.name() == held_queue) row.head = head_of(file);
  return row;
}

Result<std::vector<EntryRow>> rows(const Queue& queue) {
  std::vector<EntryRow> all;
  auto done = queue.each([&](const EntryFacts& facts) { all.push_back(row_of(queue, facts)); });
  if (!done) return fail(done);
  std::ranges::sort(all, [](const EntryRow& a, const EntryRow& b) {
    return std::tie(a.facts.born, a.nanoseconds, a.facts.name) <
           std::tie(b.facts.born, b.nanoseconds, b.facts.name);
  });
  return all;
}

std::string_view state_of(const EntryRow& row) {
  if (row.is_running) return "running";
  switch (row.facts.waits) {
    case Waits::due: return row.head ? "held" : "due";
    case Waits::later: return "later";
    case Waits::held: return "held";
  }
  return {};
}

// "42s", "5m", "3h", "2d": one unit, rounded down.
std::string duration_text(std::time_t span) {
  span = std::max<std::time_t>(span, 0);
  if (span < 120) return fmt::format("{}s", span);
  constexpr std::time_t minute = 60;
  constexpr std::time_t hour = 60 * minute;
  constexpr std::time_t day = 24 * hour;
  if (span < 2 * hour) return fmt::format("{}m", span / minute);
  if (span < 2 * day) return fmt::format("{}h", span / hour);
  return fmt::format("{}d", span / day);
}

std::string json_string(std::string_view text) {
  std::string quoted;
  append_json(quoted, text);
  return quoted;
}

std::string_view dash_if_empty(std::string_view text) {
  return text.empty() ? "-" : text;
}

// Three columns or members more.
std::string head_text(const EntryRow& row, Form form) {
  if (!row.head) return {};
  const auto& [list, from, subject] = *row.head;
  if (form == Form::text) {
    return fmt::format("\t{}\t{}\t{}", dash_if_empty(list), dash_if_empty(from),
                       dash_if_empty(subject));
  }
  return fmt::format(R"(,"list":{},"from":{},"subject":{})", json_string(list), json_string(from),
                     json_string(subject));
}

std::string row_text(const EntryRow& row, Form form, std::time_t now) {
  const EntryFacts& facts = row.facts;
  const bool has_next = facts.waits == Waits::later && !row.is_running;
  if (form == Form::text) {
    return fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}{}\n", facts.name, state_of(row),
                       duration_text(now - facts.born),
                       has_next ? duration_text(facts.next - now) : "-",
                       row.recipients ? fmt::to_string(*row.recipients) : "-", facts.size,
                       facts.note.attempts, dash_if_empty(facts.note.reason), head_text(row, form));
  }
  return fmt::format(
      R"({{"id":{},"state":{},"age":{},"next":{},"recipients":{},"octets":{},"attempts":{},"reason":{}{}}})",
      json_string(facts.name), json_string(state_of(row)), now - facts.born,
      has_next ? fmt::to_string(facts.next) : "null",
      row.recipients ? fmt::to_string(*row.recipients) : "null", facts.size, facts.note.attempts,
      facts.note.reason.empty() ? "null" : json_string(facts.note.reason), head_text(row, form));
}

// One queue in numbers.
struct Sum {
  std::string queue;
  std::array<std::uint64_t, 3> entries{};  // by Waits
  std::uint64_t octets = 0;
  std::time_t oldest = 0;  // its age
  bool has_runner = false;
};

constexpr std::array<std::string_view, 3> states{"due", "later", "held"};

Result<std::vector<Sum>> sums(const Home& home) {
  auto names = Queue::names(home);
  if (!names) return fail(names);
  std::vector<Sum> all;
  const std::time_t now = std::time(nullptr);
  for (const std::string& name : *names) {
    auto queue = Queue::open(home, name, Create::no);
    if (!queue) return fail(queue);
    Sum sum{name, {}, 0, 0, queue->has_runner()};
    auto done = queue->each([&](const EntryFacts& facts) {
      const bool is_held = name == held_queue && facts.waits == Waits::due;
      ++sum.entries[static_cast<std::size_t>(is_held ? Waits::held : facts.waits)];
      sum.octets += facts.size;
      sum.oldest = std::max(sum.oldest, now - facts.born);
    });
    if (!done) return fail(done);
    all.push_back(std::move(sum));
  }
  return all;
}

std::string joined(const std::vector<std::string>& objects) {
  return fmt::format("[{}]\n", fmt::join(objects, ",\n "));
}

std::string metrics_text(const std::vector<Sum>& all) {
  std::string text =
      "# HELP mlpipe_queue_entries Entries of a queue, by what they wait for.\n"
      "# TYPE mlpipe_queue_entries gauge\n";
  for (const Sum& sum : all) {
    for (std::size_t i = 0; i < states.size(); ++i) {
      text += fmt::format("mlpipe_queue_entries{{queue=\"{}\",state=\"{}\"}} {}\n", sum.queue,
                          states[i], sum.entries[i]);
    }
  }
  const auto gauge = [&](std::string_view name, std::string_view help, const auto& value) {
    text += fmt::format("# HELP mlpipe_queue_{0} {1}\n# TYPE mlpipe_queue_{0} gauge\n", name, help);
    for (const Sum& sum : all) {
      text += fmt::format("mlpipe_queue_{}{{queue=\"{}\"}} {}\n", name, sum.queue, value(sum));
    }
  };
  gauge("octets", "Octets in the entries of a queue.", [](const Sum& sum) { return sum.octets; });
  gauge("oldest_seconds", "Age of the oldest entry of a queue.",
        [](const Sum& sum) { return sum.oldest; });
  gauge("runner", "1 if a runner holds the queue.",
        [](const Sum& sum) { return sum.has_runner ? 1 : 0; });
  return text;
}

}  // namespace

Result<std::string> entries_text(const Home& home, std::string_view name, Form form) {
  const auto names = Queue::names(home);
  if (!names) return fail(names);
  const bool is_there = std::ranges::binary_search(*names, name, std::less<>());
  if (!is_there && create_if_own(name) == Create::yes) return form == Form::json ? joined({}) : "";
  const auto queue = Queue::open(home, name, Create::no);
  if (!queue) return fail(queue);
  auto all = rows(*queue);
  if (!all) return fail(all);
  const std::time_t now = std::time(nullptr);
  std::vector<std::string> texts;
  for (const EntryRow& row : *all) texts.push_back(row_text(row, form, now));
  return form == Form::json ? joined(texts) : fmt::to_string(fmt::join(texts, ""));
}

Result<std::optional<std::string>> entry_text(const Queue& queue, std::string_view name,
                                              Form form) {
  std::optional<std::string> text;
  auto done = queue.each([&](const EntryFacts& facts) {
    if (facts.name == name) text = row_text(row_of(queue, facts), form, std::time(nullptr));
  });
  if (!done) return fail(done);
  if (text && form == Form::json) text->push_back('\n');
  return text;
}

Result<std::optional<std::string>> entry_message(const Queue& queue, std::string_view name) {
  std::optional<EntryFacts> found;
  auto done = queue.each([&](const EntryFacts& facts) {
    if (facts.name == name) found = facts;
  });
  if (!done) return fail(done);
  if (!found) return std::nullopt;
  const Fd file = open_entry(queue, *found);
  if (!file.open()) return std::nullopt;
  Reader in(file.get());
  if (in.next() != Record::message) {
    return failure(Status::no, "{} is no stream with a message", name);
  }
  auto message = decoded_message(in.message());
  if (!message) return fail(message);
  return std::move(*message);
}

Result<std::string> queues_text(const Home& home, Form form) {
  auto all = sums(home);
  if (!all) return fail(all);
  std::vector<std::string> texts;
  for (const Sum& sum : *all) {
    if (form == Form::text) {
      texts.push_back(fmt::format("{}\t{} due\t{} later\t{} held\t{}\t{}\t{}\n", sum.queue,
                                  sum.entries[0], sum.entries[1], sum.entries[2],
                                  duration_text(sum.oldest), sum.octets,
                                  sum.has_runner ? "runner" : "no runner"));
    } else {
      texts.push_back(fmt::format(
          R"({{"queue":{},"due":{},"later":{},"held":{},"oldest":{},"octets":{},"runner":{}}})",
          json_string(sum.queue), sum.entries[0], sum.entries[1], sum.entries[2], sum.oldest,
          sum.octets, sum.has_runner));
    }
  }
  return form == Form::json ? joined(texts) : fmt::to_string(fmt::join(texts, ""));
}

Result<> write_metrics(const Home& home, const std::string& file) {
  auto all = sums(home);
  if (!all) return fail(all);
  return replace_metrics_file(file, metrics_text(*all));
}

}  // namespace ml
