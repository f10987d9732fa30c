#include "stage/entry_rest.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "queue/settled.hpp"
#include "stage/entry_journal.hpp"
#include "stage/entry_mark.hpp"
#include "stage/wire_envelope.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

// Of an entry, in its order.
struct Account {
  struct Section {
    std::uint64_t recipients = 0;
    std::uint64_t settled = 0;
  };
  std::vector<Section> sections{};
  std::vector<bool> settled{};  // by recipient
  std::string damage{};         // of a journal: nothing else counts
};

// Its command may have died and left a process behind that still reads the descriptor we gave it:
// where that stands is not ours to move.
Result<Fd> read_anew(const Queue& queue, const Taken& taken) {
  const std::string path = queue.path(taken.facts().place);
  auto entry = open_file(path, O_RDONLY | O_NOFOLLOW);
  if (entry && !is_same_file(taken.fd(), path)) return retry("{} is another entry now", path);
  return entry;
}

bool has_mark(const MessageRecord& record) {
  return record.attributes.raw(entry_mark).has_value();
}

bool is_settled(std::optional<SettledRecipients::How> how, bool counts_refused) {
  return how && (counts_refused || *how == SettledRecipients::How::delivered);
}

// Without sections where it is no whole stream.
Result<Account> account_of(const Home& home, const Fd& entry, RestOf which) {
  Reader in(entry.get());
  Verdict verdict;
  Account account;
  std::optional<SettledRecipients> journal;
  bool counts_refused = false;
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    if (record == Record::end) verdict.add(in.end());
    if (record == Record::message) {
      account.sections.emplace_back();
      journal.reset();  // the next one may be the same
      counts_refused = has_mark(in.message());
      if (which == RestOf::marked && !counts_refused) continue;
      auto opened = journal_of(home, in.message());
      if (!opened) return fail(opened);
      journal = std::move(*opened);
      if (journal && !journal->damage().empty()) return Account{.damage = journal->damage()};
    }
    if (record != Record::rcpt) continue;
    bool settled = false;
    if (journal) {
      const auto known = journal->find(address_in_journal(in.rcpt().address));
      if (!known) return fail(known);
      settled = *known && is_settled((*known)->how, counts_refused);
    }
    ++account.sections.back().recipients;
    if (settled) ++account.sections.back().settled;
    account.settled.push_back(settled);
  }
  return verdict.failed() ? Account{} : std::move(account);
}

// With nobody left: it goes, or stays as it is.
bool is_gone(const Account::Section& section, RestOf which) {
  return which == RestOf::all && section.recipients > 0 && section.settled == section.recipients;
}

bool stays_whole(const Account::Section& section, RestOf which) {
  return section.settled == 0 || (which == RestOf::marked && section.settled == section.recipients);
}

Result<> write_rest(const Fd& entry, const Account& account, RestOf which, Writer& out) {
  Reader in(entry.get());
  auto section = account.sections.begin();
  auto settled = account.settled.begin();
  bool inside = false;
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    if (record == Record::end && !inside) continue;
    const bool is_settled = record == Record::rcpt && *settled++ && !stays_whole(*section, which);
    if (!is_gone(*section, which) && !is_settled) out.pass(in.line());
    inside = record != Record::end;
    if (!inside) ++section;
  }
  return out.flush();
}

}  // namespace

Result<EntryRest> rest_of_entry(const Home& home, const Queue& queue, const Taken& taken,
                                RestOf which) {
  auto entry = read_anew(queue, taken);
  if (!entry) return fail(entry);
  const auto account = account_of(home, *entry, which);
  if (!account) return fail(account);
  if (!account->damage.empty()) return EntryRest{EntryRest::Kind::unknown, account->damage};
  const auto& sections = account->sections;
  if (std::ranges::all_of(sections, [&](const auto& one) { return stays_whole(one, which); })) {
    return EntryRest{};
  }
  if (std::ranges::all_of(sections, [&](const auto& one) { return is_gone(one, which); })) {
    return EntryRest{EntryRest::Kind::nobody};
  }
  auto draft = QueueEntry::create(queue, "rest");
  if (!draft) return fail(draft);
  entry = read_anew(queue, taken);
  if (!entry) return fail(entry);
  Writer out(draft->fd(), queue.path(draft->draft()));
  if (auto written = write_rest(*entry, *account, which, out); !written) return fail(written);
  return EntryRest{EntryRest::Kind::some, {}, std::move(*draft)};
}

}  // namespace ml
