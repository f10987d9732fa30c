// What ml-bounce does about a subscriber whose mail comes back: the steps of list/bounce_rules,
// taken in the store and told in a stream for ml-send.
//
// A state changes only after the notice of it is written, and a probe is remembered only after it
// is: killed between the two, the same is written once more, and within the hour ml-send knows it
// by its id and mails nobody twice. Where whoever was to send a probe failed, the bounce that asked
// for it is tried again and brings the very same.
//
//   BounceSteps steps(home, out);
//   steps.follow(*list_name, address);        // after a mark, or after a probe came back
//   steps.sweep(*list_name);                  // what time brings
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "list/bounce_rules.hpp"
#include "list/name.hpp"
#include "stage/bounce_home.hpp"
#include "stream/writer.hpp"

namespace ml {

class BounceSteps {
 public:
  BounceSteps(BounceHome& home, Writer& out) : home_(home), out_(out) {}

  // Sends the probe that the subscriber's bounces ask for; if a probe came back, tells the owners
  // and steps down, unless they were told within the hour: then the next sweep does.
  [[nodiscard]] Result<> follow(const ListName& list, const Address& address);

  // The same for a bounce that was counted before: what came of it may have been lost on its way. A
  // probe that has not come back is written again, to the octet, so that ml-send, which knows its
  // id, sends it if it was never sent. Not one whose text has been changed since.
  [[nodiscard]] Result<> follow_again(const ListName& list, const Address& address);

  // Somebody whom nobody signed for says that mail to a subscriber fails: a probe finds out, unless
  // one is on its way. Nobody there: nothing.
  [[nodiscard]] Result<> probe_for_evidence(const ListName& list, const Address& address);

  // Probes, recoveries, removals, for every subscriber of the list.
  [[nodiscard]] Result<> sweep(const ListName& list);

  // Says for a person how a subscriber stands and why, a line a fact.
  [[nodiscard]] Result<std::string> explain(const ListName& list, const Address& address);

  [[nodiscard]] Result<const BounceRules*> rules(const ListName& list);

  // Sections that were written.
  [[nodiscard]] std::size_t sections() const { return sections_; }

 private:
  struct Standing {
    ListNumber number{};
    Subscriber subscriber;
    std::vector<BounceMark> marks;
    std::optional<Probe> probe;
    BounceVerdict verdict;
  };
  // Nothing where nobody is there, or only a tombstone.
  [[nodiscard]] Result<std::optional<Standing>> standing(const ListName& list,
                                                         const Address& address);
  [[nodiscard]] Result<> take(const ListName& list, const Standing& standing);
  [[nodiscard]] Result<> send_probe(const ListName& list, const Standing& standing, ProbeStep step);
  [[nodiscard]] Result<> repeat_probe(const ListName& list, const Standing& standing);
  [[nodiscard]] Result<std::string> probe_text(const ListName& list);
  [[nodiscard]] Result<> write_probe(const ListName& list, const Address& address,
                                     const std::string& letter, std::uint16_t day);
  [[nodiscard]] Result<> recover(const ListName& list, const Standing& standing);
  [[nodiscard]] Result<> settle(const ListName& list);
  [[nodiscard]] Result<> tell_owners(const ListName& list, const std::vector<Standing>& fallen);
  [[nodiscard]] Result<> step_down(const ListName& list, const Standing& standing);
  [[nodiscard]] Result<std::string> probe_sender(const ListName& list, const Address& address,
                                                 std::string_view id, std::uint16_t day);

  BounceHome& home_;
  Writer& out_;
  std::map<std::string, BounceRules> rules_;
  std::size_t sections_ = 0;
};

}  // namespace ml
