// SPDX-License-Identifier: MIT
#include "app/http/message.h"

namespace medaug::app {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// The families of OpenAI's API, which its clients turn into exceptions.
std::string_view type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
    case 421:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 409:
    case 422:
      return "conflict_error";
    case 429:
      return "rate_limit_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

bool parse_query(std::string_view text, std::map<std::string, std::string>& query) {
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const auto equals = pair.find('=');
    const auto name = percent_decoded(pair.substr(0, equals), true);
    const auto value = equals == std::string_view::npos
                           ? std::optional<std::string>("")
                           : percent_decoded(pair.substr(equals + 1), true);
    if (!name || !value) {
      return false;
    }
    if (!name->empty()) {
      query[*name] = *value;
    }
  }
  return true;
}

}  // namespace

const std::string& Request::header(const std::string& name) const {
  static const std::string kNone;
  const auto found = headers.find(name);
  return found == headers.end() ? kNone : found->second;
}

Response json_response(const Json& json, int status) {
  // Captions come from files and may hold bytes that are no UTF-8.
  return {status,
          {{"Content-Type", "application/json"}},
          json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Response text_response(std::string text, int status) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(text)};
}

Json problem_json(const Problem& problem, const std::string& request_id) {
  return {{"error",
           {{"message", problem.message},
            {"hint", problem.hint.empty() ? Json(nullptr) : Json(problem.hint)},
            {"type", type_of(problem.status)},
            {"param", problem.param.empty() ? Json(nullptr) : Json(problem.param)},
            {"code", problem.code},
            {"request_id", request_id}}}};
}

Response problem_response(const Problem& problem, const std::string& request_id) {
  auto response = json_response(problem_json(problem, request_id), problem.status);
  if (problem.retry_after_s) {
    response.headers.emplace_back("Retry-After", std::to_string(*problem.retry_after_s));
  }
  if (problem.status == 401) {
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  return response;
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return std::nullopt;
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') {
      return std::nullopt;
    }
    out.push_back(c);
  }
  return out;
}

bool split_target(Request& request) {
  const std::string_view target = request.target;
  if (target.empty() || target.front() != '/') {
    return false;
  }
  const auto mark = target.find('?');
  const auto path = percent_decoded(target.substr(0, mark), false);
  if (!path) {
    return false;
  }
  request.path = *path;
  return mark == std::string_view::npos || parse_query(target.substr(mark + 1), request.query);
}

}  // namespace medaug::app
