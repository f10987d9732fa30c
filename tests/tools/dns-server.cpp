// dns-server: a resolver for tests, on loopback, by UDP and TCP, that knows one file and nothing
// else.
//
//   dns-server --zone zone --port-file port --log log &
//
// A line of the file is NAME TTL TYPE DATA, and # begins a remark:
//
//   x.test      300  MX     10 mx1.x.test        (. is the null MX)
//   mx1.x.test  60   A      127.0.0.1            (AAAA the same)
//   _a._tcp.x.test 60 SRV   0 5 2525 mx1.x.test  (priority, weight, port, host)
//   y.test      60   CNAME  x.test
//   sick.test   0    FAIL                        SERVFAIL; SILENCE: no answer; GARBAGE: no reply's
//                                                octets; CUT: a reply that ends in its middle; TCP:
//                                                by UDP all is cut off (TC), by TCP not
//
// A name that is in no line does not exist. The log has a line a question: NAME TYPE udp|tcp.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

using namespace ml;

namespace {

struct Line {
  std::string name;
  std::uint32_t ttl = 0;
  std::string type;
  std::vector<std::string> data;
};

struct Question {
  std::string name;
  std::uint16_t type = 0;
  std::string octets;
};

constexpr std::array<std::pair<std::string_view, std::uint16_t>, 5> types{
    {{"A", 1}, {"CNAME", 5}, {"MX", 15}, {"AAAA", 28}, {"SRV", 33}}};

std::uint16_t text_to_type(std::string_view text) {
  for (const auto& [name, code] : types) {
    if (name == text) return code;
  }
  return 0;
}

std::string type_to_text(std::uint16_t type) {
  for (const auto& [name, code] : types) {
    if (code == type) return std::string(name);
  }
  return fmt::to_string(type);
}

void put_two(std::string& to, unsigned value) {
  to.push_back(static_cast<char>(value >> 8 & 0xff));
  to.push_back(static_cast<char>(value & 0xff));
}

void put_name(std::string& to, std::string_view name) {
  for (const auto label : split(name, '.')) {
    if (label.empty()) continue;
    to.push_back(static_cast<char>(label.size()));
    to.append(label);
  }
  to.push_back('\0');
}

unsigned word_to_number(const Line& line, std::size_t index) {
  return number<std::uint16_t>(line.data.at(index)).value_or(0);
}

std::string inside(const Line& line) {
  std::string octets;
  if (line.type == "A" || line.type == "AAAA") {
    octets.resize(line.type == "A" ? 4 : 16);
    inet_pton(line.type == "A" ? AF_INET : AF_INET6, line.data.at(0).c_str(), octets.data());
    return octets;
  }
  for (std::size_t i = 0; i + 1 < line.data.size(); ++i) put_two(octets, word_to_number(line, i));
  put_name(octets, line.data.back());
  return octets;
}

void put_record(std::string& to, const Line& line) {
  put_name(to, line.name);
  put_two(to, text_to_type(line.type));
  put_two(to, 1);
  put_two(to, line.ttl >> 16);
  put_two(to, line.ttl & 0xffff);
  const std::string octets = inside(line);
  put_two(to, static_cast<unsigned>(octets.size()));
  to += octets;
}

class Zone {
 public:
  explicit Zone(std::string_view text) {
    for (const auto line : split(text, '\n')) {
      const auto parts = words(line.substr(0, line.find('#')));
      if (parts.size() < 3) continue;
      lines_.push_back({lower(parts[0]),
                        number<std::uint32_t>(parts[1]).value_or(0),
                        std::string(parts[2]),
                        {parts.begin() + 3, parts.end()}});
    }
  }

  // Nothing: no reply.
  [[nodiscard]] std::optional<std::string> answer(std::string_view query, bool tcp,
                                                  std::string& log) const {
    const auto question = take_question(query);
    if (!question) return std::nullopt;
    log += fmt::format("{} {} {}\n", question->name, type_to_text(question->type),
                       tcp ? "tcp" : "udp");
    std::string name = question->name;
    bool exists = false;
    unsigned count = 0;
    std::string records;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const Line& line = lines_[i];
      if (line.name != name) continue;
      exists = true;
      if (line.type == "SILENCE") return std::nullopt;
      if (line.type == "FAIL") return reply(query, 2, 0, *question, {});
      if (line.type == "GARBAGE") return std::string("\x01garbage");
      if (line.type == "CUT") {
        const std::string whole = reply(query, 0, 3, *question, {});
        return whole + std::string("\x04name", 5);
      }
      if (line.type == "TCP" && !tcp) return reply(query, 0x200, 0, *question, {});
      const bool alias = line.type == "CNAME" && question->type != 5;
      if (!alias && text_to_type(line.type) != question->type) continue;
      put_record(records, line);
      ++count;
      if (!alias) continue;
      name = line.data.at(0);
      i = static_cast<std::size_t>(-1);
    }
    return reply(query, exists ? 0 : 3, count, *question, records);
  }

