// The store of a home, opened when it is first wanted: a send to a file of people needs neither.
//
//   LateStore store(options.home);
//   auto there = store.if_there();            // nullptr: no home, or nothing in it yet
#pragma once

#include <optional>
#include <string>

#include "base/home.hpp"
#include "base/result.hpp"
#include "store/store.hpp"

namespace ml {

class LateStore {
 public:
  // `home`: as open_home() takes it.
  explicit LateStore(std::optional<std::string> home) : given_(std::move(home)) {}

  // For reading. What is given lives as long as this, where it stands.
  [[nodiscard]] Result<Store*> store();
  [[nodiscard]] Result<Store*> if_there();
  [[nodiscard]] Result<const Home*> home();

 private:
  [[nodiscard]] Result<> open();

  std::optional<std::string> given_;
  std::optional<Home> home_;
  std::optional<Store> store_;
};

}  // namespace ml
