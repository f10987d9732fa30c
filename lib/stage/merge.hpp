// Personal mail: the slots of a message are marked for ml-send to fill (mail/slots.hpp), beside the
// one that ml-receive may have given it for leaving with one click.
//
//   auto keys = mark_merge(text, attributes);     // "Dear {{name|friend}}": keys[0].key == "name"
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "mail/slots.hpp"

namespace ml {

// Marks the slots of the message `text`, and says so in its attributes (as on a line, with a TAB in
// front of each); without slots nothing changes. Gives the keys that are the recipients' to fill.
// A slot that cannot be filled safely is 65.
[[nodiscard]] Result<std::vector<SlotKey>> mark_merge(std::string& text, std::string& attributes);

}  // namespace ml
