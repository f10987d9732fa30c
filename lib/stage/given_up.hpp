// Recipients whom an entry keeps, when it is about to go without them: given up, or removed by
// hand. Their journals have that on disk before it goes (G of queue/journal.hpp), so that the same
// message again is sent to them.
//
//   const auto given_up = GivenUp::record(home, taken.fd(), Sections::of_lists, why);
//   if (!given_up) ...                              // the entry stays
//   queue.remove(taken);                            // as long as given_up lives
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/journal.hpp"
#include "queue/last_replies.hpp"
#include "stream/record.hpp"

namespace ml {

// Those of an entry that go.
enum class Sections { all, of_lists };

// Holds the journal of the last section, which in an entry that a sender has made is the only one:
// else the same recipients may be left to the same entry before it is gone.
class GivenUp {
 public:
  // `why`: for the log, of whom no reply is known. Recipients of a section without a mark, or
  // without a journal, are kept by nobody. 75: one of its messages is being sent, or the disk says
  // no; nobody is forgotten by what was recorded so far.
  [[nodiscard]] static Result<GivenUp> record(const Home& home, const Fd& entry, Sections which,
                                              std::string_view why);

  // Of all of them, and how many their messages went or were to go to.
  [[nodiscard]] std::uint64_t recipients() const { return recipients_; }
  [[nodiscard]] std::uint64_t out_of() const { return out_of_; }

 private:
  [[nodiscard]] Result<> begin(const Home& home, const MessageRecord& record, std::int64_t now);
  [[nodiscard]] Result<> add(std::string_view address, std::string_view why, std::int64_t now);
  [[nodiscard]] Result<> end(std::int64_t now);

  std::optional<Journal> journal_;
  LastReplies replies_;
  std::uint64_t recipients_ = 0;
  std::uint64_t out_of_ = 0;
};

}  // namespace ml
