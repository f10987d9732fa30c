// The journal of ml-send: who of a message's recipients has it, through kills, reboots and the
// retries of a mail server. One journal an id (and part), `journal/ab/ID/` below the home.
//
//   head         who this is: id, part, the message's digest, the key of the hashes; made whole
//   lock         locked for the whole run; holds the pid of the run
//   slots.0000   outcomes by recipient (slots.hpp); what counts
//   log.0000     replies, relays, times and queue ids in text (journal_log.hpp); for ml-log
//   entry        the mark of the queue entries that keep what is left
//   closed       totals: everybody who is in the slots has a final state; goes when a stream
//                brings somebody new
//
// States of a recipient (a letter in its slot), the only arrows between them, and when each is on
// disk. "Mapped" survives a kill at once and a power cut after the next sync.
//
//   | from    | event                                                     | to | durable         |
//   | ------- | --------------------------------------------------------- | -- | --------------- |
//   | -       | about to write octets that can complete it (the dot,      | F  | mapped before   |
//   |         | BDAT LAST, sendmail's exec)                               |    | those octets    |
//   | F       | 2yz to it (LMTP: its own reply)                           | D  | mapped, synced  |
//   | - F     | refused, of the recipient class                           | R  | with the next   |
//   | - F R   | 4yz, or of the relay or message class; the fuse undoes R  | T  | round: `sync`   |
//   | F       | connection lost or no reply at the dot                    | U  | or 10,000       |
//   | - T U   | the queue entry that keeps it is durable                  | L  | before exit     |
//   | F U T   | taken up again                                            | F  | as above        |
//   | L       | taken up by an entry that keeps it                        | f  | as F            |
//   | f       | lost, or no reply                                         | u  | as U            |
//   | f u     | put off by the relay: the entry keeps it                  | L  | as T            |
//   | L       | the entry that keeps it is about to go without it         | G  | before the      |
//   | f u     | the same                                                  | X  | entry goes      |
//   | G X     | taken up by any stream; by an entry: f                    | F  | as above        |
//   | R       | his record was handed over to whoever is to know of it    | Q  | before exit     |
//   | -       | the input ended with `end 0`, and everybody in the slots  | C  | before exit 0   |
//   |         | is one of D R Q L f u G X: those of other streams too     |    |                 |
//   | C       | a stream brings somebody who is none of D R Q L f u       | -  | before his F    |
//
// Lines of the log are written in blocks, each before the slots of its recipients are synced. A
// kill or a full disk may lose the last of them: a run that passes over such a recipient writes his
// line. So a journal that was closed has a line for everybody of the stream that closed it.
//
// Recovery, under the lock: D, R and Q are skipped; an R is handed over then. L is
// skipped, and so are f and u, unless the stream is an entry that keeps it (it bears the mark).
//
// An entry keeps its recipients as long as it is in some queue, `failed` too: there they are L, and
// whoever retries it sends to them. Where it goes with recipients in it, given up or removed by
// hand, they are G before it does, and anybody's: the same message again, marked or not, sends to
// them and to nobody who is D, R or Q (X is counted as unanswered). The lock is held until the
// entry has gone, so that no sender leaves them to it meanwhile.
//
//   | killed                       | the entry | the journal | what follows                    |
//   | ---------------------------- | --------- | ----------- | ------------------------------- |
//   | before all of them are G     | there     | L G         | it is given up or removed again |
//   | before the entry goes, or a  | there     | G           | it and any other stream send by |
//   | power cut brings it back     |           |             | his record: the first has him,  |
//   |                              |           |             | the next finds D                |
//   | after                        | gone      | G           | any stream                      |
//
// G is of a letter that readers before it take for none of theirs: as T, sent to by any stream.
//
// `closed` says that nobody waits, and keeps nobody from the message: each recipient goes by his
// own record, so that who was not among those of a trial is sent to by the whole. For the first of
// them C goes, durably, and comes back with the totals of all when this stream has ended: killed
// in between, the journal is that of an unfinished run. It does not come while somebody is with
// the caller of another stream (T U F): what is closed is pruned in time, and whoever is forgotten
// then would be sent to twice or never. Only where records are missing (it was pruned) C answers
// for all, and stays. F found
// without an outcome is unanswered: counted, named, sent again. No record: sent. A power cut can
// lose the round that is being synced and the one that gathers behind it, so that who was in flight
// or in these two may be sent to twice; nobody is ever lost by it. Where the disk takes longer for
// a round than its 10,000 outcomes take to come, it is waited for. After a failed write or sync
// nothing is synced again and the run ends with 75.
//
//   auto journal = Journal::open(*home, {.id = id, .message = digest}, now);
//   auto before = journal->before("ann@example.org");   // what is known: nothing, skip, send
//   auto slot = journal->reserve(*before);              // there is room for what will become of it
//   journal->fly(*slot, now);                                            // F
//   journal->settle(*slot, Outcome::delivered, {.address = ..., .relay = ..., .reply = ...}, now);
//   journal->close(now);                                // C
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/journal_log.hpp"
#include "queue/outcome.hpp"
#include "queue/slots.hpp"

