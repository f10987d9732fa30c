// SIGINT and SIGTERM for a program with something to finish: they wait until it sleeps, and are
// then asked for; the next one ends it. What our caller wants ignored stays ignored.
//
//   Interruptions interruptions;
//   interruptions.let_in();
//   if (Interruptions::caught() == 0) ppoll(..., &interruptions.while_asleep());
//   if (Interruptions::caught() != 0) ...finish...
//   if (Interruptions::caught() == SIGINT) raise(SIGINT);   // dies of it when this is gone
#pragma once

#include <csignal>
#include <initializer_list>

namespace ml {

// One at a time in a process.
class Interruptions {
 public:
  explicit Interruptions(std::initializer_list<int> signals = {SIGINT, SIGTERM});
  Interruptions(const Interruptions&) = delete;
  Interruptions& operator=(const Interruptions&) = delete;
  ~Interruptions();

  // What is blocked while sleeping; hand it to ppoll or epoll_pwait.
  [[nodiscard]] const sigset_t& while_asleep() const { return while_asleep_; }
  // Lets in what waits. A sleep that ends because there is something to do lets nothing in, so
  // that who always has something to do must call this now and then.
  void let_in() const;
  // The same for who does not know whether there is one, or the null pointer: for ppoll as well.
  [[nodiscard]] static const sigset_t* mask_of_sleep();
  // The number of the signal that came, or 0.
  [[nodiscard]] static int caught();

 private:
  sigset_t while_asleep_{};
};

}  // namespace ml
