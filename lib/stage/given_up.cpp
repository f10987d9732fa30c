#include "stage/given_up.hpp"

#include <ctime>
#include <utility>

#include "queue/entry.hpp"
#include "stage/entry_journal.hpp"
#include "stage/entry_mark.hpp"
#include "stage/wire_envelope.hpp"
#include "stream/reader.hpp"

namespace ml {

Result<GivenUp> GivenUp::record(const Home& home, const Fd& entry, Sections which,
                                std::string_view why) {
  if (auto again = rewind(entry); !again) return fail(again);
  const std::int64_t now = std::time(nullptr);
  GivenUp all;
  Reader in(entry.get());
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    Result<> done;
    if (record == Record::message) {
      done = all.end(now);
      all.journal_.reset();  // the next one may be the same
      const auto& attributes = in.message().attributes;
      const bool goes = which == Sections::all || attributes.raw("list");
      if (done && goes && attributes.raw(entry_mark)) done = all.begin(home, in.message(), now);
    } else if (record == Record::rcpt && all.journal_) {
      done = all.add(in.rcpt().address, why, now);
    }
    if (!done) return fail(done);
  }
  if (auto ended = all.end(now); !ended) return fail(ended);
  return all;
}

Result<> GivenUp::begin(const Home& home, const MessageRecord& record, std::int64_t now) {
  {
    const auto known = journal_of(home, record);
    if (!known) return fail(known);
    if (!*known || !(*known)->damage().empty()) return {};
    auto replies = (*known)->last_replies();
    if (!replies) return fail(replies);
    replies_ = std::move(*replies);
  }
  auto terms = journal_terms_of(record);
  if (!terms) return {};
  terms->mark = record.attributes.value(entry_mark).value_or("");
  auto journal = Journal::open(home, *terms, now);
  if (!journal) return fail(journal);
  // Those whom a journal of another mark has as left are another entry's.
  if (journal->is_from_entry()) journal_.emplace(std::move(*journal));
  return {};
}

Result<> GivenUp::add(std::string_view address, std::string_view why, std::int64_t now) {
  const auto before = journal_->before(address_in_journal(address));
  if (!before) return fail(before);
  if (!before->kept && !before->given_up) return {};
  const auto said = replies_.of(*before->slot);
  if (!said) return fail(said);
  const LogLine line =
      *said ? LogLine{address, (*said)->relay, (*said)->reply} : LogLine{address, "-", why};
  ++recipients_;
  return journal_->give_up(*before, line, now);
}

Result<> GivenUp::end(std::int64_t now) {
  if (!journal_) return {};
  const auto totals = journal_->renew(now);
  if (!totals) return fail(totals);
  out_of_ += totals->all();
  return {};
}

}  // namespace ml