namespace ml {

struct JournalTerms {
  std::string id;
  // SHA-256 of the message: another one under the same name is refused. Nothing: the id itself
  // says which message this is.
  std::optional<Octets32> message;
  std::string list{};        // for those who look for it later, as
  std::string message_id{};  // "<1@example.org>"
  std::string part;          // "2/4" of a message that several hosts share out, or empty
  std::string mark;          // of the queue entry this stream comes from, or empty
  // More of the same message, from whoever closed the journal: C goes.
  bool goes_on = false;
  // How long another run that holds the lock is waited for, or until a signal comes; nothing else
  // of the caller goes on.
  std::chrono::seconds wait{0};
  std::int64_t sync = 1;  // seconds from one round of syncs to the next; 0: as the disk can
};

struct Totals {
  std::uint64_t delivered = 0;
  std::uint64_t refused = 0;
  std::uint64_t left = 0;
  [[nodiscard]] std::uint64_t all() const { return delivered + refused + left; }
};

// A journal that was closed: the message was sent.
struct Closed {
  std::int64_t time = 0;  // seconds since 1970-01-01 UTC
  Totals totals;
};

class Journal {
 public:
  // Locks, recovers and is ready. 75: another run holds the lock (names its pid) beyond `wait`,
  // another message has this id, the whole or another number of parts was begun under it, or the
  // disk says no.
  [[nodiscard]] static Result<Journal> open(const Home& home, const JournalTerms& terms,
                                            std::int64_t now);
  // Puts a closed or unfinished journal of this id out of the way; the next open() is a new one.
  [[nodiscard]] static Result<> begin_anew(const Home& home, const JournalTerms& terms);

  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;
  ~Journal();  // syncs nothing: what is mapped is the kernel's already

  // Set if an earlier run closed it and this stream is no queue entry that keeps what is left,
  // until somebody new is reserved. The caller decides by the kind of id (0 or 75).
  [[nodiscard]] const std::optional<Closed>& closed() const;
  // Recipients of it were pruned: it cannot be known who is new.
  [[nodiscard]] bool is_stub() const;
  // The stream bears the mark of an entry of this journal, or this journal knows none (any more).
  [[nodiscard]] bool is_from_entry() const;

  // What an earlier run recorded of a recipient, and the slot it has.
  struct Before {
    AddressHash hash{};
    std::optional<SlotNumber> slot;
    std::optional<Outcome> outcome;  // in_flight is given as unanswered
    bool told = false;               // refused, and handed over
    bool kept = false;               // by a queue entry: L f u
    bool given_up = false;           // by one that went: G X
  };
  // `address`: canonical, so that a retry that spells it otherwise finds it.
  [[nodiscard]] Result<Before> before(std::string_view address);
  // True if a recipient with this past must not be sent to by this stream.
  [[nodiscard]] bool is_settled(const Before& before) const;

  // Whether somebody waits whom before() was not asked for in this run: he may still have to be
  // sent to, or his refusal is to be told. For when all is recorded: the first call reads all
  // slots.
  [[nodiscard]] Result<bool> waits_unmet(std::string_view address);

  // A settled recipient whose line in the log was lost with the run that settled it has one again,
  // without what only that run knew. `address` as in LogLine. The first call reads the log.
  [[nodiscard]] Result<> complete_log(const Before& before, std::string_view address);

  // A slot for the recipient, before anything of it is written to a relay: what follows cannot
  // fail for want of room. It stays ready until settle(). For whom no entry keeps C goes, and is
  // gone when this returns.
  [[nodiscard]] Result<SlotNumber> reserve(const Before& before);
  // In flight, before the octets that can complete it are written.
  void fly(SlotNumber slot, std::int64_t now);
  // The outcome of a reserved slot, in flight or not.
  [[nodiscard]] Result<> settle(SlotNumber slot, Outcome outcome, const LogLine& line,
                                std::int64_t now);
  // Another outcome for a slot settled in this run: R is taken back, T is left to an entry.
  [[nodiscard]] Result<> amend(SlotNumber slot, Outcome outcome, const LogLine& line,
                               std::int64_t now);
  // Of a recipient whom an entry keeps, for this stream is that entry and goes without him: G or X.
  // It is durable with the next sync(). Who is that already has his line once more.
  [[nodiscard]] Result<> give_up(const Before& before, const LogLine& line, std::int64_t now);

  // Everything recorded so far is on disk when this returns.
  [[nodiscard]] Result<> sync(std::int64_t now);
  // The same in another thread, if it is time: `sync` seconds or 10,000 outcomes since the last.
  // What fails there fails the next call here.
  [[nodiscard]] Result<> sync_if_due(std::int64_t now);
  // Something was recorded that no round of syncs has begun with.
  [[nodiscard]] bool owes_sync() const;

  // This refusal was handed over, and durably; that it was is durable with the next sync().
  [[nodiscard]] Result<> told(SlotNumber slot);
  // What the queue entries that keep the left of this message bear, so that their streams are
  // known; always the same, and durable when this returns.
  [[nodiscard]] Result<std::string> mark();
  // Every recipient of this stream has its final state: syncs all and writes C, unless somebody of
  // another one has not. What it counted.
  [[nodiscard]] Result<Totals> close(std::int64_t now);
  // For who sends nothing: syncs all, and C, where it is, is of now: it is idle from here on.
  [[nodiscard]] Result<Totals> renew(std::int64_t now);

 private:
  struct Inside;
  explicit Journal(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

// "journal/ab/ID" or "journal/ab/ID.K-N", below the home.
[[nodiscard]] std::string journal_path(std::string_view id, std::string_view part);

}  // namespace ml
