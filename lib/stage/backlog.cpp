#include "stage/backlog.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/directory.hpp"
#include "base/fd.hpp"
#include "base/lines.hpp"
#include "base/text.hpp"
#include "mail/mime.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_line = std::size_t{1} << 20;

std::string_view without_cr(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// "From ann@c.org Fri Jan  1 00:00:00 2010": a sentence may begin with the same word, but hardly
// goes on to the second and ends with a year.
bool begins_message(std::string_view line) {
  if (!line.starts_with("From ")) return false;
  const auto colon = line.find(':');
  return colon != std::string_view::npos && colon + 2 < line.size() && is_digit(line[colon - 1]) &&
         is_digit(line[colon + 1]);
}

bool is_quoted_from(std::string_view line) {
  const auto quotes = line.find_first_not_of('>');
  return quotes != 0 && quotes != std::string_view::npos &&
         line.substr(quotes).starts_with("From ");
}

class MboxReader {
 public:
  explicit MboxReader(const BacklogCall& call) : call_(call) {}

  Result<> take(std::string_view line) {
    const std::string_view text = without_cr(line);
    if (after_blank_ && begins_message(text)) {
      after_blank_ = false;
      return finish();
    }
    after_blank_ = text.empty();
    if (octets_.size() < longest_mime_text) {
      octets_.append(is_quoted_from(text) ? text.substr(1) : text).push_back('\n');
    }
    return {};
  }

  // The message so far, if there is one.
  Result<> finish() {
    if (trim(octets_).empty()) return {};
    ++count_;
    return call_(std::to_string(count_), std::exchange(octets_, {}));
  }

 private:
  const BacklogCall& call_;
  std::string octets_;
  std::size_t count_ = 0;
  bool after_blank_ = true;
};

Result<std::string> first_octets_of(const Fd& file, std::string_view path) {
  std::string octets;
  while (octets.size() < longest_mime_text) {
    const std::size_t held = octets.size();
    const std::size_t more = std::min(longest_mime_text - held, std::max(held, std::size_t{8192}));
    octets.resize(held + more);
    auto got = read_some(file.get(), {octets.data() + held, more}, path);
    if (!got) return fail(got);
    octets.resize(held + *got);
    if (*got == 0) break;
  }
  return octets;
}

}  // namespace

Result<> each_of_mbox(int fd, std::string_view name, const BacklogCall& call) {
  Lines lines(fd, std::string(name), longest_line);
  MboxReader reader(call);
  for (;;) {
    auto line = lines.next();
    if (!line) return fail(line);
    if (line->kind == Line::Kind::none) return reader.finish();
    if (auto taken = reader.take(line->text); !taken) return taken;
  }
}

Result<> each_of_maildir(const std::string& directory, const BacklogCall& call) {
  for (const std::string& below : {directory + "/new", directory + "/cur"}) {
    auto names = names_in(below);
    if (!names) return fail(names);
    for (const std::string& name : *names) {
      if (name.starts_with('.')) continue;
      const std::string path = fmt::format("{}/{}", below, name);
      auto file = open_file(path, O_RDONLY | O_NOFOLLOW);
      if (!file) {
        if (::access(path.c_str(), F_OK) != 0) continue;
        return fail(file);
      }
      auto octets = first_octets_of(*file, path);
      if (!octets) return fail(octets);
      if (auto called = call(path, std::move(*octets)); !called) return called;
    }
  }
  return {};
}

}  // namespace ml
