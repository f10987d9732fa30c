// A home with a store in it, and short words for the tests that use one.
#pragma once

#include <catch2/catch.hpp>

#include <string>
#include <utility>

#include "scratch.hpp"
#include "store/store.hpp"

namespace ml::tests {

inline Address at(const std::string& text) {
  const auto address = text_to_address(text);
  INFO(text);
  REQUIRE(address);
  return *address;
}

class ScratchStore : public Scratch {
 public:
  [[nodiscard]] Store store(const DbLimits& limits = {}) const {
    auto store = Store::open(home(), Access::make, limits);
    INFO((store ? std::string() : store.error().text));
    REQUIRE(store);
    return std::move(*store);
  }

  static ListNumber list(Store& store, const std::string& name = "news@x.org") {
    const auto list = store.make_list(name);
    REQUIRE(list);
    return *list;
  }
};

}  // namespace ml::tests
