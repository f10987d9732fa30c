// What became of each recipient, where it outlives the run: a journal for each message, and
// streams of the refused and of the left.
//
//   Ledger ledger({.home = home});
//   auto section = ledger.begin(record, line, now);    // its journal is ours now
//   auto claim = ledger.claim(wire.address, rcpt.address);      // or an earlier run has done it
//   ledger.fly(claim->slot, now);
//   ledger.delivered(party, relay, reply, now);
//   ledger.end(Ended::well);
//   auto all = ledger.conclude(is_blown, now);                  // where the remains are
//
// Whose the left are, by their message:
//
//   --undelivered queue, FILE or -      there
//   it comes from an entry of a queue   still that entry's: its runner takes out of it who is not
//   it has a list                       the queue outbound, if somebody runs it or, for the relays
//                                       of the site, a runner can be started; else the caller's,
//                                       whose next attempt goes on where the journal ends
//   ad hoc                              the file left/ID in the home
//
// The refused of a message with a list go to the queue bounces, those of any other to a file: there
// is no list in which somebody could be marked for it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/journal.hpp"
#include "smtp/reply.hpp"
#include "stage/left_file.hpp"
#include "stage/refused_file.hpp"
#include "stage/remains.hpp"
#include "stream/record.hpp"

namespace ml {

enum class Journaling { on, off };  // trials keep no journal
enum class Again { no, yes };       // sends what was sent already
enum class Ended { well, badly };
enum class Via { site, given };  // whose relays: a runner that we start knows the site's

// Conclusion::refused_to where all of them are there.
inline constexpr std::string_view queue_of_refused = "the queue bounces";

class Ledger {
 public:
  struct Terms {
    std::optional<std::string> home;
    std::optional<std::string> refused;      // "queue", a file, "-"; nothing: by the message
    std::optional<std::string> undelivered;  // the same
    Journaling journaling = Journaling::on;
    Again again = Again::no;
    Via via = Via::site;
    std::int64_t sync = 1;  // seconds between syncs of a journal, see JournalTerms
  };

  // A recipient as the stream has it.
  struct Party {
    std::string_view address;
    std::string_view sender;
    std::string_view attributes;
    std::optional<SlotNumber> slot;  // of its claim
  };

  // What is to be done with a recipient.
  struct Claim {
    enum class Kind {
      send,
      done,             // an earlier run has settled it
      refused_earlier,  // and nobody was told
    };
    Kind kind = Kind::send;
    bool unanswered = false;  // it was on its way when an earlier run ended
    std::optional<SlotNumber> slot;
  };

  explicit Ledger(Terms terms);

  // To be called first. 75: a file of --undelivered or --refused cannot be written, or it is one
  // for both.
  [[nodiscard]] Result<> open();

  // The message whose recipients follow; `line` as in the stream, to live as long as the section.
  // Closed: it was sent to all of them already, by an earlier attempt of a mail server, and who
  // they were is no longer known. 75: nobody of it may be sent to by this run, and nobody of it is
  // to be kept.
  [[nodiscard]] Result<std::optional<Closed>> begin(const MessageRecord& record,
                                                    const Remains::MessageLine& line,
                                                    std::int64_t now);
  // `address` in the form for the wire, and as the stream has it.
  [[nodiscard]] Result<Claim> claim(std::string_view address, std::string_view as_given);
  void fly(std::optional<SlotNumber> slot, std::int64_t now);
  [[nodiscard]] Result<> delivered(const Party& party, std::string_view relay, const Reply& reply,
                                   std::int64_t now);
  // `attributes` are the party's, with what is to be known of the refusal.
  [[nodiscard]] Result<> refused(const Party& party, std::size_t relay_number,
                                 std::string_view relay, const Reply& reply, std::int64_t now);
  // What an earlier run recorded as refused and did not hand over.
  [[nodiscard]] Result<> refused_earlier(const Party& party);
  enum class Doubt { none, unanswered };
  [[nodiscard]] Result<> left(const Party& party, std::string_view relay, const Reply& reply,
                              Doubt doubt, std::int64_t now);
  [[nodiscard]] Result<> sync_if_due(std::int64_t now);
  // sync_if_due() should be called again, even if nothing happens.
  [[nodiscard]] bool owes_sync() const { return owes_sync_; }
  // The section has come to its end. Closed: everybody of it was settled by earlier runs, and it
  // comes from a mail server; 75: the same, and it does not.
  [[nodiscard]] Result<std::optional<Closed>> end(Ended how);

