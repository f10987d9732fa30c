#include "stage/merge.hpp"

#include <utility>

#include "base/attributes.hpp"

namespace ml {

Result<std::vector<SlotKey>> mark_merge(std::string& text, std::string& attributes) {
  const Attributes before(std::string_view(attributes).substr(attributes.empty() ? 0 : 1));
  const auto nonce_before = before.value(slots_attribute);
  if (nonce_before && before.raw(token_attribute) != token_by_list) return std::vector<SlotKey>();
  const std::string nonce = nonce_before.value_or(slot_nonce(text));
  auto marked = nonce_before ? mark_further_slots(text, nonce) : mark_slots(text, nonce);
  if (!marked) return fail(marked);
  if (marked->keys.empty()) return std::move(marked->keys);
  text = std::move(marked->message);
  const bool asks_token = std::erase_if(marked->keys, [](const SlotKey& slot) {
                            return slot.key == token_key;  // ml-verp's
                          }) > 0;
  if (nonce_before) {
    attributes = '\t' + with_attribute(before, token_attribute, token_by_merge);
    return std::move(marked->keys);
  }
  append_attribute(attributes, slots_attribute, nonce);
  if (asks_token) append_attribute(attributes, token_attribute, token_by_merge);
  return std::move(marked->keys);
}

}  // namespace ml
