#include "stream/reader.hpp"

#include <algorithm>
#include <array>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace ml {

bool begins_stream(std::string_view text) {
  return text.starts_with("message\t") || text.starts_with("end\t");
}

bool may_begin_stream(std::string_view text) {
  return !begins_stream(text) && (std::string_view("message\t").starts_with(text) ||
                                  std::string_view("end\t").starts_with(text));
}

Result<std::string> first_octets(int fd) {
  std::string first;
  std::array<char, std::size_t{64} << 10> room;
  while (may_begin_stream(first)) {
    auto got = read_some(fd, room, "standard input");
    if (!got) return fail(got);
    if (*got == 0) break;
    first.append(room.data(), *got);
  }
  return first;
}

Reader::Reader(int fd, std::string_view first, std::size_t longest)
    : lines_(fd, "standard input", longest, first) {}

Record Reader::next() {
  if (take_plain_rcpt()) return Record::rcpt;
  if (state_ == State::inside && lines_.take(line_)) {
    too_long_ = false;
    if (line_.starts_with("rcpt\t")) return parse_rcpt();
    return line_.starts_with("message\t") ? cut_by_message() : parse();
  }
  if (state_ == State::closed) return Record::none;
  if (held_back_) {
    held_back_ = false;
    return parse();
  }
  for (;;) {
    const auto line = lines_.next();
    if (!line) return close(line.error().text);
    if (line->kind == Line::Kind::none) {
      if (state_ == State::inside) return close("the stream is cut: its end record is missing");
      return close(any_record_ ? "" : "the input is empty: the stage before wrote no stream");
    }
    any_record_ = true;
    if (line->kind == Line::Kind::cut) return close("the stream is cut in the middle of a line");
    line_ = line->text;
    too_long_ = line->kind == Line::Kind::too_long;
    if (state_ == State::skipping && !leaves_skipped_section()) continue;
    if (state_ == State::inside && line_.starts_with("message\t")) return cut_by_message();
    return parse();
  }
}

// What is passed over is passed over here, since next() would read on behind it.
bool Reader::ready() {
  while (!held_back_ && state_ == State::skipping && lines_.take(line_)) {
    too_long_ = false;
    held_back_ = leaves_skipped_section();
  }
  return held_back_ || lines_.ready();
}

bool Reader::read_once() {
  return lines_.read_once() && (ready() || lines_.gives());
}

// While skipping: an end closes the section that has had its end from us; a message begins
// the next one. False if this line is to be passed over.
bool Reader::leaves_skipped_section() {
  if (line_.starts_with("end\t")) state_ = State::between;
  if (!line_.starts_with("message\t")) return false;
  state_ = State::between;
  return true;
}

// The section has its end first, then the message is looked at, whatever it is worth.
Record Reader::cut_by_message() {
  const Record cut = broken("a message begins before the end of the one above");
  state_ = State::between;
  held_back_ = true;
  return cut;
}

Record Reader::parse() {
  if (too_long_) return broken("the line is too long");
  if (line_.starts_with("rcpt\t") || line_ == "rcpt") return parse_rcpt();
  const std::string_view kind = line_.substr(0, line_.find('\t'));
  if (!is_clean_line(line_)) return broken("it has a control character or is not UTF-8");
  if (kind == "message") return parse_message();
  if (kind == "end") return parse_end();
  return broken("the record is neither message nor rcpt nor end");
}

Record Reader::parse_message() {
  std::string_view fields = line_;
  take_field(fields);
  message_.id = take_field(fields);
  message_.sender = take_field(fields);
  message_.base64 = take_field(fields);
  message_.attributes = Attributes(fields);
  message_.line_number = lines_.number();
  if (message_.base64.empty()) return broken("the message record lacks a field");
  if (!is_id(message_.id)) return broken("the id of the message is malformed");
  if (message_.sender.empty() || message_.sender == "-") return broken("the message has no sender");
  if (!are_attributes(line_, fields)) return broken("a field of the message is not key=value");
  state_ = State::inside;
  return Record::message;
}

Record Reader::parse_rcpt() {
  if (state_ != State::inside) return broken("a rcpt record stands before its message");
  const auto rcpt = line_to_rcpt(line_);
  if (!rcpt) return broken(rcpt.error());
  rcpt_ = *rcpt;
  return Record::rcpt;
}

Record Reader::parse_end() {
  std::string_view fields = line_;
  take_field(fields);
  const std::string_view digits = take_field(fields);
  const auto status = number<int>(digits);
  const bool text_is_right =
      !line_.ends_with('\t') && fields.find('\t') == fields.npos && unescaped(fields).has_value();
  const bool is_canonical = digits == "0" || !digits.starts_with('0');
  if (!status || *status > 255 || !is_canonical || !text_is_right) {
    const Record malformed = broken("the end record is malformed");
    state_ = State::between;  // it was the end nevertheless
    return malformed;
  }
  end_ = {*status, fields, false};
  state_ = State::between;
  return Record::end;
}

// The input is over. `why` is empty where that is as it should be.
Record Reader::close(std::string_view why) {
  const bool reported = state_ == State::skipping;
  Record record = Record::none;
  if (!reported && !why.empty()) record = broken(why);
  state_ = State::closed;
  return record;
}

Record Reader::broken(std::string_view why) {
  reason_ = fmt::format("line {}: {}", std::max<std::uint64_t>(lines_.number(), 1), why);
  end_ = {static_cast<int>(Status::retry), reason_, true};
  state_ = State::skipping;
  return Record::end;
}

}  // namespace ml
