#include "stream/writer.hpp"

#include <unistd.h>

#include "base/diag.hpp"
#include "base/digest.hpp"

namespace ml {

void Writer::message(std::string_view id, std::string_view sender, std::string_view text,
                     std::string_view attributes) {
  std::string& to = out_.buffer();
  to.append("message\t").append(id).append("\t").append(sender).append("\t");
  append_base64(to, text);
  to.append(attributes).push_back('\n');
  out_.settle();
}

void Writer::rcpt(std::string_view address, std::string_view sender, std::string_view attributes) {
  out_.buffer().append("rcpt\t").append(address).append("\t").append(sender);
  out_.buffer().append(attributes).push_back('\n');
  out_.settle();
}

void Writer::end(Status status, std::string_view text) {
  std::string& to = out_.buffer();
  to.append("end\t").append(fmt::to_string(static_cast<int>(status)));
  if (!text.empty()) {
    to.push_back('\t');
    append_escaped(to, text);
  }
  to.push_back('\n');
  out_.settle();
}

void Writer::end(const EndRecord& record) {
  std::string& to = out_.buffer();
  to.append("end\t").append(fmt::to_string(record.status));
  if (!record.text.empty()) to.append("\t").append(record.text);
  to.push_back('\n');
  out_.settle();
}

void Verdict::add(const EndRecord& record) {
  if (record.status == 0 || failed()) return;
  // Only 65, 75 and 77 may leave a filter, whatever another program wrote into its end.
  const auto status = static_cast<Status>(record.status);
  status_ = status == Status::rejected || status == Status::denied ? status : Status::retry;
  if (record.found_here) text_ = record.text;
}

void Verdict::add(const Error& error) {
  if (failed()) return;
  status_ = error.status;
  text_ = error.text;
}

Result<Status> Verdict::result() const {
  if (!failed()) return Status::done;
  return Failure(Error{status_, text_});
}

int leave_unbegun(const Failure& failure) {
  if (isatty(1) == 0) {
    Writer out(1);
    out.end(failure.error().status, failure.error().text);
    static_cast<void>(out.flush());  // the failure itself is what there is to say
  }
  return leave(failure);
}

void end_section(const EndRecord& read, const Result<>& here, Writer& out, Verdict& verdict) {
  verdict.add(read);
  if (here || read.status != 0) return out.end(read);
  verdict.add(here.error());
  out.end(here.error().status, here.error().text);
}

}  // namespace ml
