#include "stage/verp.hpp"

#include <string_view>
#include <utility>
#include <vector>

#include "base/home.hpp"
#include "base/text.hpp"
#include "list/name.hpp"
#include "mail/slots.hpp"
#include "mail/subscription_token.hpp"
#include "mail/verp.hpp"
#include "stage/bounce_address.hpp"
#include "store/keys.hpp"
#include "store/store.hpp"
#include "stream/filter.hpp"

namespace ml {
namespace {

// A local part of 64 octets and the @ leave so much of a path.
constexpr std::size_t longest_list_domain = longest_address - longest_local - 1;

// What waits for one look at the handles; and where some are missing, for one commit of them.
constexpr std::size_t longest_look = std::size_t{128} << 10;
constexpr std::size_t longest_wait = std::size_t{4} << 20;

struct Rooms {
  VerpKeys keys;
  TokenKey token_key;
  Store store;
};

Result<Rooms> open_rooms(const std::optional<std::string>& directory, Create create) {
  auto home = open_home(directory, create);
  if (!home) return fail(home);
  if (create == Create::yes) {
    if (auto made = make_keys(*home); !made) return fail(made);
  }
  auto keys = keys_to_sign(*home, time(nullptr));
  if (!keys) return fail(keys);
  auto store = Store::open(*home, create == Create::yes ? Access::make : Access::write);
  if (!store) return fail(store);
  return Rooms{signing_keys(*keys), token_key_of(keys->newest()), std::move(*store)};
}

// The list that a section without list= stands for: its sender, or whose bounces that takes.
Result<ListName> sender_to_list(std::string_view sender) {
  const auto at = sender.rfind('@');
  const auto part = split_local_part(sender.substr(0, at));
  const bool takes_bounces =
      part && part->role == Role::bounces && part->extension.empty() && !part->list.empty();
  auto list = at == std::string_view::npos ? text_to_list_name(sender)
              : takes_bounces ? text_to_list_name(part->list + std::string(sender.substr(at)))
                              : text_to_list_name(sender);
  if (list) return list;
  return retry("bounces cannot come back to the sender {}: {}", printable(sender, 320),
               list.error().text);
}

// Lines on their way out, in order; those behind a recipient whose handle is not yet in the store
// wait with it.
class Senders {
 public:
  Senders(Verp verp, std::optional<SubscriptionTokens> tokens, Rooms& rooms, Writer& out)
      : verp_(std::move(verp)), tokens_(std::move(tokens)), rooms_(rooms), out_(out) {}

  // The recipient with what it lacks: a sender of its own, if `sender` says so, and its token.
  Result<> sign(std::string_view line, const RcptRecord& rcpt, VerpSender sender) {
    const bool lacks_sender = sender == VerpSender::each && rcpt.sender == "-";
    const bool lacks_token = tokens_ && !rcpt.attributes.raw(token_key);
    if (!lacks_sender && !lacks_token) {
      room().append(line).push_back('\n');
      return settle();
    }
    std::string_view local;
    std::string_view domain;
    Address parsed;
    const auto at = plain_at(rcpt.address);
    if (at) {
      local = rcpt.address.substr(0, *at);
      domain = rcpt.address.substr(*at + 1);
    } else {
      auto address = text_to_address(rcpt.address);
      if (!address) return fail(address);
      parsed = std::move(*address);
      local = parsed.local;
      domain = parsed.domain;
    }
    std::size_t copied = 0;
    if (lacks_sender) {
      copied = static_cast<std::size_t>(rcpt.sender.data() - line.data());
      std::string& to = room();
      to.append(line.substr(0, copied));
      const bool appended =
          at ? verp_.append_sender(to, rcpt.address, *at) : verp_.append_sender(to, local, domain);
      if (!appended) wait(to, canonical_recipient(local, domain));
      copied += rcpt.sender.size();
    }
    std::string& to = room();
    to.append(line.substr(copied));
    if (lacks_token) {
      to.append("\t").append(token_key).push_back('=');
      tokens_->append(to, local, domain);
    }
    to.push_back('\n');
    return settle();
  }

  // Everything that waits leaves, its handles first made durable.
  Result<> flush() {
    if (recipients_.empty()) return {};
    const auto handles = rooms_.store.give_handles(recipients_, handle_of());
    if (!handles) return fail(handles);
    leave(*handles);
    return {};
  }

 private:
  [[nodiscard]] std::string& room() { return recipients_.empty() ? out_.buffer() : waiting_; }

  // The sender goes where `to` ends now. `to` may be the writer's buffer, which cannot wait: its
  // last, unfinished line moves over.
  void wait(std::string& to, std::string recipient) {
    if (&to != &waiting_) {
      const auto begin = to.rfind('\n') + 1;
      waiting_.append(to, begin);
      to.resize(begin);
    }
    gaps_.push_back(waiting_.size());
    recipients_.push_back(std::move(recipient));
  }

  Result<> settle() {
    if (waiting_.size() >= longest_wait) return flush();
    if (waiting_.size() >= longest_look && !lacks_handles_) return look();
    if (recipients_.empty()) out_.settle();
    return {};
  }

  // Lets those leave who have had a handle before: then the stage behind need not wait for many.
  Result<> look() {
    const auto handles = rooms_.store.known_handles(recipients_, handle_of());
    if (!handles) return fail(handles);
    lacks_handles_ = handles->size() < recipients_.size();
    if (!lacks_handles_) leave(*handles);
    return {};
  }

