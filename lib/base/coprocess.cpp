#include "base/coprocess.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace ml {

Result<Coprocess> Coprocess::start(const std::vector<std::string>& argv) {
  auto input = make_pipe();
  if (!input) return fail(input);
  auto output = make_pipe();
  if (!output) return fail(output);
  auto child = spawn(argv, input->read, output->write);
  if (!child) return fail(child);
  fcntl(input->write.get(), F_SETFL, O_NONBLOCK);
  return Coprocess(*child, std::move(input->write), std::move(output->read));
}

Result<> Coprocess::feed(std::string_view octets, const Take& take) {
  while (!octets.empty() && to_.open()) {
    std::array<pollfd, 2> both{pollfd{to_.get(), POLLOUT, 0}, pollfd{from_.get(), POLLIN, 0}};
    if (poll(both.data(), both.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return system_failure("cannot wait for the command", errno);
    }
    if (both[1].revents != 0) {
      if (auto taken = take_some(take); !taken) return fail(taken);
    }
    if (both[0].revents != 0) {
      if (auto given = give_some(octets); !given) return fail(given);
    }
  }
  return {};
}

Result<Ending> Coprocess::finish(const Take& take) {
  to_.reset();
  while (from_.open()) {
    if (auto taken = take_some(take); !taken) return fail(taken);
  }
  return wait_for(child_);
}

// At the end of the command's output the descriptor closes; poll passes over a closed one (-1).
Result<> Coprocess::take_some(const Take& take) {
  std::array<char, 65536> room;
  auto got = read_some(from_.get(), room, "the output of the command");
  if (!got) return fail(got);
  if (*got == 0) {
    from_.reset();
  } else {
    take({room.data(), *got});
  }
  return {};
}

Result<> Coprocess::give_some(std::string_view& octets) {
  const ssize_t written = write(to_.get(), octets.data(), octets.size());
  if (written >= 0) {
    octets.remove_prefix(static_cast<std::size_t>(written));
  } else if (errno == EPIPE) {
    to_.reset();
  } else if (errno != EAGAIN && errno != EINTR) {
    return system_failure("cannot write to the command", errno);
  }
  return {};
}

}  // namespace ml
