// The subscriber store of a home: lists, subscribers, suppressions, handles, bounce marks.
//
// One LMDB environment, `store/` below the home; db.hpp is the only door to LMDB. Readers take no
// lock. No call here leaves a transaction open behind it, so that a caller may block on a pipe
// between any two of them. Every failure is 75 and says what to do.
//
// Databases (keys compare as octets; numbers big endian):
//   meta         "schema" -> version; "next-list" -> the next list's number
//   lists        posting address -> list number (4 octets)
//   counts       list number -> due subscribers (8), all but removed (8)
//   subscribers  list number, address_key -> value of subscriber.hpp
//   suppressed   address_key -> day (2), reason
//   handles      13 characters -> address     (VERP tails that name no address; for ever)
//   marks        what bounces have left behind, all of it behind the list's number:
//                address_key, NUL, message tag (4) -> day (2), status and class as text
//                address_key, NUL -> the probe: tag (4), day (2), step (1), bounced (1)
//                NUL, message tag (4) -> domains that refused it (4), day (2), blamed (1)
//                NUL, message tag (4), domain -> nothing: it is one of those
//                NUL -> when the owners were last told, minutes since 1970 (4)
//
//   auto store = Store::open(*home, Access::read);
//   auto list = store->list("announce@lists.example.org");
//   std::string after;
//   for (bool more = true; more;) {
//     auto read = store->next_slice(*list, after, [&](std::span<const Due> due) { ... });
//     if (!read) return fail(read);
//     more = *read;
//     ...write what was taken: this may block...
//   }
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "mail/address.hpp"
#include "store/db.hpp"
#include "store/subscriber.hpp"

namespace ml {

// A list's number in the keys. Never given out again once its list is removed.
enum class ListNumber : std::uint32_t {};

// One whose state says that mail goes out. The views are into the store and live as long as the
// call that hands them over.
struct Due {
  std::string_view key;        // address_key(): the order of expansion
  std::string_view local;      // as written
  std::string_view at_domain;  // "@example.org"
  std::string_view attributes;
  State state = State::active;
};

struct Counts {
  std::uint64_t due = 0;  // by their state; some may be suppressed
  std::uint64_t all = 0;  // without the removed

  bool operator==(const Counts&) const = default;
};

struct Suppression {
  std::uint16_t day = 0;
  std::string reason;  // often empty
};

// What a change came to, in subscribers; each row of an import counts once.
struct Change {
  std::uint64_t added = 0;  // among them those who came back
  std::uint64_t changed = 0;
  std::uint64_t unchanged = 0;
  std::uint64_t kept_out = 0;  // removed or suspended before, and no Revive::yes
  std::uint64_t removed = 0;   // by a row that says so, or by not being named (Absent)
  std::uint64_t unknown = 0;   // not on the list and not to be added (Unknown::pass_over)
  std::uint64_t repeated = 0;  // rows that a later row of the same mailbox replaced
};

enum class Revive { no, yes };
// What becomes of those on the list whom no row names.
enum class Absent {
  stay,
  leave_if_few,  // removed; Status::no and nothing done if that takes a tenth of the list
  leave,         // removed, however many
};
enum class Unknown { add, pass_over };

// One row of an import. What it does not say stays as it is; a new subscriber is active, of today.
struct Entry {
  Address address;
  std::string attributes;  // laid over those that are there, key by key
  std::optional<State> state;
  std::optional<std::uint16_t> joined;
  std::optional<std::uint16_t> changed;

  void clear() {  // empty, with the room that it has
    address.local.clear();
    address.domain.clear();
    attributes.clear();
    state.reset();
    joined.reset();
    changed.reset();
  }
};

struct ImportOptions {
  Revive revive = Revive::no;
  Absent absent = Absent::stay;  // other than stay, a row's attributes are the only ones
  Unknown unknown = Unknown::add;
  std::size_t memory = std::size_t{64} << 20;  // to sort in; more rows than that use a file
};

// One message that came back from one subscriber.
struct BounceMark {
  std::uint32_t tag = 0;  // of the message, 30 bits
  std::uint16_t day = 0;  // when it came back
  std::string status;     // "5.1.1 mailbox"

  bool operator==(const BounceMark&) const = default;
};

// A message of our own to one subscriber, whose bounce decides what becomes of the subscription.
enum class ProbeStep : std::uint8_t {
  evidence = 1,  // somebody unsigned said that mail to it fails: its bounce is a mark
  suspend = 2,
  remove = 3,
};
struct Probe {
  std::uint32_t tag = 0;
  std::uint16_t day = 0;
  ProbeStep step = ProbeStep::evidence;
  bool bounced = false;

  bool operator==(const Probe&) const = default;
};

// Who refused one message.
struct Refused {
  std::uint32_t domains = 0;
  bool blamed = false;
};
struct Bounced {
  Refused refused;
  bool marked = false;
};

class Store {
 public:
  // Refuses network file systems, a file-size limit below the store's size and room to grow, and
  // a schema that is newer than this program.
  [[nodiscard]] static Result<Store> open(const Home& home, Access access,
                                          const DbLimits& limits = {});
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // --- lists; `name` is the full posting address ---
  [[nodiscard]] Result<ListNumber> make_list(std::string_view name);  // 75 if it is there
  [[nodiscard]] Result<> remove_list(std::string_view name);          // with its subscribers
  // 75 "NAME: no such list (make it with: ml-list create NAME)".
  [[nodiscard]] Result<ListNumber> list(std::string_view name) const;
  [[nodiscard]] Result<bool> has_list(std::string_view name) const;
  [[nodiscard]] Result<std::vector<std::string>> lists() const;  // names, sorted

