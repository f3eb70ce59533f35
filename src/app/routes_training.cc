// SPDX-License-Identifier: MIT
// The training and the evaluation tab.

#include <chrono>

#include "app/service.h"
#include "base/ascii.h"

namespace medaug::app {
namespace {

using Parts = std::vector<std::string>;

[[noreturn]] void not_found(const std::string& what) {
  throw HttpError({404, "not_found", what + " is not here", "", ""});
}

/// The state of a run whenever its log has grown.
class RunEvents : public EventStream {
 public:
  RunEvents(RunFolders& runs, std::string id) : runs_(runs), id_(std::move(id)) {}

  void wake_with(std::function<void()>) override {}
  std::chrono::milliseconds poll_every() const override { return std::chrono::seconds(1); }

  std::string take(bool& ended) override {
    const auto version = runs_.version(id_);
    if (version == version_) {
      return {};
    }
    version_ = version;
    const auto run = runs_.find(id_);
    ended = !run;
    return run ? "event: run\ndata: " + run->dump(-1, ' ', false, Json::error_handler_t::replace) +
                     "\n\n"
               : "";
  }

 private:
  RunFolders& runs_;
  std::string id_;
  std::uint64_t version_ = ~std::uint64_t{0};
};

}  // namespace

void Service::add_run_routes() {
  const auto folders = [this]() -> RunFolders& {
    if (!runs_) {
      throw HttpError({404, "not_found", "the server was started without --runs", "", ""});
    }
    return *runs_;
  };
  router_.add({"GET", "/v1/runs", BodyKind::kNone, true,
               [folders](Request&, const Parts&) { return json_response(folders().list()); }});
  router_.add(
      {"GET", "/v1/runs/{id}", BodyKind::kNone, true, [folders](Request&, const Parts& parts) {
         const auto run = folders().find(parts[0]);
         if (!run) {
           not_found("this run");
         }
         return json_response(*run);
       }});
  router_.add({"GET", "/v1/runs/{id}/events", BodyKind::kNone, true,
               [folders](Request&, const Parts& parts) {
                 if (!folders().find(parts[0])) {
                   not_found("this run");
                 }
                 Response response;
                 response.stream = std::make_shared<RunEvents>(folders(), parts[0]);
                 return response;
               }});
  router_.add({"GET", "/v1/runs/{id}/samples/{n}.png", BodyKind::kNone, true,
               [folders](Request&, const Parts& parts) {
                 const auto step = number_in<std::int64_t>(parts[1]).value_or(-1);
                 auto png = step >= 0 ? folders().sample(parts[0], step) : std::nullopt;
                 if (!png) {
                   not_found("this picture");
                 }
                 return Response{200, {{"Content-Type", "image/png"}}, std::move(*png)};
               }});
}

void Service::add_evaluation_routes() {
  const auto evaluations = [this]() -> Evaluations& {
    if (!evaluations_) {
      throw HttpError({404, "not_found", "the server was started without --root", "", ""});
    }
    return *evaluations_;
  };
  router_.add(
      {"GET", "/v1/evaluation/sources", BodyKind::kNone, true,
       [evaluations](Request&, const Parts&) { return json_response(evaluations().sources()); }});
  router_.add(
      {"GET", "/v1/evaluations", BodyKind::kNone, true,
       [evaluations](Request&, const Parts&) { return json_response(evaluations().list()); }});
  router_.add({"POST", "/v1/evaluations", BodyKind::kJson, true,
               [evaluations](Request& request, const Parts&) {
                 auto fields = RequestFields::from_json(request.body);
                 EvaluationRequest wanted;
                 wanted.generated = fields.text("generated", "");
                 wanted.reference = fields.text("reference", "");
                 wanted.training = fields.text("training", "");
                 wanted.paired = fields.flag("paired", true);
                 wanted.distribution = fields.flag("distribution", false);
                 wanted.copies = fields.flag("copies", false);
                 wanted.segmenter = fields.flag("segmenter", false);
                 fields.finish();
                 if (wanted.generated.empty()) {
                   refuse_field("generated", "is missing");
                 }
                 const auto id = evaluations().submit(wanted);
                 return json_response(*evaluations().find(id), 202);
               }});
  router_.add({"GET", "/v1/evaluations/{id}", BodyKind::kNone, true,
               [evaluations](Request&, const Parts& parts) {
                 const auto found = evaluations().find(parts[0]);
                 if (!found) {
                   not_found("this evaluation");
                 }
                 return json_response(*found);
               }});
  router_.add({"POST", "/v1/evaluations/{id}/ticket", BodyKind::kNone, true,
               [this, evaluations](Request&, const Parts& parts) {
                 const auto found = evaluations().find(parts[0]);
                 if (!found || found->at("report_url").is_null()) {
                   not_found("the report of this evaluation");
                 }
                 const auto path = found->at("report_url").get<std::string>();
                 return json_response({{"url", path + "?ticket=" + guard_->issue_ticket(path)}},
                                      201);
               }});
  const auto add_file = [&](const char* pattern, bool report) {
    router_.add({"GET", pattern, BodyKind::kNone, true,
                 [evaluations, report](Request&, const Parts& parts) {
                   auto bytes = evaluations().file(parts[0], report);
                   if (!bytes) {
                     not_found("this evaluation");
                   }
                   Response response{200, {}, std::move(*bytes)};
                   response.headers.emplace_back(
                       "Content-Type", report ? "text/html; charset=utf-8" : "application/json");
                   if (report) {  // an origin of its own: its script cannot reach this API
                     response.headers.emplace_back("Content-Security-Policy",
                                                   "sandbox allow-scripts allow-downloads");
                   }
                   return response;
                 }});
  };
  add_file("/v1/evaluations/{id}/report", true);
  add_file("/v1/evaluations/{id}/result", false);
}

}  // namespace medaug::app
