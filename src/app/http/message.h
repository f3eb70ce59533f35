// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace medaug::app {

using Json = nlohmann::ordered_json;

/// A request as the routes see it. Header names are lower case; one that came twice holds both
/// values, joined by ", ".
struct Request {
  std::string method;
  std::string target;  ///< as it was sent
  std::string path;    ///< decoded, without the query
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;
  std::string body;
  std::string id;                             ///< made by the server, for logs and errors
  std::string peer;                           ///< address of the other end
  std::optional<std::uint64_t> body_bytes{};  ///< Content-Length; none = chunked or no body

  /// Value of a header, or "".
  const std::string& header(const std::string& name) const;
};

/// An answer in parts over time. Destroyed when its reader has gone.
class EventStream {
 public:
  virtual ~EventStream() = default;
  /// What can be sent now; may be empty. Called on a handler's thread, again after each wake.
  /// @param ended  set when nothing more will come
  virtual std::string take(bool& ended) = 0;
  /// `wake` may be called from any thread, also after the stream was destroyed.
  virtual void wake_with(std::function<void()> wake) = 0;
  /// Called again after that time, too; 0 = only when woken.
  virtual std::chrono::milliseconds poll_every() const { return std::chrono::milliseconds(0); }
};

struct Response;

/// An answer that is not ready yet. Destroyed when its reader has gone.
class PendingResponse {
 public:
  virtual ~PendingResponse() = default;
  virtual std::optional<Response> take() = 0;
  virtual void wake_with(std::function<void()> wake) = 0;
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::shared_ptr<EventStream> stream = {};       ///< set = sent instead of the body
  std::shared_ptr<PendingResponse> pending = {};  ///< set = waited for, then sent instead of all
};

Response json_response(const Json& json, int status = 200);
Response text_response(std::string text, int status = 200);

/// What went wrong, as clients read it: {"error": {"message", "hint", "type", "param", "code"}}.
struct Problem {
  int status = 400;
  std::string code = "invalid_request";
  std::string message;
  std::string param = {};
  std::string hint = {};
  std::optional<int> retry_after_s = {};
};

Json problem_json(const Problem& problem, const std::string& request_id);
Response problem_response(const Problem& problem, const std::string& request_id);

/// Thrown by routes; becomes the answer.
class HttpError : public std::exception {
 public:
  explicit HttpError(Problem problem) : problem_(std::move(problem)) {}
  const Problem& problem() const { return problem_; }
  const char* what() const noexcept override { return problem_.message.c_str(); }

 private:
  Problem problem_;
};

/// Decodes %XX and, in queries, '+'. Nothing for a broken escape or a NUL byte.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space);

/// Fills path and query from target. False when it is malformed.
bool split_target(Request& request);

}  // namespace medaug::app
