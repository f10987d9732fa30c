// The last failure of an entry, in an extended attribute of its file: it goes where the file
// goes and costs no file of its own. Advice for people only: a file system without extended
// attributes, or a power cut, loses it and nothing else.
#pragma once

#include "base/fd.hpp"
#include "queue/queue.hpp"

namespace ml {

// A reason longer than 400 octets is cut.
void write_note(const Fd& file, const EntryNote& note);
[[nodiscard]] EntryNote read_note(const Fd& file);

}  // namespace ml
