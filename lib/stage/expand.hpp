// ml-expand: a message becomes a message with recipients.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "list/rows.hpp"
#include "stage/choice.hpp"
#include "stage/people_file.hpp"
#include "stream/writer.hpp"

namespace ml {

enum class Merge { no, yes };  // yes: {{key}} in the message is a slot, see mail/slots.hpp

struct ExpandOptions {
  std::vector<std::string> lists;    // as the operator names them
  std::vector<std::string> to;       // files of people, see list/rows.hpp
  std::vector<std::string> exclude;  // files of people who get nothing
  RowOptions columns = {};
  OnBadRow on_bad_row = OnBadRow::refuse;
  Merge merge = Merge::no;
  ChoiceTexts choice = {};
  std::optional<std::string> sender;  // empty or "<>": the null sender
  std::optional<std::string> id;      // of a bare message
  std::optional<std::string> home;
};

// Reads a stream, or a bare message, from `input`. Recipients that are there stay first, as they
// are. Behind them come those of the lists, each in domain order, then those of the files; without
// either, the subscribers of the list that the section names, unless it is mail for another role
// than post: then those who are there already, or it is 75. Nobody twice, nobody excluded or
// suppressed, nobody whom the choice (choice.hpp) leaves out, and of a list's subscribers nobody
// who wants no copy of this message (own_copy.hpp). A shard puts part=K/N on the message line and
// drops those of other shards who are there already. A section that came failed or cut passes as it
// is: the message will come again.
//
// Merge::yes marks the slots of each message and names the marks' nonce on its line (ml.slots=); a
// message with a slot that cannot be filled safely is 65 and gets no recipients. A recipient's
// address stands under the keys of Rows::address_keys(), email for subscribers, if a slot asks.
//
// No snapshot of the store is held while the output blocks. What cannot be used (a list that is
// not there, a bad row in a file that can be read twice) is found before the first recipient.
[[nodiscard]] Result<Status> expand(const ExpandOptions& options, int input, Writer& out);

}  // namespace ml
