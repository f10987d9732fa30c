// Any octets as a post: judged, and what passes is whole, has one From and would be known again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "list/headers.hpp"
#include "stage/receive.hpp"

namespace {

void expect(bool truth) {
  if (!truth) std::abort();
}

ml::ReceiveRules made_rules() {
  ml::ReceiveRules rules;
  rules.list = {"news", "x.org"};
  rules.post = ml::PostPolicy(ml::PostPolicy::Who::anyone);
  rules.max_hops = 25;
  rules.fields = *ml::list_fields(rules.list, {});
  return rules;
}

ml::Result<bool> everybody(const ml::Address&) {
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ml::ReceiveRules rules = made_rules();
  const std::string octets(reinterpret_cast<const char*>(data), size);
  const auto judgement = ml::judge_post(octets, rules, everybody);
  if (!judgement) {
    expect(judgement.error().status == ml::Status::rejected);
    expect(judgement.error().text.starts_with("5."));
    return 0;
  }
  if (judgement->fate == ml::PostFate::drop) {
    expect(!judgement->why.empty());
    return 0;
  }
  expect(judgement->text.starts_with(rules.fields));
  expect(judgement->text.find_first_of(std::string_view("\r\0", 2)) == std::string::npos);
  expect(!judgement->author || judgement->author->find_first_of("\t\n\r\\ ") == std::string::npos ||
         judgement->author->starts_with('"'));
  const auto again = ml::judge_post(judgement->text, rules, everybody);
  expect(again && again->fate == ml::PostFate::drop);
  return 0;
}
