// A directory of its own for a test, to be a home or anything else; gone with the test.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.hpp"
#include "base/home.hpp"

namespace ml::tests {

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "mlpipe-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    directory_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string path(const std::string& below) const {
    return directory_ + '/' + below;
  }
  [[nodiscard]] Home home() const {
    auto home = open_home(directory_, Create::no);
    REQUIRE(home);
    return std::move(*home);
  }
  // Writes a file, with the directories above it.
  void write(const std::string& below, std::string_view text, mode_t mode = 0600) const {
    std::filesystem::create_directories(std::filesystem::path(path(below)).parent_path());
    const auto file = open_file(path(below), O_WRONLY | O_CREAT | O_TRUNC);
    REQUIRE(file);
    REQUIRE(write_all(*file, text, below));
    REQUIRE(fchmod(file->get(), mode) == 0);
  }
  [[nodiscard]] std::string read(const std::string& below) const {
    const auto text = read_file(path(below), std::size_t{1} << 24);
    REQUIRE(text);
    return *text;
  }

 private:
  std::string directory_;
};

}  // namespace ml::tests
