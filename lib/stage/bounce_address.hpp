// What bounce addresses are made with, and who one was made for: mail/verp's text, with the keys
// and the store of a home.
//
//   auto origin = bounce_address_to_origin("news-bounces+a...-ann=c.org@x.org", keys, store);
//   origin->list == "news@x.org"; origin->recipient == "ann@c.org"
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "list/name.hpp"
#include "mail/subscription_token.hpp"
#include "mail/verp.hpp"
#include "store/keys.hpp"
#include "store/store.hpp"

namespace ml {

// What signs now. Handles are the oldest key's: an address keeps its own for ever.
[[nodiscard]] VerpKeys signing_keys(const Keys& keys);

[[nodiscard]] TokenKey token_key_of(const Key& key);

// What names a list in its bounce addresses where its own name is too long for them: the same for
// ever, and durable when this returns. Empty: the name is short enough.
[[nodiscard]] Result<std::string> handle_of_list(Store& store, const ListName& list);

struct Origin {
  std::string list;       // posting address
  std::string recipient;  // empty: the sender was shared by all of them
  std::uint32_t tag = 0;  // of the message
  std::uint16_t day = 0;  // mod 1024
  bool fresh = true;      // young enough to speak of its recipient today
};

// 65 where the text has not the shape of a bounce address or its signature is not ours; the text
// says which.
[[nodiscard]] Result<Origin> bounce_address_to_origin(std::string_view text, const Keys& keys,
                                                      const Store& store, std::uint16_t today);

}  // namespace ml
