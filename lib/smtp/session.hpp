// A dialogue on a socket: its host looked up, connecting, TLS, octets in and out, deadlines (RFC
// 5321 4.5.3.2).
//
// Of several addresses each has a share of the patience; whichever answers is the first for all
// connections that follow. Whoever has gone, or took too long, is heard first: what was said before
// counts, and whoever has an answer is not in doubt.
#pragma once

#include <optional>
#include <vector>

#include "base/fd.hpp"
#include "base/host_lookup.hpp"
#include "smtp/dialogue.hpp"
#include "smtp/outlet.hpp"
#include "smtp/relay.hpp"
#include "smtp/tls.hpp"

namespace ml {

class Session : public Outlet {
 public:
  Session(const Relay& relay, const OutletManner& manner, Outcomes& outcomes);

  [[nodiscard]] bool wants() const override { return dialogue_.wants(); }
  [[nodiscard]] WireForm form() const override { return dialogue_.form(); }
  [[nodiscard]] Needs lacks() const override { return dialogue_.lacks(); }
  void give(Transaction& transaction) override { dialogue_.give(transaction); }
  void finish() override { dialogue_.finish(); }
  [[nodiscard]] bool opening() const override {
    return stage_ != Stage::talking || !dialogue_.greeted();
  }
  [[nodiscard]] pollfd watched() const override;
  [[nodiscard]] Clock::time_point deadline() const override;
  void hear(short ready, Clock::time_point now) override;
  void flush(Clock::time_point now) override;
  void hurry(const Latest& latest) override;
  [[nodiscard]] bool answers_recipient() const override {
    const Step step = dialogue_.awaited();
    return step == Step::rcpt || step == Step::lmtp_dot;
  }
  [[nodiscard]] Parting parting() const override { return dialogue_.parting(); }
  [[nodiscard]] const Reply& last_words() const override { return dialogue_.last_words(); }
  [[nodiscard]] std::size_t messages() const override { return dialogue_.messages(); }
  [[nodiscard]] std::size_t message_limit() const override { return dialogue_.message_limit(); }
  [[nodiscard]] std::size_t recipient_limit() const override { return dialogue_.recipient_limit(); }

 private:
  enum class Stage { looking_up, connecting, shaking_hands, talking };

  void begin();
  void looked_up();
  void connect_to(std::vector<SocketAddress> targets);
  void connect_next(std::string_view why);
  [[nodiscard]] bool connect_one(SocketAddress target);
  [[nodiscard]] bool connected();
  void begin_tls();
  void shake_hands();
  [[nodiscard]] bool read_once();
  void read_tls();
  void read_all();
  void take_note(Clock::time_point now);
  void write_out(Clock::time_point now);
  void write_tls(Clock::time_point now);
  void part_from(TlsStream::State state);
  void hear_socket(short ready);
  void give_up_waiting(Clock::time_point now);
  // When it is over; deadline() is when there is anything to be done.
  [[nodiscard]] Clock::time_point end_of_patience() const;
  [[nodiscard]] Clock::time_point latest() const;

  const Relay& relay_;
  Dialogue dialogue_;
  std::optional<HostLookup> lookup_;
  std::vector<SocketAddress> targets_;  // yet to be tried, the next one last; the ports are missing
  SocketAddress target_;                // that is tried now
  Clock::time_point next_target_ = Clock::time_point::max();
  std::chrono::seconds patience_;
  Fd socket_;
  std::optional<TlsStream> tls_;  // gone before its socket is
  Stage stage_ = Stage::looking_up;
  bool heard_ = false;         // since the last write
  std::uint64_t replies_ = 0;  // when since_ was set
  Clock::time_point since_;    // the last reply or write
  std::optional<Latest> latest_;
};

}  // namespace ml
