// Which of those due a message are to get it: by state, tag, attribute, as a sample, as one shard
// of several hosts.
//
// A shard is told by a hash of the mailbox that is the same on every host and in every run: the
// shards 1/N to N/N of the same people have everybody once, whatever has changed between them. A
// sample is told by a hash of mailbox and message id: the same people when the message comes
// again, others for the next message.
//
//   auto choice = texts_to_choice({.tags = {"board"}, .where = {"country!=DE"}, .sample = "5%"});
//   choice->begin_message(id);
//   if (choice->takes(due.key, due.attributes)) ...
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/result.hpp"
#include "store/subscriber.hpp"

namespace ml {

struct ChoiceTexts {
  std::vector<std::string> states = {};  // active, bouncing, digest; none: all three
  std::vector<std::string> tags = {};    // one of them must be among the subscriber's tags
  std::vector<std::string> where = {};   // KEY=VALUE, KEY!=VALUE: each must hold; no value: no key
  std::optional<std::string> sample = {};  // "5%", up to four decimals
  std::optional<std::string> shard = {};   // "2/4"
};

class Choice {
 public:
  // Everybody, in every state that is due.
  [[nodiscard]] bool is_everybody() const { return everybody_; }

  void begin_message(std::string_view id);
  // `key`: address_key(). `attributes` as on a rcpt line, without a TAB in front.
  [[nodiscard]] bool takes(std::string_view key, std::string_view attributes) const;
  [[nodiscard]] bool takes_state(State state) const;
  [[nodiscard]] bool in_shard(std::string_view key) const;
  // "2/4"; empty where there are no shards.
  [[nodiscard]] const std::string& part() const { return part_; }

 private:
  friend Result<Choice> texts_to_choice(const ChoiceTexts& texts);
  struct Condition {
    std::string key;
    std::string value;  // escaped as in attributes; empty: the key is not there
    bool is = true;     // false: is not
  };
  [[nodiscard]] bool has_tag(std::string_view attributes) const;

  bool everybody_ = true;
  std::vector<State> states_;
  std::vector<std::string> tags_;
  std::vector<Condition> where_;
  std::optional<std::uint64_t> sampled_below_;  // of the hash; UINT64_MAX: all
  SipKey sample_key_{};
  std::uint64_t shard_ = 0;
  std::uint64_t shards_ = 1;
  std::string part_;
};

// 75 says which option takes what.
[[nodiscard]] Result<Choice> texts_to_choice(const ChoiceTexts& texts);

}  // namespace ml
