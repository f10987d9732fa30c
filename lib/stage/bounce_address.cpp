#include "stage/bounce_address.hpp"

#include <optional>

#include "base/text.hpp"

namespace ml {
namespace {

// The list that the address names; empty: none that this home has ever sent for.
Result<std::string> list_of(const VerpAddress& verp, const Store& store) {
  if (verp.list_handle.empty()) return verp.list_local + '@' + verp.domain;
  auto list = store.handle_address(list_handle_row(verp.list_handle));
  if (!list) return fail(list);
  if (!*list || !(*list)->ends_with('@' + verp.domain)) return std::string();
  return std::move(**list);
}

Result<std::string> recipient_of(const VerpAddress& verp, const Store& store) {
  if (verp.shared) return std::string();
  if (verp.handle.empty()) return verp.recipient;
  auto recipient = store.handle_address(verp.handle);
  if (!recipient) return fail(recipient);
  return recipient->value_or(std::string());
}

VerpKeys keys_of(const Key& key, const Keys& all) {
  return {key.generation(), key.sip_key("verp mac"), all.oldest().sip_key("verp handle")};
}

}  // namespace

VerpKeys signing_keys(const Keys& keys) {
  return keys_of(keys.newest(), keys);
}

Result<std::string> handle_of_list(Store& store, const ListName& list) {
  if (list.local.size() <= longest_verp_list) return std::string();
  auto rows = store.give_handles({list.text()}, [](std::string_view name, unsigned attempt) {
    return list_handle_row(list_handle(name, attempt));
  });
  if (!rows) return fail(rows);
  return row_to_list_handle(rows->front());
}

TokenKey token_key_of(const Key& key) {
  return {key.generation(), key.sip_key("unsubscribe")};
}

Result<Origin> bounce_address_to_origin(std::string_view text, const Keys& keys, const Store& store,
                                        std::uint16_t today) {
  const auto verp = text_to_verp(text);
  if (!verp) {
    return failure(Status::rejected, "5.1.3 {} is not a bounce address of a recipient",
                   printable(text, 320));
  }
  auto list = list_of(*verp, store);
  if (!list) return fail(list);
  auto recipient = recipient_of(*verp, store);
  if (!recipient) return fail(recipient);
  const Key* const key = keys.find(verp->generation, std::int64_t{today} * 86400);
  if (!key || list->empty() || !is_ours(*verp, keys_of(*key, keys), *list, *recipient)) {
    return failure(Status::rejected,
                   "5.7.1 {} does not carry our signature: it is forged, damaged, or of another "
                   "home",
                   printable(text, 320));
  }
  return Origin{std::move(*list), std::move(*recipient), verp->tag, verp->day,
                is_fresh(*verp, today)};
}

}  // namespace ml
