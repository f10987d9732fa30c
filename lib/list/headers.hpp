// The header fields that a list gives its posts, and those that it takes away.
//
// RFC 2369 (List-*), RFC 2919 (List-Id). Foreign ones go, ours come. X-BeenThere is the loop mark:
// those of other lists stay, for the loop that leads through them.
//
//   list_fields(list, {.posting = Posting::open}) ->
//     X-BeenThere: news@x.org
//     List-Id: <news.x.org>
//     List-Post: <mailto:news@x.org>
//     List-Help: <mailto:news-request@x.org?subject=help>
//     List-Subscribe: <mailto:news-subscribe@x.org>
//     List-Unsubscribe: <mailto:news-unsubscribe@x.org>
//     List-Owner: <mailto:news-owner@x.org>
//     Precedence: list
//
// With a URL to unsubscribe at, RFC 8058:
//     List-Unsubscribe: <https://x.org/u/{{token}}>, <mailto:news-unsubscribe@x.org>
//     List-Unsubscribe-Post: List-Unsubscribe=One-Click
//
// What answers by itself says so, RFC 3834 5:
//     Auto-Submitted: auto-replied
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "list/name.hpp"

namespace ml {

enum class Posting { open, closed };

struct ListFields {
  Posting posting = Posting::open;  // closed: `List-Post: NO`
  std::string archive{};            // a URL; empty: no List-Archive
  std::string unsubscribe{};        // an https URL with token_slot once; empty: by mail alone
};

// Where the recipient's token comes to stand, in `unsubscribe` and in the field made of it.
inline constexpr std::string_view token_slot = "{{token}}";

// Whole lines, each with its LF. An archive that is no plain URL is 75, and so is a URL to
// unsubscribe at that is not as said.
[[nodiscard]] Result<std::string> list_fields(const ListName& list, const ListFields& fields);

// True for what a passing post loses, whoever set it: List-*, Precedence, the trace of this
// delivery (Return-Path, Delivered-To, X-Original-To, Envelope-To) and what would make every
// subscriber's mail program answer the author (Return-Receipt-To, Disposition-Notification-To,
// Errors-To). Names compare without case.
[[nodiscard]] bool is_taken_away(std::string_view field_name);

// True if this field's value says that the message has been through this list: an X-BeenThere
// with its address, or a List-Id with its id.
[[nodiscard]] bool is_loop_mark(const ListName& list, std::string_view field_name,
                                std::string_view value);

// True if this field's value says that nobody wrote the message: a program did, to answer another
// one. What a program sends of its own accord (auto-generated, auto-notified) is not meant, nor
// is Precedence, which says how to treat a message and not what it is. Comments and parameters
// are passed over, case too.
[[nodiscard]] bool is_automatic_answer(std::string_view field_name, std::string_view value);

}  // namespace ml
