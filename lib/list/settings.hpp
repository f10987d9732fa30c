// Settings: lists/<domain>/<local>.toml over lists/<domain>.toml over lists.toml, below the home.
//
// The only door to toml++. A setting's key is the option's long name (`post = "anyone"`); what a
// flag or the environment gave replaces the setting whole. Files that others than their owner may
// write, and files of anybody but root and us, are refused; paths are opened beneath the home only.
// man/mlpipe-settings.5 is the table below for people.
//
//   auto settings = load_settings(home, &list);      // list: nullptr for the site alone
//   settings->text("post").value_or("subscribers")
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "list/name.hpp"

namespace ml {

// Whose file it is.
enum class SettingsOf { site, list };  // a domain's is a list's

class Settings {
 public:
  // Nothing if it is not set.
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
  // A string counts as one element.
  [[nodiscard]] std::optional<std::vector<std::string>> many(std::string_view key) const;
  // An integer, or text such as "64M"; a value that is neither is 75 naming file and key.
  [[nodiscard]] Result<std::optional<std::uint64_t>> size(std::string_view key) const;

  // Parses one file's text and lays its values over those here; 75 names `file` and the line.
  // Tables become dotted keys: [pipeline] post = [...] is "pipeline.post". A known key whose
  // value is of the wrong kind is refused here, so that no reader of a setting meets it. What only
  // the site may set is passed over in the file of a list.
  [[nodiscard]] Result<> overlay(std::string_view toml, std::string_view file,
                                 SettingsOf whose = SettingsOf::site);

  // "FILE: KEY" for each key that no command reads there: a slip, a newer version's, the site's.
  [[nodiscard]] std::vector<std::string> unknown() const;

 private:
  struct Value {
    std::vector<std::string> items;
    std::string file;
  };
  std::map<std::string, Value, std::less<>> values_;
  std::vector<std::string> passed_over_;  // "FILE: KEY"
};

// The file of a list's own settings, below the home: "lists/lists.example.org/announce.toml".
[[nodiscard]] std::string settings_path(const ListName& list);

// Missing files are no failure.
[[nodiscard]] Result<Settings> load_settings(const Home& home, const ListName* list);
// The same of a list, over the site's that have been loaded.
[[nodiscard]] Result<Settings> list_settings(const Home& home, Settings site, const ListName& list);

// The site's alone, for a filter that needs no home: none where there is no home, or where it is
// another user's and so has nothing to say to us.
[[nodiscard]] Result<Settings> site_settings(const std::optional<std::string>& home);

// The list that the operator named, completed by the site setting `default-domain`.
[[nodiscard]] Result<ListName> find_list_name(const Home& home, std::string_view text);

}  // namespace ml
