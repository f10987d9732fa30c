// What is left of an entry of a queue, by the journals of its messages: the account of an entry is
// theirs, whatever pipeline it goes through and however that ended, and the entry follows it.
//
// A runner has the entry while this is asked for, so that no sender of it runs. Recipients that the
// journal does not know, or has as left, deferred or unanswered, stay; so does everybody where
// there is no journal (it was pruned, or nothing of ours has sent the message). A recipient whom
// the journal has as refused, but whose refusal was not handed over, stays too: nobody else is
// told.
//
//   | the entry                        | killed before it is replaced | replaced                |
//   | -------------------------------- | ---------------------------- | ----------------------- |
//   | holds a recipient who is settled | whole: the next attempt      | without him; whatever   |
//   |                                  | passes over him              | the journal says of him |
//   | holds one who is left            | whole                        | with him, as before     |
//   | has a journal that is damaged    | whole                        | never                   |
//
// So an entry never lacks anybody whom the journal has as its own (L f u), but for a power cut that
// takes the last unsynced round of a sender that was killed: he has the message, and is L for ever.
//
//   auto rest = rest_of_entry(home, queue, taken, RestOf::marked);
//   if (rest && rest->kind == EntryRest::Kind::some) queue.replace(taken, rest->draft->draft(), ...
#pragma once

#include <optional>
#include <string>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/entry.hpp"
#include "queue/queue.hpp"

namespace ml {

// Of which sections recipients are taken out.
enum class RestOf {
  // Those that bear the mark of a journal: delivered or refused, both are done with. A section of
  // which nobody is left stays as it is: its command may know of recipients that are not in it.
  marked,
  // All, for nobody is to be told that he could not be delivered to who was: those delivered, and
  // of marked sections those refused (any other may be a record of just that). A section of which
  // nobody is left goes.
  all,
};

struct EntryRest {
  enum class Kind {
    all,     // the entry is what is left; or it is no whole ml-stream
    some,    // what the draft holds, neither synced nor kept
    nobody,  // RestOf::all: every section had recipients, and they are settled
    // A journal is damaged: whoever is in the entry may have the message. It stays as it is, and is
    // for a person in the end.
    unknown,
  };
  Kind kind = Kind::all;
  std::string damage{};  // Kind::unknown: for that person
  std::optional<QueueEntry> draft{};
};

// 75: it cannot be known now, for one of its messages is being sent by somebody else, or the disk
// says no. `queue` must outlive the draft.
[[nodiscard]] Result<EntryRest> rest_of_entry(const Home& home, const Queue& queue,
                                              const Taken& taken, RestOf which);

}  // namespace ml
