#include "mail/parts.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/message.hpp"

namespace ml {
namespace {

// RFC 2045 5.1, with comments passed over.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  std::string token() {
    skip();
    const auto end = std::min(rest_.find_first_of(" \t\r\n();=\""), rest_.size());
    return std::string(take(end));
  }

  std::string value() {
    skip();
    if (!rest_.starts_with('"')) return token();
    std::string text;
    std::size_t i = 1;
    for (; i < rest_.size() && rest_[i] != '"'; ++i) {
      if (rest_[i] == '\\' && i + 1 < rest_.size()) ++i;
      if (rest_[i] != '\n') text.push_back(rest_[i]);
    }
    take(std::min(i + 1, rest_.size()));
    return text;
  }

  // True if the next thing is `c`, which is then behind us.
  bool pass(char c) {
    skip();
    if (!rest_.starts_with(c)) return false;
    take(1);
    return true;
  }

  // To behind the next semicolon; false if there is none.
  bool next_parameter() {
    const auto semicolon = rest_.find(';');
    take(std::min(semicolon, rest_.size()));
    return pass(';');
  }

 private:
  std::string_view take(std::size_t length) {
    const auto taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }

  void skip() {
    while (!rest_.empty() && (is_space(rest_.front()) || rest_.front() == '(')) {
      if (rest_.front() != '(') {
        take(1);
      } else {
        const auto end = rest_.find(')');
        take(end == std::string_view::npos ? rest_.size() : end + 1);
      }
    }
  }

  std::string_view rest_;
};

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c < '\x7f' &&
           std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
  });
}

struct Open {
  std::string boundary;
  Seal seal;
  bool digest;
};

// Goes over the lines of a message once; the multiparts that are open are a stack.
class Walk {
 public:
  explicit Walk(std::string_view message) : message_(message) {}

  Result<std::vector<Leaf>> leaves() {
    begin_part(0);
    std::size_t at = split_message(message_).head.size();  // no boundary is looked for in a head
    for (bool deep = !end_head(at); at < message_.size(); at = line_end(at)) {
      if (deep) return too_deep();
      const std::string_view line = message_.substr(at, line_end(at) - at);
      if (close_at(at, line)) continue;
      if (in_head_ && !in_head(at)) deep = !end_head(at);
      if (deep) return too_deep();
    }
    if (in_head_ && !end_head(message_.size())) return too_deep();
    end_leaf(message_.size());
    return std::move(found_);
  }

 private:
  static Failure too_deep() {
    return failure(Status::rejected, "5.6.0 its parts are nested deeper than {}", deepest_part);
  }

  std::size_t line_end(std::size_t at) const {
    const auto lf = message_.find('\n', at);
    return lf == std::string_view::npos ? message_.size() : lf + 1;
  }

  void begin_part(std::size_t at) {
    part_begin_ = at;
    in_head_ = in_part_ = true;
  }

  // A field or the continuation of one.
  bool in_head(std::size_t at) const {
    if (is_blank(message_[at])) return at > part_begin_;
    return first_field(message_.substr(at, line_end(at) - at)).has_value();
  }

  // `at`: the first line that is not head. False if a multipart begins there and is too deep.
  bool end_head(std::size_t at) {
    in_head_ = false;
    leaf_ = Leaf();
    leaf_.head = message_.substr(part_begin_, at - part_begin_);
    const bool blank = message_.substr(at).starts_with('\n');
    leaf_.separator = message_.substr(at, blank ? 1 : 0);
    body_begin_ = at + leaf_.separator.size();
    leaf_.seal = open_.empty() ? Seal::open : open_.back().seal;
    if (const auto type = find_field(leaf_.head, "Content-Type")) {
      leaf_.type = text_to_content_type(type->value);
    } else if (!open_.empty() && open_.back().digest) {
      leaf_.type.name = "message/rfc822";
    }
    const auto boundary = leaf_.type.parameter("boundary");
    if (!leaf_.type.name.starts_with("multipart/") || !boundary || boundary->empty()) return true;
    if (open_.size() == deepest_part) return false;
    const bool seals =
        leaf_.type.name == "multipart/signed" || leaf_.type.name == "multipart/encrypted";
    open_.push_back({"--" + std::string(*boundary), seals ? Seal::sealed : leaf_.seal,
                     leaf_.type.name == "multipart/digest"});
    in_part_ = false;  // a preamble
    return true;
  }

  // If `line` is a boundary of an open multipart: ends what it ends.
  bool close_at(std::size_t at, std::string_view line) {
    if (!line.starts_with("--")) return false;
    while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
    for (std::size_t i = open_.size(); i-- > 0;) {
      if (!line.starts_with(open_[i].boundary)) continue;
      const std::string_view behind = line.substr(open_[i].boundary.size());
      if (!behind.empty() && behind != "--") continue;
      if (in_head_) static_cast<void>(end_head(at));
      end_leaf(at > body_begin_ ? at - 1 : at);  // without the boundary's own LF
      open_.resize(i + (behind.empty() ? 1 : 0));
      if (behind.empty()) begin_part(line_end(at));
      return true;
    }
    return false;
  }

  void end_leaf(std::size_t end) {
    if (!in_part_) return;
    in_part_ = false;
    leaf_.body = message_.substr(body_begin_, end - body_begin_);
    leaf_.number = static_cast<unsigned>(found_.size()) + 1;
    found_.push_back(std::move(leaf_));
  }

  std::string_view message_;
  std::vector<Leaf> found_;
  std::vector<Open> open_;
  Leaf leaf_;
  std::size_t part_begin_ = 0;
  std::size_t body_begin_ = 0;
  bool in_part_ = false;  // not in a preamble or an epilogue
  bool in_head_ = false;
};

}  // namespace

std::optional<std::string_view> ContentType::parameter(std::string_view which) const {
  const auto found = std::ranges::find(parameters, which, &Parameter::name);
  if (found == parameters.end()) return std::nullopt;
  return found->value;
}

ContentType text_to_content_type(std::string_view value) {
  ContentType type;
  Scanner scan(value);
  const std::string name = lower(scan.token());
  if (!name.empty()) type.name = name;
  while (scan.next_parameter()) {
    std::string parameter = lower(scan.token());
    if (!parameter.empty() && scan.pass('=')) {
      type.parameters.push_back({std::move(parameter), scan.value()});
    }
  }
  return type;
}

std::string content_type_to_text(const ContentType& type) {
  std::string text = type.name;
  for (const auto& [name, value] : type.parameters) {
    text.append("; ").append(name).push_back('=');
    if (is_token(value)) {
      text.append(value);
      continue;
    }
    text.push_back('"');
    for (const char c : value) {
      if (c == '"' || c == '\\') text.push_back('\\');
      text.push_back(c);
    }
    text.push_back('"');
  }
  return text;
}

Result<std::vector<Leaf>> message_to_leaves(std::string_view message) {
  return Walk(message).leaves();
}

}  // namespace ml
