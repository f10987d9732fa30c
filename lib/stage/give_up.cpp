#include "stage/give_up.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "base/attributes.hpp"
#include "base/diag.hpp"
#include "stage/entry_mark.hpp"
#include "stage/runner.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

constexpr std::string_view queue_name = "bounces";
constexpr std::size_t longest_name = 64;

Result<> rewind(const Fd& entry) {
  if (lseek(entry.get(), 0, SEEK_SET) == 0) return {};
  return system_failure("cannot read an entry again", errno);
}

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

void write_rcpt(Writer& out, const RcptRecord& rcpt, std::string_view why) {
  std::string attributes = with_attribute(rcpt.attributes, "status", "4.4.7");
  if (!Attributes(attributes).raw("reply")) {
    attributes = with_attribute(Attributes(attributes), "reply", why);
  }
  out.rcpt(rcpt.address, rcpt.sender, '\t' + attributes);
}

// Those sections as records to `bounces`, the others as they are to `rest`.
Result<> divide(const Fd& entry, const std::vector<bool>& sections, std::string_view why,
                Writer& bounces, Writer& rest) {
  Reader in(entry.get());
  auto section = sections.begin();
  bool inside = false;
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    if (record == Record::end && !inside) continue;
    Writer& out = *section ? bounces : rest;
    switch (record) {
      case Record::message:
        out.pass(*section ? without_mark(in.line()) : std::string(in.line()));
        inside = true;
        break;
      case Record::rcpt:
        if (*section) {
          write_rcpt(out, in.rcpt(), why);
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
  if (auto done = divide(taken.fd(), sections, why, bounces, others); !done) return fail(done);
  if (auto kept = entry->keep(Same::beside); !kept) return fail(kept);
  // The records are safe whether or not somebody can be found who runs them now.
  if (auto woken = wake_runner(home, queue_name); !woken) log(woken.error().text);
  return std::cmp_equal(theirs, sections.size()) ? SectionsTold::all : SectionsTold::some;
}

}  // namespace ml
