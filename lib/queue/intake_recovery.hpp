// What a writer of the intake log left when it was killed, or the power cut. The states are in
// queue/intake_log.hpp.
//
//   const auto restored = recover_intake(home);
//   if (!restored) return fail(restored);                      // no queue is run, no mail taken in
//   if (*restored) wake_runners(home);                         // entries, in whatever queue
#pragma once

#include "base/home.hpp"
#include "base/result.hpp"

namespace ml {

// Each forsaken segment: of this boot, what it tells of is in the kernel's memory and is synced. Of
// another one, each of its entries is restored, durably:
//
//   | the entry's name, or NAME.HASH, is     | then                                               |
//   | -------------------------------------- | -------------------------------------------------- |
//   | nowhere in the queue                   | it is due, with the age that it had                |
//   | the file that was logged, or a         | a new file takes its place: what was never synced  |
//   | beginning of it                        | is not to be trusted                               |
//   | another file with the same octets      | left: whoever put it there has synced it           |
//   | another file with other octets         | kept beside it, as any arrival                     |
//
// and only then the segment is cleaned: killed at any moment, the next one begins anew. A segment
// that another process restores is waited for; that of a writer that lives is left alone. Gives
// whether there was one to restore. Where nothing was ever logged, this is one system call.
[[nodiscard]] Result<bool> recover_intake(const Home& home);

}  // namespace ml
