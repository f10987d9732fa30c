// How a list is named, and how an address under a list domain is read: list, role, extension.
//
//   auto list = text_to_list_name("announce", "lists.example.org");   // default domain
//   list->text() == "announce@lists.example.org"
//   split_local_part("announce-bounces+ab12")  ->  {"announce", Role::bounces, "ab12"}
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ml {

// Role words are the address suffixes (announce-owner) and the keys of [pipeline].
enum class Role { post, bounces, owner, request, subscribe, unsubscribe, confirm };

[[nodiscard]] std::string_view role_to_text(Role role);
// Also Mailman's join, leave and admin (subscribe, unsubscribe, owner).
[[nodiscard]] std::optional<Role> text_to_role(std::string_view text);

// local: `[a-z0-9][a-z0-9._-]{0,39}`, a dot-string, not ending in a role suffix, and not
// `bounces`, which is where bounces for lists with long names go; domain: A-labels, lower case.
// Nothing else can become part of a path or a key.
struct ListName {
  std::string local;
  std::string domain;

  [[nodiscard]] std::string text() const { return local + '@' + domain; }
  // "announce-bounces@lists.example.org"; post: the list's own address.
  [[nodiscard]] std::string address(Role role) const;
  bool operator==(const ListName&) const = default;
};

// A full posting address, or a bare name completed with `default_domain` (75 if that is empty).
// Capitals are folded.
[[nodiscard]] Result<ListName> text_to_list_name(std::string_view text,
                                                 std::string_view default_domain = {});

// What a local part under a list domain says, by its shape alone.
struct LocalPart {
  std::string list;  // folded, a legal name; may name no list that exists. Empty, with
                     // Role::bounces: the extension begins with a list's handle (verp.hpp)
  Role role = Role::post;
  std::string extension;  // after the first '+' (or the delimiter), case kept; often empty

  bool operator==(const LocalPart&) const = default;
};

// Every reading, the longest list name first. With '+' there is at most one; with '-', which
// names may hold too, only the lists that exist can tell: take the first reading that names one.
[[nodiscard]] std::vector<LocalPart> local_part_readings(std::string_view local,
                                                         char delimiter = '+');

// The likeliest reading where no list is known: the longest name before a role, else the whole.
[[nodiscard]] std::optional<LocalPart> split_local_part(std::string_view local,
                                                        char delimiter = '+');

}  // namespace ml
