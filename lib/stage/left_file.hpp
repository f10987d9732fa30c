// The file of --undelivered, which scripts send again until it is empty. What it holds is replaced
// as a whole, and only when the run knows who is left; until then they are written beside it.
//
//   | event                               | FILE                        | FILE.new            |
//   | ----------------------------------- | --------------------------- | ------------------- |
//   | begin()                             | as it was                   | made, empty, locked |
//   | sections are handed over            | as it was                   | written to          |
//   | finish(): some are left             | is what FILE.new was        | -                   |
//   | finish(): nobody is left            | emptied                     | -                   |
//   | the input is FILE and was not whole | as it was: all may be in it | -                   |
//   | killed, or the disk is full         | as it was                   | the next run's      |
//
// One that was missing is made by finish() and not before: an empty file says that nobody is left.
//
// Nobody in it is forgotten for others' sake. Sections that no section of the run answers for stay
// as they are, octet for octet, behind the run's own: those of other messages, and those that came
// cut short or were barred. Of the others whoever waits and did not come with the run stays.
// What is no ordinary file is written to at once.
//
//   LeftFile file("left");
//   file.begin();                                   // before anybody is sent to
//   hand_over(file.place(), ...);                   // as often as there is something
//   file.answer(record.id, part, waits);            // each section of the run that came whole
//   auto others = file.finish(Whole::yes);          // sections that stay in it
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "stream/writer.hpp"

namespace ml {

// Whether everybody of the input was either settled or handed over.
enum class Whole { no, yes };

class LeftFile {
 public:
  explicit LeftFile(std::string path);
  LeftFile(const LeftFile&) = delete;
  LeftFile& operator=(const LeftFile&) = delete;
  ~LeftFile();  // what was not finished goes

  // 75: it holds something else than a stream, another run writes it, or it cannot be replaced or
  // written.
  [[nodiscard]] Result<> begin();
  // Where to append to what the run leaves.
  [[nodiscard]] const std::string& place() const { return beside_.empty() ? path_ : beside_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // Whether a recipient of the section waits and was not met by the run.
  using Waits = std::function<Result<bool>(std::string_view address)>;
  // The run had all of a section: what FILE has of it gives way, but for those who wait.
  [[nodiscard]] Result<> answer(std::string_view id, std::string_view part, const Waits& waits);

  // Durable when this returns. Gives how many sections of others stay in the file.
  [[nodiscard]] Result<std::uint64_t> finish(Whole whole);

 private:
  using Places = std::multimap<std::string, off_t, std::less<>>;  // of sections, by their key

  [[nodiscard]] Result<const Places*> places();
  [[nodiscard]] Result<bool> keep_waiting(off_t at, const Waits& waits);
  [[nodiscard]] Result<std::uint64_t> keep_others();

  std::string path_;
  std::string target_;  // behind symbolic links
  std::string beside_;  // empty: `path_` is written to
  Fd fresh_;            // `beside_`, locked
  Fd old_;              // FILE, where it is there and an ordinary file
  bool is_input_ = false;
  std::optional<Places> places_;
  std::uint64_t kept_ = 0;                       // sections of which some stay
  std::set<std::string, std::less<>> answered_;  // keys
};

}  // namespace ml
