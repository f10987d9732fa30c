// A filter's way through a stream: section by section, until the input ends.
//
//   struct Keep {                             // one for the whole stream
//     Result<> message(Reader& in);           // begins a section
//     Result<> recipient(Reader& in);         // while all goes well in it
//     Result<> finish(Reader& in, Result<> so_far);   // before its end: what the section came to
//   };
//   Keep keep;
//   return filter(in, out, keep);             // the status to leave with
//
// A step that fails ends its section with that failure, not the stream: the sections behind it go
// on. An output that cannot be written to ends the stream.
#pragma once

#include <concepts>
#include <utility>

#include "base/result.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {

template <class Steps>
concept SectionSteps = requires(Steps steps, Reader& in, Result<> so_far) {
  { steps.message(in) } -> std::same_as<Result<>>;
  { steps.recipient(in) } -> std::same_as<Result<>>;
  { steps.finish(in, so_far) } -> std::same_as<Result<>>;
};

template <SectionSteps Steps>
[[nodiscard]] Result<Status> filter(Reader& in, Writer& out, Steps& steps) {
  Verdict verdict;
  Result<> state;  // of this section
  for (;;) {
    switch (in.next()) {
      case Record::message: state = steps.message(in); break;
      case Record::rcpt:
        if (!state) break;
        do {
          if (auto taken = steps.recipient(in); !taken) state = fail(taken);
        } while (state && in.take_plain_rcpt());
        break;
      case Record::end:
        state = steps.finish(in, std::move(state));
        if (out.failed()) return fail(out.flush());
        end_section(in.end(), state, out, verdict);
        state = {};
        break;
      case Record::none:
        if (auto flushed = out.flush(); !flushed) return fail(flushed);
        return verdict.result();
    }
    if (out.failed()) return fail(out.flush());
  }
}

}  // namespace ml
