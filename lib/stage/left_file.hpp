// The file of --undelivered, which scripts send again until it is empty. What it holds is replaced
// as a whole, and only when the run knows who is left; until then they are written beside it.
//
//   | event                               | FILE                        | FILE.new           |
//   | ----------------------------------- | --------------------------- | ------------------ |
//   | sections are handed over            | as it was                   | made, written to   |
//   | finish(): some are left             | is what FILE.new was        | -                  |
//   | finish(): nobody is left            | emptied                     | -                  |
//   | the input is FILE and was not whole | as it was: all may be in it | -                  |
//   | killed, or the disk is full         | as it was                   | the next run's     |
//
// Sections of other messages than those of the run stay in it, behind the run's own, and so do
// those that came cut short or were barred: all may be in it. What is no ordinary file, or in a
// directory where none can be made, is written to at once.
//
//   LeftFile file("left");
//   file.saw(record.id, part);                      // each section of the run that came whole
//   hand_over(file.place(), ...);                   // as often as there is something
//   auto others = file.finish(Whole::yes);          // messages that stay in it
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/result.hpp"
#include "stream/record.hpp"

namespace ml {

// Whether everybody of the input was either settled or handed over.
enum class Whole { no, yes };

class LeftFile {
 public:
  explicit LeftFile(std::string path);
  LeftFile(const LeftFile&) = delete;
  LeftFile& operator=(const LeftFile&) = delete;
  ~LeftFile();  // what was not finished goes

  // What FILE has of it is known to be done, or among those who are handed over.
  void saw(std::string_view id, std::string_view part);
  // Where to write to, from the first time on behind what is there.
  [[nodiscard]] const std::string& place();
  [[nodiscard]] const std::string& path() const { return path_; }
  // Durable when this returns. Gives how many sections of other messages stay in the file.
  [[nodiscard]] Result<std::uint64_t> finish(Whole whole);

 private:
  [[nodiscard]] bool is_others(const MessageRecord& record) const;
  [[nodiscard]] Result<std::uint64_t> keep_others(int old);

  std::string path_;
  std::string target_;  // behind symbolic links
  std::string beside_;  // empty: `path_` is written to
  bool is_written_ = false;
  std::set<std::string, std::less<>> seen_;  // ids, and parts of them
};

}  // namespace ml