  [[nodiscard]] Store::HandleOf handle_of() const {
    return [this](std::string_view recipient, unsigned attempt) {
      return verp_handle(rooms_.keys, recipient, attempt);
    };
  }

  void leave(const std::vector<std::string>& handles) {
    std::size_t from = 0;
    for (std::size_t i = 0; i < recipients_.size(); ++i) {
      out_.buffer().append(waiting_, from, gaps_[i] - from);
      verp_.append_sender_with_handle(out_.buffer(), recipients_[i], handles[i]);
      from = gaps_[i];
      out_.settle();
    }
    out_.buffer().append(waiting_, from);
    out_.settle();
    waiting_.clear();
    gaps_.clear();
    recipients_.clear();
    lacks_handles_ = false;
  }

  Verp verp_;
  std::optional<SubscriptionTokens> tokens_;  // where the message asks for them
  Rooms& rooms_;
  Writer& out_;
  std::string waiting_;                  // whole lines but for their missing senders
  std::vector<std::size_t> gaps_;        // where in waiting_ they go
  std::vector<std::string> recipients_;  // and whose they are, canonical
  bool lacks_handles_ = false;           // one of the first of them has none yet
};

class Signing {
 public:
  Signing(Writer& out, const std::optional<std::string>& home, VerpSender sender)
      : out_(out), home_(home), sender_(sender) {}

  Result<> message(Reader& in) {
    senders_.reset();
    const MessageRecord& message = in.message();
    if (message.sender == "<>") {
      out_.pass(in.line());
      return {};
    }
    auto verp = verp_of(message);
    if (!verp) {
      out_.pass(in.line());
      return fail(verp);
    }
    const bool asks_token = message.attributes.raw(token_attribute).has_value();
    if (sender_ == VerpSender::each || asks_token) {
      std::optional<SubscriptionTokens> tokens;
      if (asks_token) tokens.emplace(rooms_->token_key, list_);
      senders_.emplace(*verp, std::move(tokens), *rooms_, out_);
    }
    if (sender_ == VerpSender::each) {
      out_.pass(in.line());
      return {};
    }
    std::string& to = out_.buffer();
    to.append("message\t").append(message.id).push_back('\t');
    verp->append_shared_sender(to);
    to.append("\t").append(message.base64).push_back('\t');
    to.append(with_attribute(message.attributes, "ml.xverp", "+=")).push_back('\n');
    out_.settle();
    return {};
  }

  Result<> recipient(Reader& in) {
    if (senders_) return senders_->sign(in.line(), in.rcpt(), sender_);
    out_.pass(in.line());
    return {};
  }

  Result<> finish(Reader&, Result<> so_far) {
    if (!senders_) return so_far;
    const auto flushed = senders_->flush();
    senders_.reset();
    return so_far ? flushed : so_far;
  }

 private:
  Result<Verp> verp_of(const MessageRecord& message) {
    const auto named = message.attributes.value("list");
    const auto list = named ? text_to_list_name(*named) : sender_to_list(message.sender);
    if (!list) return fail(list);
    if (list->domain.size() > longest_list_domain) {
      return retry("the domain of {} is too long for bounce addresses: {} octets are the most",
                   list->text(), longest_list_domain);
    }
    if (!rooms_) {
      auto rooms = open_rooms(home_, named ? Create::no : Create::yes);
      if (!rooms) return fail(rooms);
      rooms_.emplace(std::move(*rooms));
    }
    auto handle = handle_of_list(rooms_->store, *list);
    if (!handle) return fail(handle);
    list_ = list->text();
    return Verp(rooms_->keys, list_, *handle, message.id, today());
  }

  Writer& out_;
  const std::optional<std::string>& home_;
  VerpSender sender_;
  std::string list_;  // of this section
  std::optional<Rooms> rooms_;
  std::optional<Senders> senders_;  // of this section, where there is something to sign
};

Result<std::string> decoded_token(const SubscriptionToken& token, const Keys& keys) {
  const Key* const key = keys.find(token.generation);
  if (key == nullptr || !is_ours(token, token_key_of(*key))) {
    return failure(Status::rejected,
                   "5.7.1 the token does not carry our signature: it is forged, damaged, or of "
                   "another home");
  }
  return fmt::format("{}\t{}\t-\n", token.recipient, token.list);
}

}  // namespace

Result<Status> verp(Reader& in, Writer& out, const std::optional<std::string>& home,
                    VerpSender sender) {
  Signing signing(out, home, sender);
  return filter(in, out, signing);
}

Result<std::string> decoded_verp(const std::string& address,
                                 const std::optional<std::string>& home) {
  auto opened = open_home(home, Create::no);
  if (!opened) return fail(opened);
  const auto keys = load_keys(*opened);
  if (!keys) return fail(keys);
  if (const auto token = text_to_subscription_token(address)) return decoded_token(*token, *keys);
  const auto store = Store::open(*opened, Access::read);
  if (!store) return fail(store);
  const auto origin = bounce_address_to_origin(address, *keys, *store, today());
  if (!origin) return fail(origin);
  return fmt::format("{}\t{}\t{}\n", origin->recipient.empty() ? "-" : origin->recipient,
                     origin->list, tag_to_text(origin->tag));
}

}  // namespace ml
