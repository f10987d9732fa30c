// Sockets that a service listens on: its own, or those that its supervisor hands it.
//
//   auto given = inherited_sockets();                       // systemd's, or none
//   auto own = listen_on("unix:/run/mlpipe/lmtp");          // or "24", "127.0.0.1:24", "[::1]:24"
//   if (!own) return fail(own);
//   tell_supervisor("READY=1");
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace ml {

// A listening socket, non-blocking. One of ours on a path takes the path away with it.
class Listener {
 public:
  Listener(Fd socket, std::string path, Fd lock)
      : socket_(std::move(socket)), path_(std::move(path)), lock_(std::move(lock)) {}
  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) noexcept = delete;
  ~Listener();

  [[nodiscard]] int fd() const { return socket_.get(); }
  // The next connection, non-blocking; none open if nobody waits (any more).
  [[nodiscard]] Fd accept() const;

 private:
  Fd socket_;
  std::string path_;  // empty: not ours to take away
  Fd lock_;
};

// `where`: unix:PATH, PORT (on 127.0.0.1) or ADDRESS:PORT; an address is numeric, `*` is all of
// them. A socket on a path gets mode 0660. PATH.lock is locked for as long as it listens, so that
// of two services on one path the second is 75, and a path that a dead one left is taken over.
[[nodiscard]] Result<Listener> listen_on(const std::string& where);

// One that somebody else has made.
[[nodiscard]] Listener adopt(Fd socket);

// The descriptors that systemd passed (sd_listen_fds(3)), close-on-exec; the environment forgets
// them. Each listens, or is a connection.
[[nodiscard]] std::vector<Fd> inherited_sockets();
[[nodiscard]] bool is_listening(int fd);

// What a supervisor of kind notify wants to know: "READY=1", "STOPPING=1" (sd_notify(3)). Nothing
// happens where there is none.
void tell_supervisor(std::string_view state);

}  // namespace ml
