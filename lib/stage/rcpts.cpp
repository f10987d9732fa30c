#include "stage/rcpts.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/coprocess.hpp"
#include "base/diag.hpp"
#include "base/text.hpp"
#include "stream/filter.hpp"

namespace ml {
namespace {

constexpr std::size_t feed_at = std::size_t{64} << 10;
constexpr std::size_t longest_line = std::size_t{1} << 20;

// One section's run of the command: lines in, checked lines out.
class SectionRun {
 public:
  SectionRun(Coprocess command, Writer& out) : command_(std::move(command)), out_(out) {}

  Result<> give(std::string_view line) {
    pending_.append(line).push_back('\n');
    ++given_;
    return pending_.size() < feed_at ? Result<>() : push();
  }
  // What was given so far, to the command.
  Result<> push() {
    auto fed = command_.feed(pending_, [this](std::string_view octets) { take(octets); });
    pending_.clear();
    return fed;
  }

  Result<> finish(const std::string& name) {
    if (auto pushed = push(); !pushed) return fail(pushed);
    auto ending = command_.finish([this](std::string_view octets) { take(octets); });
    if (!ending) return fail(ending);
    if (ending->signal != 0) return retry("{} was ended by signal {}", name, ending->signal);
    if (ending->status > 1 || (ending->status == 1 && wrote_))
      return retry("{} left with status {}", name, ending->status);
    if (!partial_.empty()) wrong_ = "its last line lacks its LF";
    if (!wrong_.empty())
      return retry("the output of {} is no list of recipients: {}", name, wrong_);
    if (given_ > 0 && !wrote_) say_nobody(name, *ending);
    return {};
  }

 private:
  void say_nobody(const std::string& name, const Ending& ending) const {
    say(fmt::format("nobody is left: {}, given {} recipient{}, wrote none and left with status {}",
                    name, given_, given_ == 1 ? "" : "s", ending.status));
  }

  // After the first line that is none, nothing of the command's passes any more.
  void take(std::string_view octets) {
    wrote_ = wrote_ || !octets.empty();
    while (wrong_.empty() && !octets.empty()) {
      const auto lf = octets.find('\n');
      partial_.append(octets.substr(0, lf));
      if (partial_.size() > longest_line) wrong_ = "a line is too long";
      if (lf == std::string_view::npos) return;
      octets.remove_prefix(lf + 1);
      if (const auto rcpt = line_to_rcpt(partial_); rcpt) {
        out_.pass(partial_);
      } else {
        wrong_ = fmt::format("{} in '{}'", rcpt.error(), printable(partial_, 80));
      }
      partial_.clear();
    }
  }

  Coprocess command_;
  Writer& out_;
  std::string pending_;
  std::string partial_;
  std::string wrong_;
  std::uint64_t given_ = 0;  // recipients
  bool wrote_ = false;       // an octet
};

struct Filtering {
  const std::vector<std::string>& command;
  Writer& out;
  std::optional<SectionRun> run{};  // of this section

  Result<> message(Reader& in) {
    out.pass(in.line());
    auto started = Coprocess::start(command);
    if (!started) return fail(started);
    run.emplace(std::move(*started), out);
    return {};
  }
  Result<> recipient(Reader& in) {
    if (!run) return {};
    auto given = run->give(in.line());
    return given && !in.ready() ? run->push() : given;
  }
  Result<> finish(Reader&, Result<> so_far) {
    if (!run) return so_far;
    const auto finished = run->finish(command.front());
    run.reset();
    return so_far ? finished : so_far;
  }
};

}  // namespace

Result<Status> rcpts(Reader& in, Writer& out, const std::vector<std::string>& command) {
  Filtering filtering{command, out};
  return filter(in, out, filtering);
}

}  // namespace ml
