#include "stage/give_up.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/attributes.hpp"
#include "base/diag.hpp"
#include "queue/last_replies.hpp"
#include "queue/settled.hpp"
#include "stage/entry_journal.hpp"
#include "stage/entry_mark.hpp"
#include "stage/runner.hpp"
#include "stage/wire_envelope.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

constexpr std::string_view queue_name = "bounces";
constexpr std::size_t longest_name = 64;

// Of each section, in order: is it a list's, with a recipient in it? None of a stream that is not
// whole.
std::vector<bool> sections_for_bounces(const Fd& entry) {
  Reader in(entry.get());
  Verdict verdict;
  std::vector<bool> sections;
  bool has_list = false;
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    if (record == Record::message) {
      has_list = in.message().attributes.raw("list").has_value();
      sections.push_back(false);
    }
    if (record == Record::rcpt) sections.back() = has_list;
    if (record == Record::end) verdict.add(in.end());
  }
  if (verdict.failed()) sections.clear();
  return sections;
}

// Why the recipients of a section are left, by what its journal has of the last attempt. Where that
// cannot be had now, by what the entry has, which is of the first one.
class LastReasons {
 public:
  // The section whose recipients are asked for.
  void begin(const Home& home, const MessageRecord& record) {
    journal_.reset();  // this one may be the same
    auto journal = journal_of(home, record);
    if (!journal || !*journal || !(*journal)->damage().empty()) return;
    auto replies = (*journal)->last_replies();
    if (!replies) return;
    journal_ = std::move(*journal);
    replies_ = std::move(*replies);
  }
  [[nodiscard]] std::optional<LastReplies::Said> of(std::string_view address) {
    if (!journal_) return std::nullopt;
    const auto known = journal_->find(address_in_journal(address));
    if (!known || !*known) return std::nullopt;
    auto said = replies_.of((*known)->slot);
    return said ? std::move(*said) : std::nullopt;
  }

 private:
  std::optional<SettledRecipients> journal_;
  LastReplies replies_;
};

void write_rcpt(Writer& out, const RcptRecord& rcpt, const std::optional<LastReplies::Said>& last,
                std::string_view why) {
  std::string attributes = with_attribute(rcpt.attributes, "status", "4.4.7");
  const auto set = [&](std::string_view key, std::optional<std::string_view> value) {
    attributes = with_attribute(Attributes(attributes), key, value);
  };
  if (last) {
    set("reply", last->reply);
    set("relay", last->relay == "-" ? std::nullopt : std::optional<std::string_view>(last->relay));
  } else if (!Attributes(attributes).raw("reply")) {
    set("reply", why);
  }
  out.rcpt(rcpt.address, rcpt.sender, '\t' + attributes);
}

// Those sections as records to `bounces`, the others as they are to `rest`.
Result<> divide(const Home& home, const Fd& entry, const std::vector<bool>& sections,
                std::string_view why, Writer& bounces, Writer& rest) {
  Reader in(entry.get());
  auto section = sections.begin();
  LastReasons reasons;
  bool inside = false;
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    if (record == Record::end && !inside) continue;
    Writer& out = *section ? bounces : rest;
    switch (record) {
      case Record::message:
        out.pass(*section ? without_mark(in.line()) : std::string(in.line()));
        if (*section) reasons.begin(home, in.message());
        inside = true;
        break;
      case Record::rcpt:
        if (*section) {
          write_rcpt(out, in.rcpt(), reasons.of(in.rcpt().address), why);
        } else {
          out.pass(in.line());
        }
        break;
      default:
        out.end(in.end());
        inside = false;
        ++section;
    }
  }
  if (auto flushed = bounces.flush(); !flushed) return flushed;
  return rest.flush();
}

// A name that an entry may be put under: in `failed` it has its queue behind it.
std::string name_of(const Taken& taken) {
  const std::string& name = taken.facts().name;
  return name.substr(0, std::min(name.find('@'), longest_name));
}

}  // namespace

Result<SectionsTold> tell_bounces(const Home& home, const Taken& taken, std::string_view why,
                                  const QueueEntry& rest) {
  if (auto again = rewind(taken.fd()); !again) return fail(again);
  const auto sections = sections_for_bounces(taken.fd());
  const auto theirs = std::ranges::count(sections, true);
  if (theirs == 0) return SectionsTold::nothing;
  if (auto again = rewind(taken.fd()); !again) return fail(again);
  auto entry = QueueEntry::create(home, queue_name, name_of(taken));
  if (!entry) return fail(entry);
  Writer bounces(entry->fd(), "an entry of the queue bounces");
  Writer others(rest.fd(), "what is left of an entry");
  if (auto done = divide(home, taken.fd(), sections, why, bounces, others); !done)
    return fail(done);
  if (auto kept = entry->keep(Same::beside); !kept) return fail(kept);
  // The records are safe whether or not somebody can be found who runs them now.
  if (auto woken = wake_runner(home, queue_name); !woken) log(woken.error().text);
  return std::cmp_equal(theirs, sections.size()) ? SectionsTold::all : SectionsTold::some;
}

}  // namespace ml
