// SPDX-License-Identifier: MIT
#include "app/http/guard.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>

#include "base/ascii.h"

namespace medaug::app {
namespace {

constexpr std::size_t kMostPeers = 4096;
constexpr std::size_t kMostTickets = 1024;
constexpr auto kTicketLife = std::chrono::minutes(1);

}  // namespace

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  // Every byte of `a` is looked at whatever `b` is.
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    different |= static_cast<unsigned>(static_cast<unsigned char>(a[i] ^ other));
  }
  return different == 0;
}

std::string new_token() {
  std::random_device random;  // the kernel's, in libstdc++
  std::string token;
  for (int i = 0; i < 8; ++i) {
    std::array<char, 16> word{};
    std::snprintf(word.data(), word.size(), "%08x", random());
    token += word.data();
  }
  return token;
}

std::vector<std::string> allowed_hosts(const std::string& address, std::uint16_t port,
                                       const std::vector<std::string>& further) {
  std::vector<std::string> names = further;
  const bool v6 = address.find(':') != std::string::npos;
  const bool any = address == "0.0.0.0" || address == "::";
  if (!any) {
    names.push_back(v6 ? "[" + address + "]" : address);
  }
  if (any || address == "::1" || address.rfind("127.", 0) == 0) {
    names.insert(names.end(), {"localhost", "127.0.0.1", "[::1]"});
  }
  std::vector<std::string> hosts;
  for (const auto& name : names) {
    hosts.push_back(ascii_lower(name) + ":" + std::to_string(port));
    if (port == 80) {
      hosts.push_back(ascii_lower(name));
    }
  }
  return hosts;
}

bool Guard::is_ours(std::string_view host) const {
  return std::find(options_.hosts.begin(), options_.hosts.end(), ascii_lower(host)) !=
         options_.hosts.end();
}

std::optional<Problem> Guard::check(const Request& request, bool needs_token) {
  if (!is_ours(request.header("host"))) {
    return Problem{
        421, "wrong_host", "this server does not answer under that name", "Host",
        "use the address that 'medaug serve' printed, or start it with --allow-host NAME"};
  }
  if (auto problem = check_site(request)) {
    return problem;
  }
  const bool wanted = needs_token && !options_.token.empty();
  return wanted && !take_ticket(request) ? check_token(request) : std::nullopt;
}

std::string Guard::issue_ticket(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  std::erase_if(tickets_, [&](const auto& one) { return one.second.end < now; });
  if (tickets_.size() > kMostTickets) {
    tickets_.clear();  // bounded, whoever asks
  }
  auto ticket = new_token();
  tickets_[ticket] = {path, now + kTicketLife};
  return ticket;
}

/// Looked up by its whole value, which nobody can guess; it is gone after the first use.
bool Guard::take_ticket(const Request& request) {
  const auto given = request.query.find("ticket");
  if (given == request.query.end() || request.method != "GET") {
    return false;
  }
  const std::lock_guard lock(mutex_);
  const auto found = tickets_.find(given->second);
  if (found == tickets_.end() || found->second.path != request.path) {
    return false;
  }
  const bool in_time = Clock::now() <= found->second.end;
  tickets_.erase(found);
  return in_time;
}

std::optional<Problem> Guard::check_site(const Request& request) const {
  const Problem foreign{403, "forbidden_origin", "requests from pages of other sites are refused",
                        "Origin"};
  const auto& origin = request.header("origin");
  if (!origin.empty()) {
    const auto scheme = origin.find("://");
    const bool web = origin.rfind("http://", 0) == 0 || origin.rfind("https://", 0) == 0;
    if (!web || !is_ours(std::string_view(origin).substr(scheme + 3))) {
      return foreign;
    }
  }
  const auto& site = request.header("sec-fetch-site");
  const bool other_site = site == "cross-site" || site == "same-site";
  const bool opens_page = request.method == "GET" && request.path == "/" &&
                          request.header("sec-fetch-mode") == "navigate" &&
                          request.header("sec-fetch-dest") == "document";
  return other_site && !opens_page ? std::optional(foreign) : std::nullopt;
}

std::optional<Problem> Guard::check_token(const Request& request) {
  const Problem too_often{429, "too_many_attempts", "too many wrong tokens from this address",
                          "",  "wait a minute",     60};
  if (too_many(request.peer, false)) {
    return too_often;
  }
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view header = request.header("authorization");
  const bool bearer = ascii_lower(header.substr(0, kBearer.size())) == kBearer;
  const auto given = bearer ? header.substr(kBearer.size()) : std::string_view();
  if (equal_in_constant_time(given, options_.token)) {
    return std::nullopt;
  }
  if (!given.empty() && too_many(request.peer, true)) {
    return too_often;
  }
  return Problem{401, "unauthorized",
                 given.empty() ? "this server wants its token" : "the token is wrong",
                 "Authorization", "send 'Authorization: Bearer TOKEN' with the token it printed"};
}

bool Guard::too_many(const std::string& peer, bool one_more) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (wrong_.size() > kMostPeers) {
    wrong_.clear();  // bounded, whoever asks
  }
  const auto found = wrong_.find(peer);
  if (found != wrong_.end() && now - found->second.begin > std::chrono::minutes(1)) {
    wrong_.erase(found);
  }
  if (one_more) {
    auto& attempts = wrong_.try_emplace(peer, Attempts{now, 0}).first->second;
    ++attempts.count;
  }
  const auto again = wrong_.find(peer);
  return again != wrong_.end() && again->second.count > options_.wrong_tokens_a_minute;
}

}  // namespace medaug::app
