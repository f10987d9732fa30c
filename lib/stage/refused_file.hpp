// The file of --refused, which runs add to. Nobody else is told of whom it names, so that no run
// takes anything out of it: that is for who reads it.
//
//   | event                                   | FILE                                           |
//   | --------------------------------------- | ---------------------------------------------- |
//   | begin()                                 | made where it is missing, else as it was       |
//   | append(): its lock is ours              | a line that a killed run has cut short goes,   |
//   |                                         | and a section without an end is given one: its |
//   |                                         | recipients come again, for their journal has   |
//   |                                         | them as not told                               |
//   | written and synced, the lock is let go  | with the sections of the run behind all others |
//   | killed in between                       | cut short, until the next append()             |
//   | the disk is full                        | as it was                                      |
//
// What is no ordinary file is written to as it is.
//
//   RefusedFile file("refused");
//   file.begin();                                   // before anybody is sent to
//   file.append([&](Writer& out) { ...; return Result<>(); });
#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "stage/handover.hpp"

namespace ml {

class RefusedFile {
 public:
  explicit RefusedFile(std::string path);

  // 75: it holds something else than a stream, or cannot be read and written.
  [[nodiscard]] Result<> begin() const;
  [[nodiscard]] const std::string& path() const { return path_; }

  // Sections, durable when this returns. Waits for another run that writes just then.
  [[nodiscard]] Result<> append(const WriteRemains& write) const;

 private:
  [[nodiscard]] Result<Fd> open_alone() const;
  [[nodiscard]] Result<off_t> close_cut(const Fd& file) const;
  [[nodiscard]] Result<off_t> begin_of_line(const Fd& file, off_t end) const;

  std::string path_;
  bool is_plain_ = false;  // or it is to be made
};

}  // namespace ml
