// SPDX-License-Identifier: MIT
#include "app/service.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "app/web_assets.h"
#include "base/ascii.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"

namespace medaug::app {
namespace {

constexpr int kFewestTokenLetters = 16;

bool is_loopback(const std::string& address) {
  return address == "::1" || address.rfind("127.", 0) == 0;
}

/// As many connections as the system allows: the usual soft limit is 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65536);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

std::string_view media_type_of(BodyKind kind) {
  return kind == BodyKind::kForm  ? "multipart/form-data"
         : kind == BodyKind::kPng ? "image/png"
                                  : "application/json";
}

void check_options(const ServiceOptions& options) {
  if (!is_loopback(options.http.address) && options.token.empty()) {
    throw Error(ErrorCode::kConfig, "--host",
                options.http.address + " can be reached by others, and there is no token",
                "use --lan, which makes a token, or give one in MEDAUG_TOKEN");
  }
  if (!options.token.empty() && options.token.size() < kFewestTokenLetters) {
    throw Error(ErrorCode::kConfig, "MEDAUG_TOKEN",
                "a token needs at least " + std::to_string(kFewestTokenLetters) + " characters",
                "for example: openssl rand -hex 32");
  }
}

/// What every answer says to browsers.
void add_headers(Response& response, const std::string& path) {
  if (path.rfind("/v1/", 0) == 0) {
    response.headers.emplace_back("Cache-Control", "no-store");
  }
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
}

}  // namespace

Service::Service(ServiceOptions options)
    : options_((check_options(options), std::move(options))),
      model_(options_.model),
      history_(options_.history, options_.budget) {
  raise_descriptor_limit();
  if (!options_.runs.empty()) {
    runs_ = std::make_unique<RunFolders>(options_.runs);
  }
  if (!options_.evaluation_root.empty()) {
    evaluations_ = std::make_unique<Evaluations>(
        options_.evaluation_root, options_.history / "evaluations", options_.model.segmenter);
  }
  add_page_routes();
  add_status_routes();
  add_job_routes();
  add_openai_routes();
  add_run_routes();
  add_evaluation_routes();
  queue_ = std::make_unique<JobQueue>(model_, history_, options_.queue);
  http_ = std::make_unique<HttpServer>(
      options_.http, HttpHandlers{[this](Request& head) { return admit(head); },
                                  [this](Request& request) { return handle(request); }});
  guard_ = std::make_unique<Guard>(GuardOptions{
      allowed_hosts(options_.http.address, http_->port(), options_.allow_hosts), options_.token});
  http_->start();
  if (!options_.model.training.empty()) {
    nearest_loader_ = std::thread([this] { model_.load_nearest(); });
  }
}

Service::~Service() {
  if (nearest_loader_.joinable()) {
    nearest_loader_.join();
  }
  // The worker rings waiting answers, and handlers ask the queue: the one stops before the
  // connections go, the other is destroyed after them.
  http_->stop();
  queue_->stop();
  http_.reset();
  evaluations_.reset();
  queue_.reset();
}

bool Service::shut_down(std::chrono::milliseconds longest) {
  queue_->drain();
  const bool idle = queue_->wait_until_idle(longest);
  http_->drain();
  return idle;
}

void Service::reload() {
  model_.reload();
  ++reloads_;
}

/// On the connections' thread, before a body is read.
std::optional<Response> Service::admit(Request& head) {
  ++requests_;
  const auto match = router_.find(head.method, head.path);
  const auto refuse = [&](const Problem& problem) {
    ++client_errors_;
    unauthorized_ += problem.status == 401 ? 1 : 0;
    auto response = problem_response(problem, head.id);
    add_headers(response, head.path);
    return response;
  };
  // Unknown addresses want the token, too: they tell nothing to strangers.
  const bool needs_token = match.route == nullptr || match.route->needs_token;
  if (const auto problem = guard_->check(head, needs_token)) {
    return refuse(*problem);
  }
  if (match.route == nullptr && !match.allowed.empty()) {
    auto response = refuse({405, "method_not_allowed", head.method + " is not possible here", "",
                            "possible: " + match.allowed});
    response.headers.emplace_back("Allow", match.allowed);
    return response;
  }
  if (match.route == nullptr) {
    return refuse({404, "not_found", "there is nothing at this address", "", ""});
  }
  if (const auto problem = check_body(head, *match.route)) {
    return refuse(*problem);
  }
  if (head.path == "/livez") {
    return text_response("ok");  // also when every handler is busy
  }
  return std::nullopt;
}

std::optional<Problem> Service::check_body(const Request& head, const Route& route) const {
  const bool has_body =
      head.body_bytes.value_or(0) > 0 || !head.header("transfer-encoding").empty();
  if (route.body == BodyKind::kNone) {
    return has_body ? std::optional(Problem{400, "invalid_request", "no body is expected here"})
                    : std::nullopt;
  }
  if (!head.header("content-encoding").empty()) {
    return Problem{415, "unsupported_media_type", "compressed bodies are not taken",
                   "Content-Encoding"};
  }
  auto type = head.header("content-type");
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') {
    type.pop_back();
  }
  const auto wanted = media_type_of(route.body);
  if (ascii_lower(type) != wanted) {
    return Problem{415, "unsupported_media_type", "Content-Type must be " + std::string(wanted),
                   "Content-Type"};
  }
  return std::nullopt;
}

Response Service::handle(Request& request) {
  auto response = dispatch(request);
  client_errors_ += response.status >= 400 && response.status < 500 ? 1 : 0;
  server_errors_ += response.status >= 500 ? 1 : 0;
  add_headers(response, request.path);
  return response;
}

/// The exception border of all routes.
Response Service::dispatch(Request& request) {
  try {
    const auto match = router_.find(request.method, request.path);
    return match.route->handle(request, match.parts);
  } catch (const HttpError& e) {
    return problem_response(e.problem(), request.id);
  } catch (const Error& e) {
    const int status = http_status(e.code());
    return problem_response({status, std::string(name_of(e.code())), e.message(), "", e.hint()},
                            request.id);
  } catch (const std::exception& e) {
    log_warning("request " + request.id + ": " + std::string(e.what()).substr(0, 500));
    return problem_response({500, "internal", "a fault of the server; its log has more"},
                            request.id);
  }
}

}  // namespace medaug::app
