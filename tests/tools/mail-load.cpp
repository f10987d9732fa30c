// Hands many messages to a mail server over several connections, one after another on each, as
// fast as it takes them; by SMTP, or LMTP with --lmtp. On each connection MAIL, RCPT and DATA go in
// one write, then the message and its dot in one. Prints
//   taken N refused N lost N seconds S rate R
// lost: sent without a reply. Message i has the subject "message i"; --log names those taken.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/options.hpp"
#include "base/out.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

using namespace ml;

namespace {

struct Load {
  std::string where;  // unix:PATH or a port on 127.0.0.1
  bool lmtp = false;
  std::uint64_t messages = 1000;
  std::uint64_t size = 4096;
  std::string sender = "ann@example.org";
  std::vector<std::string> recipients;
};

struct Tally {
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> taken{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> lost{0};
  std::mutex mutex;
  std::string log;
};

Fd connect_to(const std::string& where) {
  if (where.starts_with("unix:")) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, where.data() + 5,
                std::min(where.size() - 5, sizeof address.sun_path - 1));
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
    return fd;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(number<std::uint16_t>(where).value_or(0));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

class Client {
 public:
  Client(const Load& load, Tally& tally, const std::string& body)
      : load_(load), tally_(tally), body_(body) {}

  void run() {
    fd_ = connect_to(load_.where);
    if (!fd_.open() || reply() != 220) return;
    if (!write_all(fd_, load_.lmtp ? "LHLO load.test\r\n" : "EHLO load.test\r\n", "it")) return;
    if (reply() != 250) return;
    for (;;) {
      const std::uint64_t number = tally_.next++;
      if (number >= load_.messages) break;
      if (!send_one(number)) return;
    }
    static_cast<void>(write_all(fd_, "QUIT\r\n", "it"));
    reply();
  }

 private:
  // False when the connection is of no more use.
  bool send_one(std::uint64_t number) {
    std::string group = "MAIL FROM:<" + load_.sender + ">\r\n";
    for (const std::string& recipient : load_.recipients)
      group += "RCPT TO:<" + recipient + ">\r\n";
    if (!write_all(fd_, group + "DATA\r\n", "it")) return false;
    const int mail = reply();
    std::uint64_t accepted = 0;
    for (std::size_t i = 0; i < load_.recipients.size(); ++i) accepted += reply() == 250 ? 1U : 0U;
    const int data = reply();
    if (mail != 250 || data != 354) {
      ++tally_.refused;
      if (data <= 0 || data == 421) return false;
      return write_all(fd_, "RSET\r\n", "it") && reply() == 250;
    }
    const std::string text = fmt::format(
        "From: {}\r\nTo: news@x.org\r\nSubject: message {}\r\nMessage-ID: "
        "<{}.{}@load.test>\r\n\r\n",
        load_.sender, number, number, getpid());
    if (!write_all(fd_, text + body_ + ".\r\n", "it")) {
      ++tally_.lost;
      return false;
    }
    return hear_verdicts(number, load_.lmtp ? accepted : 1);
  }

  bool hear_verdicts(std::uint64_t number, std::uint64_t replies) {
    bool taken = true;
    for (std::uint64_t i = 0; i < replies; ++i) {
      const int code = reply();
      if (code <= 0) {
        ++tally_.lost;
        return false;
      }
      taken = taken && code == 250;
    }
    ++(taken ? tally_.taken : tally_.refused);
    if (!taken) return true;
    const std::scoped_lock lock(tally_.mutex);
    tally_.log += fmt::format("{}\n", number);
    return true;
  }

  // The code of the next reply, 0 where none comes.
  int reply() {
    for (;;) {
      const auto end = heard_.find('\n');
      if (end != std::string::npos) {
        const std::string line = heard_.substr(0, end);
        heard_.erase(0, end + 1);
        if (line.size() < 4) return 0;
        if (line[3] == ' ') return number<int>(line.substr(0, 3)).value_or(0);
        continue;
      }
      std::array<char, 4096> room;
      const ssize_t got = read(fd_.get(), room.data(), room.size());
      if (got <= 0) return 0;
      heard_.append(room.data(), static_cast<std::size_t>(got));
    }
  }

  const Load& load_;
  Tally& tally_;
  const std::string& body_;
  Fd fd_;
  std::string heard_;
};

Result<Status> run(int argc, char** argv) {
  if (auto started = start("mail-load"); !started) return fail(started);
  Load load;
  std::optional<std::uint64_t> connections;
  std::optional<std::uint64_t> messages;
  std::optional<std::uint64_t> size;
  std::optional<std::string> log;
  std::optional<std::string> sender;
  Options options("mail-load", "[OPTION...] WHERE", "Hands many messages to a mail server.",
                  "mail-load --lmtp --connections 20 --rcpt news@x.org unix:/run/lmtp");
  options.flag(load.lmtp, "--lmtp", "speak LMTP")
      .number(connections, "--connections", "N", "at a time (1)")
      .number(messages, "--messages", "N", "in all (1000)")
      .size(size, "--size", "OCTETS", "of each (4096)")
      .many(load.recipients, "--rcpt", "ADDRESS", "of each message (news@x.org)")
      .text(sender, "--sender", "ADDRESS", "of each message (ann@example.org)")
      .text(log, "--log", "FILE", "the numbers of those taken")
      .operand(load.where, "WHERE");
  auto read = options.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  load.messages = messages.value_or(load.messages);
  load.size = size.value_or(load.size);
  load.sender = sender.value_or(load.sender);
  if (load.recipients.empty()) load.recipients = {"news@x.org"};

  std::string body;
  while (body.size() < load.size)
    body += "A line of sixty-four octets, its line end among them, no more..\r\n";
  Tally tally;
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < connections.value_or(1); ++i) {
    threads.emplace_back([&] { Client(load, tally, body).run(); });
  }
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (log) {
    auto file = open_file(*log, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file) return fail(file);
    if (auto put = write_all(*file, tally.log, *log); !put) return fail(put);
  }
  const std::string counts =
      fmt::format("taken {} refused {} lost {} seconds {:.3f} rate {:.0f}\n", tally.taken.load(),
                  tally.refused.load(), tally.lost.load(), took.count(),
                  static_cast<double>(tally.taken) / took.count());
  if (auto put = write_all(1, counts, "standard output"); !put) return fail(put);
  return Status::done;
}

}  // namespace

int main(int argc, char** argv) {
  return leave(run(argc, argv));
}