  // Says of a relay's number that its refusals of this run do not count.
  using Blown = std::function<bool(std::size_t)>;

  struct Conclusion {
    std::uint64_t refused = 0;
    std::string refused_to;  // a file or a queue; empty: standard output
    std::uint64_t left = 0;  // those in a queue that is run are not
    std::string left_to;     // a file; empty: standard output, or still the caller's
    std::uint64_t queued = 0;
  };
  // Hands the remains over, closes what is done. What failed says who is lost to the caller;
  // the journals of others are as they should be all the same.
  [[nodiscard]] Result<Conclusion> conclude(const Blown& blown, std::int64_t now);

  // To be called when the last sections were concluded, and well: the file of --undelivered is what
  // is left. Gives how many sections of other messages stay in it.
  [[nodiscard]] Result<std::uint64_t> finish(Whole whole);

  // True when conclude() must come before a section of this id: one of that id waits for its end,
  // or too many do.
  [[nodiscard]] bool must_conclude_before(std::string_view id) const;

 private:
  struct Section {
    std::string id;
    std::string part;
    bool has_list = false;
    bool from_entry = false;
    bool ended_well = false;
    std::uint64_t refused = 0;
    std::uint64_t left = 0;
    std::optional<Journal> journal;
  };
  enum class Place { given, entry, queue, caller, file };
  enum class Into { queue, file };

  [[nodiscard]] Result<std::optional<Closed>> open_journal(const MessageRecord& record,
                                                           std::string_view message,
                                                           std::int64_t now);
  [[nodiscard]] Result<std::optional<Closed>> was_sent(const Closed& closed);
  [[nodiscard]] Result<const Home*> home();
  enum class May { start, not_start };
  [[nodiscard]] bool is_run(std::string_view queue, May start);
  [[nodiscard]] bool outbound_is_run();
  [[nodiscard]] Place place_of_left(const Section& section);
  [[nodiscard]] Place place_of_refused(const Section& section);

  using Wanted = std::function<bool(const Remains::Kept&)>;
  struct Share;
  [[nodiscard]] Result<> check_apart() const;
  [[nodiscard]] Result<> take_back(const Blown& blown, std::int64_t now);
  [[nodiscard]] Result<> hand_over_refused(const Blown& blown, Conclusion& to, std::int64_t now);
  [[nodiscard]] Result<> write_refused(const Share& refused, Conclusion& to);
  [[nodiscard]] Result<> hand_over_left(const Blown& blown, Conclusion& to, std::int64_t now);
  [[nodiscard]] Result<> queue_left(const Wanted& wanted, std::int64_t now);
  [[nodiscard]] Result<> answer_left_file();
  // Marked: those to be sent to, with what tells ml-send whose entry the stream is. The refused
  // are not to be sent to.
  enum class Entries { plain, marked };
  [[nodiscard]] Result<std::string> write_file(const std::optional<std::string>& given,
                                               std::string_view kind, Entries entries,
                                               const Wanted& wanted);
  [[nodiscard]] Result<> write_sections(Writer& out, Entries entries, const Wanted& wanted);
  [[nodiscard]] Result<> enqueue(std::string_view queue, Entries entries, const Wanted& wanted);
  enum class MayClose { yes, no };
  [[nodiscard]] Result<> end_journals(MayClose may_close, std::int64_t now);
  [[nodiscard]] Result<> wake_runners();

  [[nodiscard]] Result<> settle(const Party& party, Outcome outcome, std::string_view relay,
                                const Reply& reply, std::int64_t now);

  Terms terms_;
  std::string lowered_;  // room for claim()
  std::optional<Home> home_;
  Remains remains_;
  std::vector<Section> sections_;  // since the last conclude()
  bool owes_sync_ = false;
  std::int64_t looked_at_ = 0;  // when all of them were asked whether they owe one
  // Paths of journals that this run closed: another section may go on; and began anew, by --again.
  std::set<std::string, std::less<>> closed_, begun_;
  std::set<std::string, std::less<>> to_wake_;             // queues
  std::map<std::string, std::string, std::less<>> files_;  // of this run, by their kind
  std::optional<LeftFile> left_file_;                      // of --undelivered
  std::optional<RefusedFile> refused_file_;                // of --refused
};

}  // namespace ml