  // --- reading subscribers ---
  [[nodiscard]] Result<std::optional<Subscriber>> find(ListNumber list,
                                                       const Address& address) const;
  // Looks at the next 10,000 subscribers behind `after` (empty: from the start), which moves on,
  // and hands those due and not suppressed to `take`, some at a time, in key order. `take` runs
  // inside a snapshot and must not block. False: the list is at its end. Memory does not grow with
  // what was read.
  using Take = std::function<void(std::span<const Due>)>;
  [[nodiscard]] Result<bool> next_slice(ListNumber list, std::string& after,
                                        const Take& take) const;
  // Every subscriber in any state, in key order, in slices; stops when `call` returns false.
  // `call` runs outside of any transaction and may block.
  [[nodiscard]] Result<> each(ListNumber list,
                              const std::function<bool(const Subscriber&)>& call) const;
  [[nodiscard]] Result<Counts> count(ListNumber list) const;

  // --- changing subscribers: each call is one durable transaction, done whole or not at all ---
  // The rows of `source`, which fills an empty Entry and says false at the end. They are read to
  // the end, and sorted if need be, before the transaction begins: `source` may block, and its
  // failure changes nothing. The last row of a mailbox counts. Memory is bounded by the options,
  // and what LMDB holds of changed pages by 512 MiB.
  using Source = std::function<Result<bool>(Entry&)>;
  [[nodiscard]] Result<Change> import(ListNumber list, const Source& source,
                                      const ImportOptions& options);
  // Leaves tombstones: the address and the day, no attributes.
  [[nodiscard]] Result<Change> remove(ListNumber list, const std::vector<Address>& addresses);
  // Lets `edit` change one who is there, in any state (not the address); false if nobody is.
  // `edit` may run twice, each time with the subscriber as stored; its failure changes nothing.
  [[nodiscard]] Result<bool> change(ListNumber list, const Address& address,
                                    const std::function<Result<>(Subscriber&)>& edit);
  // Overwrites one whole record that is there, in any state; false if it is not there.
  [[nodiscard]] Result<bool> replace(ListNumber list, const Subscriber& subscriber);

  // --- suppression: addresses that no list mails ---
  [[nodiscard]] Result<> suppress(const Address& address, std::string_view reason);
  [[nodiscard]] Result<bool> unsuppress(const Address& address);  // false: was not suppressed
  [[nodiscard]] Result<std::optional<Suppression>> suppressed(const Address& address) const;
  // All of them as each() has subscribers, in the order of expansion, their local parts folded.
  [[nodiscard]] Result<> each_suppressed(
      const std::function<bool(const Address&, const Suppression&)>& call) const;

  // --- VERP handles ---
  // The address behind a handle; nothing if it was never given out.
  [[nodiscard]] Result<std::optional<std::string>> handle_address(std::string_view handle) const;
  // Proposes handles for an address, the one behind the other: attempt 0, 1, ...
  using HandleOf = std::function<std::string(std::string_view address, unsigned attempt)>;
  // The handles that addresses were given, in their order, up to the first that has none. Takes no
  // lock.
  [[nodiscard]] Result<std::vector<std::string>> known_handles(
      const std::vector<std::string>& addresses, const HandleOf& handle_of) const;
  // Those of all of them. Who has none is given one, durably, in one transaction: the first
  // proposal that is free.
  [[nodiscard]] Result<std::vector<std::string>> give_handles(
      const std::vector<std::string>& addresses, const HandleOf& handle_of);

  // --- bounces ---
  // One bounce of `address`, in one transaction: remembers that its domain refused the message, and
  // unless that message is blamed or the status is empty, which says that nobody is to blame, marks
  // the address, once a message, and turns active into bouncing. Nobody is marked again for the
  // same message, nor who is not there (a tombstone is nobody). Becoming active again clears a
  // subscriber's marks and probe.
  [[nodiscard]] Result<Bounced> mark_bounce(ListNumber list, const Address& address,
                                            const BounceMark& mark);
  [[nodiscard]] Result<std::vector<BounceMark>> bounce_marks(ListNumber list,
                                                             const Address& address) const;

  [[nodiscard]] Result<std::optional<Probe>> probe(ListNumber list, const Address& address) const;
  [[nodiscard]] Result<> put_probe(ListNumber list, const Address& address, const Probe& probe);
  [[nodiscard]] Result<> drop_probe(ListNumber list, const Address& address);
  // Addresses with a probe on its way or back, in key order.
  [[nodiscard]] Result<std::vector<Address>> probed(ListNumber list) const;

  // The message is at fault, not those who refused it: takes its marks back, now and for good.
  // How many those were.
  [[nodiscard]] Result<std::uint64_t> blame_message(ListNumber list, std::uint32_t tag);
  // How many domains the list's subscribers are at, those who left among them.
  [[nodiscard]] Result<std::uint64_t> domains(ListNumber list) const;
  // Drops the marks and refusals of days before `day`.
  [[nodiscard]] Result<> forget_bounces(ListNumber list, std::uint16_t day);

  // Minutes since 1970; 0: never.
  [[nodiscard]] Result<std::uint32_t> owners_told(ListNumber list) const;
  [[nodiscard]] Result<> put_owners_told(ListNumber list, std::uint32_t minute);

  // --- the whole ---
  // Every record parses, every count is right; the findings, none if all is well.
  [[nodiscard]] Result<std::vector<std::string>> check() const;
  // A consistent copy into an empty or missing directory while others read and write.
  [[nodiscard]] Result<> copy(const std::string& directory) const;
  // Where it lies; temporary files of those who sort its content may lie there too.
  [[nodiscard]] const std::string& directory() const;

  struct Inside;  // inside.hpp, for this room only

 private:
  explicit Store(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace ml
