#include "base/interruptions.hpp"

namespace ml {
namespace {

volatile std::sig_atomic_t caught_signal = 0;
const sigset_t* of_sleep = nullptr;

}  // namespace

Interruptions::Interruptions(std::initializer_list<int> signals) {
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int signal : signals) {
    struct sigaction before{};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;
    struct sigaction action{};
    action.sa_handler = [](int number) { caught_signal = number; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
    sigaddset(&blocked, signal);
  }
  sigprocmask(SIG_BLOCK, &blocked, &while_asleep_);
  of_sleep = &while_asleep_;
}

Interruptions::~Interruptions() {
  of_sleep = nullptr;
  sigprocmask(SIG_SETMASK, &while_asleep_, nullptr);
}

void Interruptions::let_in() const {
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, &while_asleep_, &blocked);
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
}

const sigset_t* Interruptions::mask_of_sleep() {
  return of_sleep;
}

int Interruptions::caught() {
  return caught_signal;
}

}  // namespace ml
