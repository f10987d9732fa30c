#include "mail/dialects.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "mail/dialect_table.hpp"
#include "mail/mentions.hpp"
#include "mail/notice_recipients.hpp"
#include "mail/notice_text.hpp"

namespace ml {
namespace {

class DialectReader {
 public:
  explicit DialectReader(const Notice& notice)
      : notice_(notice),
        text_(notice.text),
        flow_(text_),
        lines_(lines_of(text_)),
        all_(notice.envelope + flow_.text),
        found_(notice) {}

  Words read() {
    const bool waits = speaks_of_waiting(all_) && !speaks_of_the_end(flow_.text);
    for (const Dialect& dialect : dialects()) {
      if (!read_dialect(dialect)) continue;
      const bool delayed = dialect.action == Action::delayed || waits;
      return {dialect.name, found_.reports(delayed ? Action::delayed : Action::failed)};
    }
    return {};
  }

 private:
  bool read_dialect(const Dialect& dialect) {
    if (!dialect.sign.empty() && all_.find(dialect.sign) == std::string::npos) return false;
    std::size_t at = flow_.text.find(dialect.lead);
    for (; at != std::string::npos; at = flow_.text.find(dialect.lead, at + 1)) {
      const std::size_t begin = flow_.place(at, text_.size());
      const std::size_t end = flow_.place(at + dialect.lead.size(), text_.size());
      switch (dialect.placement) {
        case Placement::lines: read_lines(end); break;
        case Placement::behind: found_.add_behind(end); break;
        case Placement::before: read_before(begin); break;
        case Placement::within: read_within(end); break;
        case Placement::returned: found_.add_returned(); break;
        case Placement::names: read_names(end); break;
      }
      if (!found_.empty() && dialect.placement == Placement::lines) break;
    }
    return !found_.empty();
  }

  // Recipients stand at the beginning of lines that look like the first one, each where a new
  // paragraph or a list goes on: a diagnostic that is wrapped may begin a line with an address too.
  void read_lines(std::size_t from) {
    std::optional<TextLine> model;
    bool fresh = true;
    for (const TextLine& line : lines_) {
      if (line.begin + line.text.size() < from) continue;
      if (line.blank || line.begin < from) {
        if (line.begin < from && !model) take_rest(line, from);
        fresh = true;
        continue;
      }
      const bool alike = line.lead && (!model || (model->indent == line.indent &&
                                                  model->lead->bracketed == line.lead->bracketed));
      const bool alone = alike && trim(line.text.substr(line.lead->end)).size() < 2;
      if (alike && (fresh || alone)) {
        if (!model) model = line;
        found_.add(line.lead->address, line.begin + line.lead->end);
        continue;
      }
      fresh = model && line.indent > model->indent;
    }
  }

  // The rest of the line in which the leading words end.
  void take_rest(const TextLine& line, std::size_t from) {
    const std::string_view rest = line.text.substr(from - line.begin);
    const auto mentions = mentions_in(rest);
    if (!mentions.empty() && mentions.front().begin < 4) {
      found_.add(mentions.front().address, from + mentions.front().end);
    }
  }

  // The first address not far behind the leading words.
  void read_within(std::size_t from) {
    const auto mentions = mentions_in(text_.substr(from, 600));
    if (!mentions.empty()) found_.add(mentions.front().address, from + mentions.front().end);
  }

  void read_before(std::size_t to) {
    const std::size_t line =
        text_.rfind('\n', to) == std::string_view::npos ? 0 : text_.rfind('\n', to) + 1;
    const auto mentions = mentions_in(text_.substr(line, to - line));
    if (!mentions.empty()) found_.add(mentions.back().address, to);
  }

  void read_names(std::size_t from) {
    const auto at = notice_.from.find('@');
    if (at == std::string::npos) return;
    for (const TextLine& line : lines_) {
      const std::string_view name = trim(line.text);
      if (line.begin < from || line.indent == 0 || name.empty() ||
          line.indent == line.text.size()) {
        continue;
      }
      if (std::ranges::all_of(name, [](char c) { return is_alnum(c) || c == '.' || c == '_'; })) {
        found_.add(std::string(name) + notice_.from.substr(at), line.begin + line.text.size());
      }
    }
  }

  const Notice& notice_;
  std::string_view text_;
  Flow flow_;
  std::vector<TextLine> lines_;
  std::string all_;
  NoticeRecipients found_;
};

}  // namespace

Words words_to_reports(const Notice& notice) {
  return notice.text.empty() ? Words() : DialectReader(notice).read();
}

std::vector<std::string_view> dialect_names() {
  std::vector<std::string_view> names;
  names.reserve(dialects().size());
  for (const Dialect& dialect : dialects()) names.push_back(dialect.name);
  return names;
}

}  // namespace ml
