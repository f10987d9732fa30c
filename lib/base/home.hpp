// Where the store, the queues, the journal, the keys and the settings live, and as whom.
//
// --home, else ML_HOME, else /var/lib/mlpipe if it exists (readable or not), else
// ${XDG_STATE_HOME:-~/.local/state}/mlpipe. One uid a home: root becomes the home's owner before
// anything is opened; anybody else who may not use it is told directory, owner and own uid (75).
//
//   auto home = open_home(options.home, Create::no);
//   if (!home) return fail(home);
//   home->path("journal/ab");
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace ml {

inline constexpr const char* system_home = "/var/lib/mlpipe";

enum class Create { no, yes };

class Home {
 public:
  Home(std::string directory, Fd fd) : directory_(std::move(directory)), fd_(std::move(fd)) {}

  [[nodiscard]] const std::string& directory() const { return directory_; }
  // The same without links and from the root, as another process has to name it.
  [[nodiscard]] std::string real_name() const;
  [[nodiscard]] const Fd& fd() const { return fd_; }
  [[nodiscard]] std::string path(std::string_view below) const {
    return directory_ + '/' + std::string(below);
  }

  // Makes `below` and what is missing above it, mode 0700, each synced into its parent.
  [[nodiscard]] Result<> make_directory(std::string_view below) const;

 private:
  std::string directory_;
  Fd fd_;
};

// The name alone, by the rules above; nothing is touched. Empty: not even HOME is set.
[[nodiscard]] std::string home_directory(const std::optional<std::string>& given);

// Create::yes makes a missing home (0700) with the directories above it.
[[nodiscard]] Result<Home> open_home(const std::optional<std::string>& given, Create create);

// For what can do without: nothing where there is none yet. One that `given` names has to be there
// (75): a slip of the pen would pass for a home that knows nobody.
[[nodiscard]] Result<std::optional<Home>> open_home_if_there(
    const std::optional<std::string>& given);

}  // namespace ml
