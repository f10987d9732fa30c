#include "mail/mailbox_set.hpp"

#include <utility>

#include "mail/address.hpp"

namespace ml {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::size_t least_places = 16;

}  // namespace

MailboxSet::MailboxSet() {
  random_octets(key_);
}

void MailboxSet::clear() {
  if (size_ == 0) return;
  shards_ = {};
  size_ = 0;
}

MailboxSet::Hash MailboxSet::hash(std::string_view local, std::string_view domain) {
  text_.clear();
  append_key(text_, local, domain);
  Hash hash = siphash128(key_, text_);
  if (hash == Hash{}) hash[0] = 1;
  return hash;
}

// Where the hash stands, or the free place where it would. The shard must have a free place.
MailboxSet::Hash& MailboxSet::place(Shard& shard, const Hash& hash) {
  const std::size_t places = shard.places.size();
  auto at = static_cast<std::size_t>(static_cast<Wide>(hash[1]) * places >> 64);
  while (shard.places[at] != Hash{} && shard.places[at] != hash) at = at + 1 == places ? 0 : at + 1;
  return shard.places[at];
}

void MailboxSet::grow(Shard& shard) {
  const std::size_t places = shard.places.size();
  const auto before = std::exchange(
      shard.places,
      std::vector<Hash>(places < least_places ? least_places : places + places / 8 * 3 + 8));
  for (const Hash& hash : before) {
    if (hash != Hash{}) place(shard, hash) = hash;
  }
}

bool MailboxSet::insert(std::string_view local, std::string_view domain) {
  const Hash its = hash(local, domain);
  Shard& shard = shards_[its[0] & 0xFF];
  if (shard.used * 8 >= shard.places.size() * 7) grow(shard);
  Hash& there = place(shard, its);
  if (there == its) return false;
  there = its;
  ++shard.used;
  ++size_;
  return true;
}

bool MailboxSet::contains(std::string_view local, std::string_view domain) {
  if (size_ == 0) return false;
  const Hash its = hash(local, domain);
  Shard& shard = shards_[its[0] & 0xFF];
  return !shard.places.empty() && place(shard, its) == its;
}

}  // namespace ml
