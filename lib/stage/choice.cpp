#include "stage/choice.hpp"

#include <algorithm>
#include <utility>

#include "base/attributes.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::uint64_t most_shards = 10'000;
constexpr std::uint64_t whole_share = 100 * 10'000;  // 100 %, in steps of four decimals

// A key that everybody may know: what it gives must be the same everywhere.
SipKey public_key(std::string_view label) {
  const Octets32 octets = sha256(label);
  SipKey key{};
  std::copy_n(octets.begin(), key.size(), key.begin());
  return key;
}

Result<State> text_to_due_state(const std::string& text) {
  const auto state = text_to_state(text);
  if (state && is_due(*state)) return *state;
  return retry(
      "--state takes active, bouncing or digest, not '{}': who is nomail, suspended or removed is "
      "never mailed",
      printable(text, 40));
}

// "5%", "0.25%" -> steps of a ten-thousandth of a percent
Result<std::uint64_t> text_to_share(std::string_view text) {
  const auto bad = [&] {
    return retry("--sample takes a share such as 5% or 0.25%, not '{}'", printable(text, 40));
  };
  if (!text.ends_with('%')) return bad();
  const std::string_view digits = text.substr(0, text.size() - 1);
  const auto point = digits.find('.');
  const auto whole = number(digits.substr(0, point));
  std::string decimals(point == std::string_view::npos ? "0" : digits.substr(point + 1));
  if (!whole || *whole > 100 || decimals.empty() || decimals.size() > 4) return bad();
  decimals.resize(4, '0');
  const auto part = number(decimals);
  if (!part || *whole * 10'000 + *part > whole_share) return bad();
  return *whole * 10'000 + *part;
}

struct Shard {
  std::uint64_t number = 0;  // from 0
  std::uint64_t of = 1;
};

Result<Shard> text_to_shard(std::string_view text) {
  const auto slash = text.find('/');
  const auto one = number(text.substr(0, slash));
  const auto of = slash == std::string_view::npos ? std::nullopt : number(text.substr(slash + 1));
  if (!one || !of || *one == 0 || *one > *of || *of > most_shards) {
    return retry("--shard takes K/N, K from 1 to N and N to {}, not '{}'", most_shards,
                 printable(text, 40));
  }
  return Shard{*one - 1, *of};
}

}  // namespace

bool Choice::takes_state(State state) const {
  return states_.empty() || std::ranges::find(states_, state) != states_.end();
}

bool Choice::in_shard(std::string_view key) const {
  static const SipKey shard_key = public_key("mlpipe shard");
  return shards_ == 1 || siphash(shard_key, key) % shards_ == shard_;
}

void Choice::begin_message(std::string_view id) {
  if (sampled_below_) sample_key_ = public_key(std::string("mlpipe sample ").append(id));
}

bool Choice::has_tag(std::string_view attributes) const {
  auto rest = Attributes(attributes).raw("tags");
  while (rest) {
    const auto comma = rest->find(',');
    if (std::ranges::find(tags_, trim(rest->substr(0, comma))) != tags_.end()) return true;
    if (comma == std::string_view::npos) break;
    rest->remove_prefix(comma + 1);
  }
  return false;
}

bool Choice::takes(std::string_view key, std::string_view attributes) const {
  if (!in_shard(key)) return false;
  if (sampled_below_ && siphash(sample_key_, key) > *sampled_below_) return false;
  if (!tags_.empty() && !has_tag(attributes)) return false;
  return std::ranges::all_of(where_, [&](const Condition& condition) {
    return (Attributes(attributes).raw(condition.key).value_or("") == condition.value) ==
           condition.is;
  });
}

Result<Choice> texts_to_choice(const ChoiceTexts& texts) {
  Choice choice;
  for (const std::string& text : texts.states) {
    auto state = text_to_due_state(text);
    if (!state) return fail(state);
    choice.states_.push_back(*state);
  }
  for (const std::string& tag : texts.tags) {
    const auto trimmed = trim(tag);
    if (trimmed.empty() || trimmed.find(',') != std::string_view::npos) {
      return retry("--tag takes one tag, not '{}'; it may be given several times",
                   printable(tag, 40));
    }
    std::string escaped;
    append_escaped(escaped, trimmed);
    choice.tags_.push_back(std::move(escaped));
  }
  for (const std::string& text : texts.where) {
    const auto equals = text.find('=');
    const bool is = equals == 0 || equals == std::string::npos || text[equals - 1] != '!';
    const auto key = std::string_view(text).substr(0, equals - (is ? 0 : 1));
    if (equals == std::string::npos || !is_key(key)) {
      return retry("--where takes KEY=VALUE or KEY!=VALUE, not '{}'", printable(text, 80));
    }
    Choice::Condition condition{std::string(key), {}, is};
    append_escaped(condition.value, std::string_view(text).substr(equals + 1));
    choice.where_.push_back(std::move(condition));
  }
  if (texts.sample) {
    const auto share = text_to_share(*texts.sample);
    if (!share) return fail(share);
    if (*share < whole_share) {
      __extension__ using Wide = unsigned __int128;
      choice.sampled_below_ =
          static_cast<std::uint64_t>(static_cast<Wide>(UINT64_MAX) * *share / whole_share);
    }
  }
  if (texts.shard) {
    const auto shard = text_to_shard(*texts.shard);
    if (!shard) return fail(shard);
    choice.shard_ = shard->number;
    choice.shards_ = shard->of;
    choice.part_ = *texts.shard;
  }
  choice.everybody_ = choice.states_.empty() && choice.tags_.empty() && choice.where_.empty() &&
                      !choice.sampled_below_ && choice.shards_ == 1;
  return choice;
}

}  // namespace ml
