#include "mail/shapes.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "mail/diagnosis.hpp"
#include "mail/dialect_table.hpp"
#include "mail/header.hpp"
#include "mail/mentions.hpp"
#include "mail/notice_recipients.hpp"
#include "mail/notice_text.hpp"

namespace ml {
namespace {

// No field after so many recipients of the message that came back is looked at.
constexpr std::size_t most_returned = 1000;

class ShapeReader {
 public:
  explicit ShapeReader(const Notice& notice)
      : notice_(notice),
        text_(notice.text),
        flow_(text_),
        lines_(lines_of(text_)),
        found_(notice) {}

  std::vector<Report> read() {
    const std::string all = notice_.envelope + flow_.text;
    if (speaks_of_waiting(all) && !speaks_of_the_end(flow_.text)) return {};
    if (speaks_of_success(all) || !read_shapes()) return {};
    return found_.reports(Action::failed);
  }

 private:
  enum class Lead { bracketed, alone, any };

  bool read_shapes() {
    const bool says_so = notice_.from_daemon || notice_.subject_fails;
    if (!says_so) return false;
    read_leads(Lead::bracketed);
    if (found_.empty()) read_transcript();
    if (found_.empty()) read_leads(Lead::alone);
    if (found_.empty()) read_asked();
    if (found_.empty()) read_leads(Lead::any);
    const bool fails = notice_.subject_fails || speaks_of_failure(flow_.text);
    if (found_.empty() && fails) read_sentences();
    if (found_.empty() && fails && notice_.from_daemon) {
      if (!notice_.verp.empty()) found_.add(notice_.verp, 0);
      if (found_.empty()) found_.add_returned();
    }
    return !found_.empty();
  }

  void read_leads(Lead kind) {
    bool fresh = true;
    for (const TextLine& line : lines_) {
      if (line.blank) {
        fresh = true;
        continue;
      }
      if (line.lead && fresh && !found_.is_bystander(line.lead->address)) {
        const std::string_view rest = trim(line.text.substr(line.lead->end));
        const bool fits = kind == Lead::bracketed
                              ? rest.starts_with(">:") || rest.starts_with("\":")
                          : kind == Lead::alone ? rest.size() < 2
                                                : true;
        if (fits) {
          found_.add(line.lead->address, line.begin + line.lead->end);
          continue;
        }
      }
      fresh = line.text.ends_with(':');
    }
  }

  // "550 <ann@c.org>... User unknown", or a refusal behind ">>> RCPT TO:<ann@c.org>".
  void read_transcript() {
    std::string_view asked;
    for (const TextLine& line : lines_) {
      const std::string_view words = trim(line.text);
      if (words.starts_with(">>>")) {
        const auto mentions = mentions_in(words);
        const bool rcpt = lower(words).find("rcpt to") != std::string::npos;
        asked = rcpt && !mentions.empty() ? mentions.front().address : std::string_view();
        continue;
      }
      const std::size_t digits = words.starts_with("<<<") ? words.find_first_of("0123456789") : 0;
      if (digits == std::string_view::npos) continue;
      const unsigned code = quoted_code(words.substr(digits, 4));
      if (code == 0) continue;
      const auto mentions = mentions_in(words);
      if (!asked.empty()) {
        found_.add(asked, line.begin);
      } else if (!mentions.empty() && !found_.is_bystander(mentions.front().address)) {
        found_.add(mentions.front().address, line.begin);
      }
      asked = {};
    }
  }

  // "Sent <<< RCPT TO:<ann@c.org>" in a transcript of another kind.
  void read_asked() {
    constexpr std::string_view command = "rcpt to:";
    std::size_t at = 0;
    while ((at = flow_.text.find(command, at)) != std::string::npos) {
      at += command.size();
      found_.add_behind(flow_.place(at, text_.size()));
    }
  }

  void read_sentences() {
    const auto mentions = mentions_in(text_);
    const auto returned = returned_recipients();
    for (const Mention& mention : mentions) {
      if (!found_.is_bystander(mention.address) &&
          std::ranges::binary_search(returned, lower(mention.address))) {
        found_.add(mention.address, mention.begin);
      }
    }
    if (!found_.empty()) return;
    for (const Mention& mention : mentions) {
      const std::size_t begin = mention.begin > 300 ? mention.begin - 300 : 0;
      const std::string around = lower(text_.substr(begin, mention.end + 300 - begin));
      if (found_.is_bystander(mention.address) || !speaks_of_failure(around)) continue;
      found_.add(mention.address, begin);
      return;
    }
  }

  // The first of those that the message which came back was addressed to; lower case, sorted.
  std::vector<std::string> returned_recipients() const {
    std::vector<std::string> recipients;
    for (const Field& field : Fields(notice_.returned)) {
      if (recipients.size() >= most_returned) break;
      if (!same_nocase(field.name, "To") && !same_nocase(field.name, "Cc")) continue;
      for (const Mention& mention : mentions_in(field.value)) {
        recipients.push_back(lower(mention.address));
      }
    }
    std::ranges::sort(recipients);
    return recipients;
  }

  const Notice& notice_;
  std::string_view text_;
  Flow flow_;
  std::vector<TextLine> lines_;
  NoticeRecipients found_;
};

}  // namespace

std::vector<Report> shape_to_reports(const Notice& notice) {
  return notice.text.empty() ? std::vector<Report>() : ShapeReader(notice).read();
}

}  // namespace ml
