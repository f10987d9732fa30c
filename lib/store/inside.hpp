// What the files of class Store share: the tables, their keys, the counts of a list.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/db.hpp"
#include "store/octets.hpp"
#include "store/store.hpp"

namespace ml {

struct Store::Inside {
  Environment env;
  std::string directory;
};

namespace table {
inline constexpr Table meta{0};
inline constexpr Table lists{1};
inline constexpr Table counts{2};
inline constexpr Table subscribers{3};
inline constexpr Table suppressed{4};
inline constexpr Table handles{5};
inline constexpr Table marks{6};
}  // namespace table
inline const std::vector<const char*> table_names = {
    "meta", "lists", "counts", "subscribers", "suppressed", "handles", "marks"};

// A slice: how many subscribers, and about how many octets, are copied in one snapshot.
inline constexpr std::size_t slice_count = 10'000;
inline constexpr std::size_t slice_octets = std::size_t{4} << 20;

inline constexpr std::size_t prefix_octets = 4;
[[nodiscard]] std::string list_prefix(ListNumber list);
[[nodiscard]] std::string subscriber_key(ListNumber list, const Address& address);
// The marks of one subscriber begin with this; the message's tag follows.
[[nodiscard]] std::string mark_prefix(ListNumber list, std::string_view address_key);

// That `domain` refused the message of `mark`; nothing changes where it is known already.
[[nodiscard]] Result<Refused> note_refusal(StoreTransaction& change, ListNumber list,
                                           const BounceMark& mark, std::string_view domain);
// True for a record of the table of marks that is one of the five kinds; `key` without the list.
[[nodiscard]] bool is_bounce_record(std::string_view key, std::string_view value);

// 75 if the list has been removed meanwhile.
[[nodiscard]] Result<Counts> get_counts(const Snapshot& snapshot, ListNumber list);
[[nodiscard]] Result<> put_counts(StoreTransaction& change, ListNumber list, const Counts& counts);
void count_in(Counts& counts, State state);
void count_out(Counts& counts, State state);

// A record of the table of the suppressed; nullopt: it is damaged.
[[nodiscard]] std::optional<Suppression> value_to_suppression(std::string_view value);

// A record that does not parse: never passed over, since that might lose a recipient.
[[nodiscard]] Failure damaged(std::string_view what, std::string_view key);

[[nodiscard]] Result<> erase_all(StoreTransaction& change, Table table, std::string_view prefix);

}  // namespace ml
