#include "stage/left_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/directory.hpp"
#include "base/lines.hpp"
#include "stage/handover.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

// Behind symbolic links, so that these stay.
std::string target_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real ? real.get() : path;
}

std::string key_of(std::string_view id, std::string_view part) {
  return std::string(id).append(1, '\t').append(part);
}

// Of a message's line, whatever else is wrong with it.
std::string key_of_line(std::string_view line) {
  take_field(line);
  const std::string_view id = take_field(line);
  take_field(line);
  take_field(line);
  return key_of(id, Attributes(line).value("part").value_or(""));
}

bool begins_section(std::string_view line) {
  return line.starts_with("message\t");
}

bool is_input(const Fd& file) {
  struct stat about{}, input{};
  return fstat(file.get(), &about) == 0 && fstat(0, &input) == 0 && input.st_dev == about.st_dev &&
         input.st_ino == about.st_ino;
}

Result<> to_begin_of(const Fd& file, const std::string& path, off_t at = 0) {
  if (lseek(file.get(), at, SEEK_SET) != at) return system_failure("cannot read " + path, errno);
  return {};
}

// Whoever has the lock of it may write it, and rename it.
Result<Fd> lock_beside(const std::string& path, const std::string& beside) {
  for (;;) {
    auto file = open_file(beside, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW);
    if (!file) return file;
    if (flock(file->get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return retry("{}: another run writes it", path);
      return system_failure("cannot lock " + beside, errno);
    }
    if (!is_same_file(*file, beside)) continue;
    if (ftruncate(file->get(), 0) != 0) return system_failure("cannot empty " + beside, errno);
    return file;
  }
}

}  // namespace

LeftFile::LeftFile(std::string path) : path_(std::move(path)), target_(target_of(path_)) {
  struct stat about{};
  const bool is_plain = stat(target_.c_str(), &about) != 0 || S_ISREG(about.st_mode);
  if (is_plain) beside_ = target_ + ".new";
}

LeftFile::~LeftFile() {
  if (fresh_.open()) unlink(beside_.c_str());
}

Result<> LeftFile::begin() {
  if (beside_.empty()) return check_handover(path_);
  auto fresh = lock_beside(path_, beside_);
  if (!fresh) return fail(fresh);
  fresh_ = std::move(*fresh);
  if (!exists(target_)) return {};
  auto old = open_file(target_, O_RDONLY);
  if (!old) return fail(old);
  old_ = std::move(*old);
  is_input_ = is_input(old_);
  const auto first = first_octets(old_.get());
  if (!first) return fail(first);
  if (first->empty() || begins_stream(*first)) return {};
  return retry("{} is no stream: it is not to be replaced by one", path_);
}

// ---- sections of the run

Result<const LeftFile::Places*> LeftFile::places() {
  if (places_) return &*places_;
  Places found;
  if (!old_.open()) return &places_.emplace();
  if (auto begun = to_begin_of(old_, path_); !begun) return fail(begun);
  Lines lines(old_.get(), path_, Reader::longest_line);
  off_t at = 0;
  for (;;) {
    const auto line = lines.next();
    if (!line) return fail(line);
    if (line->kind != Line::Kind::whole) break;  // what follows a line that is too long stays
    if (begins_section(line->text)) found.emplace(key_of_line(line->text), at);
    at += static_cast<off_t>(line->text.size() + 1);
  }
  places_ = std::move(found);
  return &*places_;
}

Result<> LeftFile::answer(std::string_view id, std::string_view part, const Waits& waits) {
  if (!fresh_.open()) return {};
  std::string key = key_of(id, part);
  if (is_input_) {
    answered_.insert(std::move(key));
    return {};
  }
  if (answered_.contains(key)) return {};
  const auto found = places();
  if (!found) return fail(found);
  const auto [first, last] = (*found)->equal_range(key);
  for (auto place = first; place != last; ++place) {
    const auto kept = keep_waiting(place->second, waits);
    if (!kept) return fail(kept);
    if (!*kept) return {};
  }
  answered_.insert(std::move(key));
  return {};
}

// False: the section has no end of its own, so that more may be in it than can be read.
Result<bool> LeftFile::keep_waiting(off_t at, const Waits& waits) {
  if (auto begun = to_begin_of(old_, path_, at); !begun) return fail(begun);
  Reader in(old_.get());
  Writer out(fresh_.get(), beside_);
  std::string message;
  bool any = false;
  for (auto record = in.next(); record != Record::end; record = in.next()) {
    if (record == Record::none) return false;
    if (record == Record::message) message = in.line();
    if (record != Record::rcpt) continue;
    const auto stays = waits(in.rcpt().address);
    if (!stays) return fail(stays);
    if (!*stays) continue;
    if (!std::exchange(any, true)) out.pass(message);
    out.pass(in.line());
  }
  if (any) out.end(Status::done, "");
  if (any) ++kept_;
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return !in.end().found_here;
}

// ---- the end

Result<std::uint64_t> LeftFile::finish(Whole whole) {
  if (!fresh_.open()) return 0;
  struct stat old{}, fresh{};
  const bool has_old = old_.open();
  if ((has_old && fstat(old_.get(), &old) != 0) || fstat(fresh_.get(), &fresh) != 0) {
    return system_failure("cannot look at " + path_, errno);
  }
  if (whole == Whole::no && (fresh.st_size == 0 || is_input_)) return 0;
  if (fresh.st_size == 0 && has_old && old.st_size == 0) return 0;
  auto others = has_old ? keep_others() : Result<std::uint64_t>(0);
  if (!others) return others;
  if (auto synced = sync(fresh_, beside_); !synced) return fail(synced);
  if (has_old) static_cast<void>(fchmod(fresh_.get(), old.st_mode & 0777));
  if (rename(beside_.c_str(), target_.c_str()) != 0) {
    return system_failure("cannot rename " + beside_, errno);
  }
  fresh_.reset();
  if (auto synced = sync_directory(directory_of(target_)); !synced) return fail(synced);
  return others;
}

// Octet for octet, behind the run's own. An end without a section says nothing any more.
Result<std::uint64_t> LeftFile::keep_others() {
  if (auto begun = to_begin_of(old_, path_); !begun) return fail(begun);
  Lines lines(old_.get(), path_, Reader::longest_line);
  Writer out(fresh_.get(), beside_);
  enum class At { outside, ours, others } at = At::outside;
  std::uint64_t count = kept_;
  for (;;) {
    const auto line = lines.next();
    if (!line) return fail(line);
    if (line->kind == Line::Kind::none) break;
    if (line->kind == Line::Kind::too_long) {
      return retry("{}: line {} is too long to be kept", path_, lines.number());
    }
    const bool is_end = line->text.starts_with("end\t");
    if (begins_section(line->text)) {
      at = answered_.contains(key_of_line(line->text)) ? At::ours : At::others;
      if (at == At::others) ++count;
    }
    if (at == At::others || (at == At::outside && !is_end)) {
      out.put(line->text);
      if (line->kind == Line::Kind::whole) out.put("\n");
    }
    if (is_end) at = At::outside;
  }
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return count;
}

}  // namespace ml
