// Where mail enters, whatever way it came: ml-run, ml-lmtpd, a Maildir and batched SMTP hand each
// message here once for each recipient.
//
//   auto intake = Intake::open(*home);
//   if (!*intake->knows("news-owner@x.org")) ...        // the question at RCPT: 5.1.1
//   auto taken = intake->take({.recipient = "news@x.org", .sender = {.option = "ann@example.org"},
//                              .octets = std::move(text)});
//   if (!taken) ...                                     // the answer: 65, 77 (with a code) or 75
//   if (auto safe = intake->commit(); !safe) ...        // 75 for all taken since the last commit()
//   else ...                                            // 250: on disk, and somebody runs them
//
// What becomes of a message, by the role of its recipient and the list's pipeline
// (list/pipeline.hpp):
//
// | it                                  | is stored as                                | in queue |
// | ----------------------------------- | ------------------------------------------- | -------- |
// | passes ml-receive, alone or behind  | the section that ml-receive wrote, with     | post, or |
// | filters before it                   | ml.received=ROLE where that is not post     | the role |
// | is held                             | the same                                    | held     |
// | is dropped (a loop, a policy)       | nothing; a line to the log                  | -        |
// | is for a role whose pipeline has no | a section without rcpts: its sender, and    | the role |
// | ml-receive, such as bounces         | list= author= ml.role= ml.recipient=        |          |
// | is for a role without a pipeline    | a section with the list's owners as rcpts   | outbound |
// |                                     | and ml.received=ROLE                        |          |
//
// An entry's name is the message's id, which a server's second attempt has again: it is one entry.
// Not for two threads. Settings are read again when they are a second old.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "list/pipeline.hpp"
#include "mail/envelope.hpp"
#include "queue/entry.hpp"
#include "queue/intake_log.hpp"
#include "queue/syncer.hpp"
#include "stage/receive.hpp"
#include "stage/route.hpp"
#include "store/store.hpp"

namespace ml {

// A message for one recipient, as a mail server hands it over.
struct Arrival {
  std::string recipient;
  SenderSources sender;  // of an envelope that is exact: .option
  std::string octets;    // whatever its line ends
};

class Intake {
 public:
  // `home` must outlive it. `log`: where drops and holds are told, whatever the lists' settings
  // say.
  [[nodiscard]] static Result<Intake> open(const Home& home, std::optional<std::string> log = {});

  // From now on commit() goes by the intake log (queue/intake_log.hpp): for whoever stays and takes
  // in many messages at once.
  void use_log() { intake_log_.emplace(*home_); }

  // Where the recipient leads; nothing where it is no address of a list here. All that looks like a
  // bounce address of a list here is one: nobody learns which of them are signed.
  [[nodiscard]] Result<std::optional<Route>> route(std::string_view recipient) const;
  [[nodiscard]] Result<bool> knows(std::string_view recipient) const;

  // Judges, and writes what is to be stored as a draft. An unknown recipient is 65, 5.1.1. Filters
  // before ml-receive are run here and waited for, four minutes at most.
  [[nodiscard]] Result<> take(Arrival arrival);
  [[nodiscard]] Result<> take(Route route, Arrival arrival);

  // Makes all drafts entries, durably, for about the price of one, and sees to it that their queues
  // are run. After a failure none of them can be relied on, nor has the caller to undo anything:
  // the same messages again are the same entries.
  [[nodiscard]] Result<> commit();

 private:
  struct ListTerms {
    ReceiveRules rules;
    Settings settings;
    std::chrono::steady_clock::time_point read;
  };

  struct Site {
    Settings settings;
    std::chrono::steady_clock::time_point read;
  };

  Intake(const Home& home, std::optional<std::string> log, Store store, Site site, char delimiter)
      : home_(&home),
        log_(std::move(log)),
        store_(std::move(store)),
        site_(std::move(site)),
        delimiter_(delimiter) {}

  [[nodiscard]] Result<const ListTerms*> terms_of(const ListName& list);
  [[nodiscard]] Result<> take_post(const ListTerms& terms, Arrival arrival);
  [[nodiscard]] Result<> take_filtered(const ListTerms& terms, const Route& route,
                                       const Stages& inside, const Arrival& arrival);
  [[nodiscard]] Result<> take_raw(const Route& route, Arrival arrival);
  [[nodiscard]] Result<> take_for_owner(const ListTerms& terms, const Route& route,
                                        Arrival arrival);
  // A draft in a queue that somebody runs, written by `write`; forgotten if that fails.
  [[nodiscard]] Result<> draft(std::string_view queue, std::string_view name,
                               const std::function<Result<>(Writer&)>& write);
  [[nodiscard]] Result<Queue*> open_queue(std::string_view queue);
  [[nodiscard]] Result<> keep_drafts();

  const Home* home_;
  std::optional<std::string> log_;
  Store store_;
  Site site_;
  char delimiter_;
  std::map<std::string, ListTerms, std::less<>> terms_;
  std::map<std::string, std::unique_ptr<Queue>, std::less<>> queues_;
  std::vector<QueueEntry> drafts_;
  Syncer syncer_;
  std::optional<IntakeLog> intake_log_;
  std::set<const Queue*> touched_;  // with drafts that are to be run
};

}  // namespace ml
