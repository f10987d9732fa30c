// The recipients that ml-expand adds to the sections of a stream, one section after the other: from
// lists, from files of people, or from the list that a section names. The rules are in
// stage/expand.hpp.
//
//   Expansion expansion(options);
//   if (auto opened = expansion.open(); !opened) return opened;
//   expansion.begin_section(id, "news@x.org");
//   if (expansion.add_present("ann@example.org")) out.pass(line);
//   return expansion.add_recipients(out);
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "list/name.hpp"
#include "mail/mailbox_set.hpp"
#include "mail/slots.hpp"
#include "stage/choice.hpp"
#include "stage/expand.hpp"
#include "stage/late_store.hpp"
#include "stage/own_copy.hpp"
#include "stage/people_file.hpp"
#include "store/store.hpp"
#include "stream/writer.hpp"

namespace ml {

class Expansion {
 public:
  // `options` must outlive it.
  explicit Expansion(const ExpandOptions& options) : options_(options), store_(options.home) {}

  // Everything that the command line names is there and good, or it fails.
  [[nodiscard]] Result<> open();
  [[nodiscard]] const std::vector<ListName>& lists() const { return names_; }

  // `list`: what the section's message names, if it does. `role`: it is mail for that one of the
  // list's, not for its subscribers (section_role.hpp), who then get it only as the command line's.
  void begin_section(std::string_view id, std::optional<std::string> list,
                     std::optional<std::string> role = {});
  [[nodiscard]] bool expands_lists() const { return !lists_.empty() || expands_own_list(); }
  // Who wrote the section's message and who is named in it.
  void name(OwnCopies own) { own_ = std::move(own); }
  // "2/4", or empty.
  [[nodiscard]] const std::string& part() const { return choice_.part(); }
  // The slots of the section's message: an address is given under the key that asks for it.
  void fill(std::vector<SlotKey> slots) { slots_ = std::move(slots); }

  // One who is there already; false: of another shard.
  [[nodiscard]] bool add_present(std::string_view address);
  // All others, written behind them.
  [[nodiscard]] Result<> add_recipients(Writer& out);

 private:
  enum class Remember { no, yes };

  struct List {
    ListNumber number;
    CopyWishes wishes;
  };

  [[nodiscard]] Result<> open_lists();
  [[nodiscard]] Result<> read_excluded();
  [[nodiscard]] Result<> open_files();
  [[nodiscard]] Result<List> open_list(const ListName& name);
  [[nodiscard]] bool expands_own_list() const {
    return lists_.empty() && files_.empty() && list_ && !role_;
  }
  [[nodiscard]] bool is_new(std::string_view local, std::string_view domain, Remember remember);
  [[nodiscard]] bool is_wanted(const Due& due, Remember remember);
  // Those of the keys that the message asks for.
  [[nodiscard]] std::vector<std::string> wanted_of(const std::vector<std::string>& keys) const;
  [[nodiscard]] Result<> add_list(const List& list, Remember remember, Writer& out);
  [[nodiscard]] Result<> add_file(PeopleFile& file, Writer& out);

  const ExpandOptions& options_;
  LateStore store_;
  std::vector<ListName> names_;
  std::vector<List> lists_;
  std::vector<PeopleFile> files_;
  Choice choice_;
  std::vector<SlotKey> slots_;  // of this section's message
  OwnCopies own_;
  std::optional<std::string> list_;  // that this section names
  std::optional<std::string> role_;  // whose mail it is, if it is no post
  MailboxSet excluded_;
  MailboxSet seen_;            // in this section
  std::uint64_t present_ = 0;  // recipients it came with
  std::vector<Due> wanted_;    // of a batch
  std::string key_;
};

// 75: neither the command line nor the message says who gets it.
[[nodiscard]] Failure nobody_named();

}  // namespace ml
