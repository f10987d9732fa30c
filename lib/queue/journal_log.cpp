#include "queue/journal_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "base/directory.hpp"
#include "base/lines.hpp"
#include "base/octets.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t block = std::size_t{16} << 10;  // what a kill may cost
constexpr std::uint64_t largest_file = std::uint64_t{28} << 20;
constexpr std::size_t longest_line = std::size_t{64} << 10;

std::string log_path(const std::string& directory, std::uint32_t number) {
  return fmt::format("{}/log.{:04}", directory, number);
}

}  // namespace

// ---- writing

Result<JournalLog> JournalLog::open(std::string directory) {
  JournalLog log;
  log.directory_ = std::move(directory);
  std::uint32_t newest = 0;
  while (exists(log_path(log.directory_, newest + 1))) ++newest;
  if (auto opened = log.open_file_of(newest); !opened) return fail(opened);
  return log;
}

Result<> JournalLog::open_file_of(std::uint32_t number) {
  const std::string path = log_path(directory_, number);
  auto file = open_file(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW);
  if (!file) return fail(file);
  struct stat about{};
  if (fstat(file->get(), &about) != 0) return system_failure("cannot look at " + path, errno);
  file_ = std::move(*file);
  number_ = number;
  size_ = static_cast<std::uint64_t>(about.st_size);
  char newest = '\n';  // where a full disk has cut a line, ours are not part of it
  if (about.st_size > 0 && pread(file_.get(), &newest, 1, about.st_size - 1) == 1 &&
      newest != '\n') {
    text_.insert(0, 1, '\n');
  }
  return {};
}

Result<> JournalLog::append(SlotNumber number, Outcome outcome, const LogLine& line,
                            std::int64_t now) {
  const bool plain = is_printable(line.reply, Tabs::refused);  // as nearly all of them are
  const std::string made = plain ? std::string() : printable(line.reply);
  const std::string_view reply = plain ? line.reply : made;
  if (now != time_) {
    time_ = now;
    time_text_ = fmt::format("\t{}\t", now);
  }
  const fmt::format_int slot(number);
  const std::size_t begin = text_.size();
  const std::size_t end = begin + 1 + time_text_.size() + line.address.size() + 1 +
                          line.relay.size() + 1 + reply.size() + 1 + slot.size() + 1;
  // libstdc++ 12 hands the capacity in where it should be the size.
  text_.resize_and_overwrite(end, [&](char* room, std::size_t /*size*/) {
    char* at = room + begin;
    const auto put = [&](std::string_view text) { at += text.copy(at, text.size()); };
    *at++ = static_cast<char>(outcome);
    put(time_text_);
    for (const std::string_view field : {line.address, line.relay, reply}) {
      put(field);
      *at++ = '\t';
    }
    put({slot.data(), slot.size()});
    *at = '\n';
    return end;
  });
  if (text_.size() < block) return {};
  return flush();
}

Result<> JournalLog::flush() {
  if (text_.empty()) return {};
  if (size_ + text_.size() > largest_file) {
    if (fdatasync(file_.get()) != 0) return system_failure("cannot sync " + directory_, errno);
    if (auto opened = open_file_of(number_ + 1); !opened) return fail(opened);
    if (auto synced = sync_directory(directory_); !synced) return fail(synced);
  }
  if (auto written = write_all(file_, text_, directory_ + "/log"); !written) return fail(written);
  size_ += text_.size();
  text_.clear();
  return {};
}

// ---- reading

namespace {

std::optional<OutcomeLine> line_to_outcome(std::string_view text, LogPlace place) {
  const auto fields = split(text, '\t');
  if (fields.size() != 6 || fields[0].size() != 1) return std::nullopt;
  const auto time = number<std::int64_t>(fields[1]);
  const auto slot = number<SlotNumber>(fields[5]);
  if (!time || !slot) return std::nullopt;
  return OutcomeLine{
      static_cast<Outcome>(fields[0][0]), *time, fields[2], fields[3], fields[4], *slot, place};
}

Result<> each_line(const std::string& directory, std::uint32_t number,
                   const std::function<Result<>(const OutcomeLine&)>& call) {
  const std::string path = log_path(directory, number);
  auto file = open_file(path, O_RDONLY);
  if (!file) return fail(file);
  Lines lines(file->get(), path, longest_line);
  LogPlace place{number};
  for (;;) {
    const auto line = lines.next();
    if (!line) return fail(line);
    if (line->kind == Line::Kind::none) return {};
    if (line->kind != Line::Kind::whole) continue;  // a kill may cut one
    if (const auto outcome = line_to_outcome(line->text, place)) {
      if (auto called = call(*outcome); !called) return called;
    }
    place.at += static_cast<std::uint32_t>(line->text.size() + 1);
  }
}

}  // namespace

Result<> each_outcome(const std::string& directory,
                      const std::function<Result<>(const OutcomeLine&)>& call) {
  const auto names = names_in(directory, Missing::is_empty);
  if (!names) return fail(names);
  for (const std::string& name : *names) {
    if (!name.starts_with("log.")) continue;
    const auto file = number<std::uint32_t>(name.substr(4));
    if (!file) continue;
    if (auto read = each_line(directory, *file, call); !read) return read;
  }
  return {};
}

Result<std::optional<OutcomeLine>> read_outcome(const std::string& directory, LogPlace place,
                                                std::string& room) {
  constexpr std::size_t piece = 2048;
  const std::string path = log_path(directory, place.file);
  const auto file = open_file(path, O_RDONLY | O_NOFOLLOW);
  if (!file) return fail(file);
  room.resize(piece);
  const ssize_t got = pread(file->get(), room.data(), room.size(), place.at);
  if (got < 0) return system_failure("cannot read " + path, errno);
  const auto text = std::string_view(room).substr(0, static_cast<std::size_t>(got));
  const auto lf = text.find('\n');
  if (lf == std::string_view::npos) return std::nullopt;
  return line_to_outcome(text.substr(0, lf), place);
}

}  // namespace ml
