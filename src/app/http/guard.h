// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/http/message.h"

namespace medaug::app {

struct GuardOptions {
  std::vector<std::string> hosts;  ///< allowed values of Host, with port: "127.0.0.1:7860"
  std::string token;               ///< empty = none is wanted
  int wrong_tokens_a_minute = 10;  ///< per address
};

/// Who may ask. Local servers are attacked through the browser of their own user: a page of another
/// site sends requests here (simple forms, images, fetch), or its name is made to point here (DNS
/// rebinding). So
///  - Host must be one of ours (421): a rebound name is not;
///  - Origin, where there is one, must be ours, "null" is not (403);
///  - what a browser marks as cross-site is refused, but for opening the page itself by a link;
///  - a wanted token comes in a header that no form can set; it is compared in constant time, and
///    ten wrong ones a minute are enough (429).
/// Thread-safe.
class Guard {
 public:
  explicit Guard(GuardOptions options) : options_(std::move(options)) {}

  /// What is wrong with the request, if something is. @param needs_token  false for the page's own
  /// files, which hold no secret, and for /livez
  std::optional<Problem> check(const Request& request, bool needs_token);

  /// Opens one address once within a minute, for what a browser opens by itself: a link carries no
  /// token. It goes into the address as `?ticket=`.
  std::string issue_ticket(const std::string& path);

 private:
  using Clock = std::chrono::steady_clock;
  struct Ticket {
    std::string path;
    Clock::time_point end;
  };
  struct Attempts {
    Clock::time_point begin;
    int count = 0;
  };

  bool is_ours(std::string_view host) const;
  std::optional<Problem> check_site(const Request& request) const;
  std::optional<Problem> check_token(const Request& request);
  bool take_ticket(const Request& request);
  bool too_many(const std::string& peer, bool one_more);

  GuardOptions options_;
  std::mutex mutex_;
  std::unordered_map<std::string, Attempts> wrong_;
  std::unordered_map<std::string, Ticket> tickets_;
};

/// Host values under which a server at `address` answers: the address itself, "localhost" for a
/// loopback one, and the further names, each with the port.
std::vector<std::string> allowed_hosts(const std::string& address, std::uint16_t port,
                                       const std::vector<std::string>& further);

/// 32 random bytes as hexadecimal digits.
std::string new_token();
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace medaug::app
