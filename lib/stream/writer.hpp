// Writes ml-stream(5), and remembers what became of the sections.
//
//   Writer out(1);
//   out.message(id, "news-bounces@x.org", text, "\tlist=news@x.org");
//   out.rcpt("ann@example.org", "-", "");
//   out.end(0, "");
//   if (auto done = out.flush(); !done) return fail(done);
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/out.hpp"
#include "base/result.hpp"
#include "stream/record.hpp"

namespace ml {

class Writer {
 public:
  // `name`: of what `fd` is, for the failure of a write.
  explicit Writer(int fd, std::string name = "standard output") : out_(fd, std::move(name)) {}

  // A line that needs no change, without its LF.
  void pass(std::string_view line) { out_.put_line(line); }

  // Any number of whole lines or parts of them.
  void put(std::string_view text) { out_.put(text); }

  // `attributes`: fields each with their TAB in front ("\tlist=..."), as append_attribute makes.
  void message(std::string_view id, std::string_view sender, std::string_view text,
               std::string_view attributes);
  void rcpt(std::string_view address, std::string_view sender, std::string_view attributes);
  void end(Status status, std::string_view text);  // the text is escaped here
  void end(const EndRecord& record);

  // Room for a line made in place; append LF, then settle().
  [[nodiscard]] std::string& buffer() { return out_.buffer(); }
  void settle() { out_.settle(); }

  [[nodiscard]] bool failed() const { return out_.failed(); }
  [[nodiscard]] Result<> flush() { return out_.flush(); }

 private:
  Out out_;
};

// The first failure of a pipe: what this stage's exit status must be.
//
// An end read from the stage before is silent here, it has spoken for itself; one that this
// stage's reader found, or that the stage decided on, is for it to say.
class Verdict {
 public:
  void add(const EndRecord& record);
  void add(const Error& error);  // this stage's own failure

  [[nodiscard]] bool failed() const { return status_ != Status::done; }
  // The first failure's status; its text is empty when an earlier stage has said it.
  [[nodiscard]] Result<Status> result() const;

 private:
  Status status_ = Status::done;
  std::string text_;
};

// For a filter that fails before its stage has begun, as over its command line: says it, tells the
// stages behind in an end on standard output, so that they need not, and gives the status to leave
// with. A terminal gets no end.
//
//   if (!read) return leave_unbegun(fail(read));
[[nodiscard]] int leave_unbegun(const Failure& failure);

// Writes a section's end and counts it: the one that was read, or where all went well so far and
// this stage failed (`here`), our own.
void end_section(const EndRecord& read, const Result<>& here, Writer& out, Verdict& verdict);

}  // namespace ml