 private:
  static std::optional<Question> take_question(std::string_view query) {
    if (query.size() < 12) return std::nullopt;
    Question question;
    std::size_t at = 12;
    while (at < query.size() && query[at] != '\0') {
      const auto size = static_cast<unsigned char>(query[at]);
      if (at + 1 + size > query.size()) return std::nullopt;
      if (!question.name.empty()) question.name.push_back('.');
      question.name += lower(query.substr(at + 1, size));
      at += 1 + size;
    }
    if (at + 5 > query.size()) return std::nullopt;
    question.type = static_cast<std::uint16_t>(static_cast<unsigned char>(query[at + 1]) << 8 |
                                               static_cast<unsigned char>(query[at + 2]));
    question.octets = query.substr(12, at + 5 - 12);
    return question;
  }

  static std::string reply(std::string_view query, unsigned code, unsigned count,
                           const Question& question, std::string_view records) {
    std::string octets(query.substr(0, 2));
    put_two(octets, 0x8180U | code);
    put_two(octets, 1);
    put_two(octets, count);
    put_two(octets, 0);
    put_two(octets, 0);
    octets += question.octets;
    return octets.append(records);
  }

  std::vector<Line> lines_;
};

Fd bound_socket(int kind, std::uint16_t port) {
  Fd made(socket(AF_INET, kind | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(made.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) made.reset();
  return made;
}

std::uint16_t port_of(const Fd& bound) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(bound.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

struct Sockets {
  Fd udp;
  Fd tcp;
};

// Both of one number: the first that is free for datagrams may be another's for connections.
std::optional<Sockets> listening_sockets() {
  for (int tries = 0; tries < 100; ++tries) {
    Fd udp = bound_socket(SOCK_DGRAM, 0);
    Fd tcp = bound_socket(SOCK_STREAM, port_of(udp));
    if (tcp.open() && listen(tcp.get(), 16) == 0) return Sockets{std::move(udp), std::move(tcp)};
  }
  return std::nullopt;
}

void answer_datagram(const Zone& zone, const Fd& udp, std::string& log) {
  std::array<char, 4096> room{};
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  auto* const address = reinterpret_cast<sockaddr*>(&from);
  const ssize_t got = recvfrom(udp.get(), room.data(), room.size(), 0, address, &size);
  if (got <= 0) return;
  const auto reply = zone.answer({room.data(), static_cast<std::size_t>(got)}, false, log);
  if (reply) sendto(udp.get(), reply->data(), reply->size(), 0, address, size);
}

// One question a connection.
void answer_connection(const Zone& zone, const Fd& tcp, std::string& log) {
  const Fd client(accept4(tcp.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::array<char, 2 + 4096> room{};
  std::size_t got = 0;
  while (client.open()) {
    const ssize_t count = read(client.get(), room.data() + got, room.size() - got);
    if (count <= 0) return;
    got += static_cast<std::size_t>(count);
    if (got < 2) continue;
    const std::size_t wanted =
        static_cast<unsigned char>(room[0]) * 256U + static_cast<unsigned char>(room[1]);
    if (got - 2 < wanted) continue;
    const auto reply = zone.answer({room.data() + 2, wanted}, true, log);
    if (!reply) return;
    std::string octets;
    put_two(octets, static_cast<unsigned>(reply->size()));
    static_cast<void>(write_all(client, octets + *reply, "the client"));
    return;
  }
}

Result<Status> run(int argc, char** argv) {
  if (auto started = start("dns-server"); !started) return fail(started);
  std::optional<std::string> zone_file;
  std::optional<std::string> port_file;
  std::optional<std::string> log_file;
  Options options("dns-server", "--zone FILE", "A resolver for tests.", "dns-server --zone zone");
  options.text(zone_file, "--zone", "FILE", "what it knows")
      .text(port_file, "--port-file", "FILE", "the port is written there")
      .text(log_file, "--log", "FILE", "a line a question");
  auto read = options.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  const auto text = read_file(zone_file.value_or("zone"), 1 << 20);
  if (!text) return fail(text);
  const Zone zone(*text);
  const auto sockets = listening_sockets();
  if (!sockets) return retry("no port is free for datagrams and for connections");
  const auto& [udp, tcp] = *sockets;
  auto log = open_file(log_file.value_or("/dev/null"), O_WRONLY | O_CREAT | O_APPEND);
  if (!log) return fail(log);
  if (port_file) {
    auto port = open_file(*port_file + ".new", O_WRONLY | O_CREAT | O_TRUNC);
    if (!port) return fail(port);
    if (auto written = write_all(*port, fmt::to_string(port_of(udp)), *port_file); !written) {
      return fail(written);
    }
    if (rename((*port_file + ".new").c_str(), port_file->c_str()) != 0)
      return retry("no port file");
  }
  for (;;) {
    std::array<pollfd, 2> watched{{{udp.get(), POLLIN, 0}, {tcp.get(), POLLIN, 0}}};
    if (poll(watched.data(), watched.size(), -1) < 0) continue;
    std::string said;
    if (watched[0].revents != 0) answer_datagram(zone, udp, said);
    if (watched[1].revents != 0) answer_connection(zone, tcp, said);
    if (auto written = write_all(*log, said, "the log"); !written) return fail(written);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return leave(run(argc, argv));
}
