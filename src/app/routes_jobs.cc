// SPDX-License-Identifier: MIT
// The job API: docs/API.md.

#include <algorithm>

#include "app/sampling_fields.h"
#include "app/service.h"
#include "app/zip.h"
#include "base/ascii.h"
#include "base/files.h"
#include "base/strings.h"

namespace medaug::app {
namespace {

constexpr std::int64_t kMostImages = 64;

[[noreturn]] void not_found(const std::string& what) {
  throw HttpError({404, "not_found", what + " is not here (any more)", "", ""});
}

Response png_response(std::string bytes, const std::string& name) {
  return {
      200,
      {{"Content-Type", "image/png"}, {"Content-Disposition", "inline; filename=\"" + name + "\""}},
      std::move(bytes)};
}

std::string event(std::string_view name, const Json& data) {
  return "event: " + std::string(name) +
         "\ndata: " + data.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
}

/// State and glimpses of one job. However slow its reader is, it holds nothing but the latest.
class JobEvents : public EventStream {
 public:
  JobEvents(JobQueue& queue, std::string id) : queue_(queue), id_(std::move(id)) {}

  void wake_with(std::function<void()> wake) override {
    watching_ = queue_.watch(id_, true, std::move(wake));
  }

  std::string take(bool& ended) override {
    std::string out;
    const auto view = queue_.view(id_);
    if (!view) {  // deleted meanwhile
      ended = true;
      return out;
    }
    for (const auto& preview : queue_.previews(id_, preview_version_)) {
      preview_version_ = std::max(preview_version_, preview.version);
      out += event("preview", {{"index", preview.index},
                               {"step", preview.step},
                               {"steps", preview.steps},
                               {"png", base64(preview.png)}});
    }
    if (view->version != version_) {
      version_ = view->version;
      out += event("job", job_json(view->job, view->progress));
    }
    ended = is_final(view->job.state);
    return out;
  }

 private:
  JobQueue& queue_;
  std::string id_;
  std::uint64_t version_ = 0, preview_version_ = 0;
  std::shared_ptr<void> watching_;
};

std::int64_t index_of(const std::string& text) {
  const auto value = number_in<std::int64_t>(text);
  if (!value || *value < 0) {
    not_found("an image '" + printable(text, 20) + "'");
  }
  return *value;
}

}  // namespace

JobRequest Service::job_request(RequestFields& fields) const {
  const auto model = model_.current();
  const auto& preprocess = model->info().preprocess;
  auto request =
      sampling_request(fields, *model, {"count", "guidance", "mask_guidance", kMostImages});
  const auto most = std::max(preprocess.height(), preprocess.width()) * 4;
  request.height = fields.integer("height", 8, most).value_or(preprocess.height());
  request.width = fields.integer("width", 8, most).value_or(preprocess.width());
  request.mask_png = fields.bytes("mask");
  request.init_image = fields.bytes("init_image");
  request.region_png = fields.bytes("region");
  if (request.init_image.empty() != request.region_png.empty()) {
    refuse_field(request.region_png.empty() ? "region" : "init_image",
                 "init_image and region belong together");
  }
  return request;
}

Response Service::answer_job(const std::string& id, int status) const {
  const auto view = queue_->view(id);
  if (!view) {
    not_found("this job");
  }
  return json_response(job_json(view->job, view->progress), status);
}

/// With its uploaded files, from the history. @throws HttpError 404
Job Service::finished_job(const std::string& id) const {
  auto job = history_.find(id);
  if (!job) {
    not_found("this job");
  }
  return std::move(*job);
}

void Service::add_job_routes() {
  using Parts = std::vector<std::string>;
  router_.add({"GET", "/v1/jobs", BodyKind::kNone, true, [this](Request& request, const Parts&) {
                 auto limit = std::int64_t{50};
                 if (request.query.count("limit") > 0) {
                   limit = number_in<std::int64_t>(request.query["limit"]).value_or(0);
                   if (limit < 1 || limit > 200) {
                     refuse_field("limit", "must be a whole number from 1 to 200");
                   }
                 }
                 const auto before =
                     request.query.count("before") > 0 ? request.query["before"] : "";
                 Json jobs = Json::array();
                 for (const auto& view : queue_->list(limit, before)) {
                   jobs.push_back(job_json(view.job, view.progress));
                 }
                 const bool more = std::cmp_equal(jobs.size(), limit);
                 const Json next = more ? jobs.back()["id"] : Json(nullptr);
                 return json_response({{"jobs", std::move(jobs)}, {"next", next}});
               }});
  router_.add({"POST", "/v1/jobs", BodyKind::kJson, true, [this](Request& request, const Parts&) {
                 const auto& key = request.header("idempotency-key");
                 if (key.size() > 200) {
                   refuse_field("Idempotency-Key", "is longer than 200 characters");
                 }
                 const auto fingerprint = key.empty() ? "" : sha256(request.body);
                 if (const auto before = queue_->submitted_before(key, fingerprint)) {
                   return answer_job(*before, 202);
                 }
                 auto fields = RequestFields::from_json(request.body);
                 auto wanted = job_request(fields);
                 fields.finish();
                 return answer_job(queue_->submit(std::move(wanted), key, fingerprint), 202);
               }});
  router_.add({"GET", "/v1/jobs/{id}", BodyKind::kNone, true,
               [this](Request&, const Parts& parts) { return answer_job(parts[0]); }});
  router_.add(
      {"DELETE", "/v1/jobs/{id}", BodyKind::kNone, true, [this](Request&, const Parts& parts) {
         if (!queue_->remove(parts[0])) {
           not_found("this job");
         }
         return Response{204};
       }});
  router_.add(
      {"POST", "/v1/jobs/{id}/cancel", BodyKind::kJson, true, [this](Request&, const Parts& parts) {
         if (!queue_->cancel(parts[0])) {
           not_found("this job");
         }
         return answer_job(parts[0]);
       }});
  router_.add(
      {"GET", "/v1/jobs/{id}/events", BodyKind::kNone, true, [this](Request&, const Parts& parts) {
         if (!queue_->view(parts[0])) {
           not_found("this job");
         }
         Response response;
         response.stream = std::make_shared<JobEvents>(*queue_, parts[0]);
         return response;
       }});
  const auto file_route = [this](const char* pattern, const char* prefix) {
    router_.add(
        {"GET", pattern, BodyKind::kNone, true, [this, prefix](Request&, const Parts& parts) {
           const auto number = std::to_string(index_of(parts[1]));
           auto bytes = is_id(parts[0]) ? history_.read_file(parts[0], prefix + number + ".png")
                                        : std::nullopt;
           if (!bytes) {
             not_found("this picture");
           }
           return png_response(std::move(*bytes),
                               parts[0].substr(0, 8) + "-" + prefix + number + ".png");
         }});
  };
  file_route("/v1/jobs/{id}/images/{n}.png", "");
  file_route("/v1/jobs/{id}/nearest/{n}.png", "nearest-");
  router_.add({"GET", "/v1/jobs/{id}/mask.png", BodyKind::kNone, true,
               [this](Request&, const Parts& parts) {
                 auto bytes =
                     is_id(parts[0]) ? history_.read_file(parts[0], "mask.png") : std::nullopt;
                 if (!bytes) {
                   not_found("this mask");
                 }
                 return png_response(std::move(*bytes), parts[0].substr(0, 8) + "-mask.png");
               }});
  router_.add({"GET", "/v1/jobs/{id}/archive.zip", BodyKind::kNone, true,
               [this](Request&, const Parts& parts) {
                 const auto job = finished_job(parts[0]);
                 return Response{200,
                                 {{"Content-Type", "application/zip"},
                                  {"Content-Disposition", "attachment; filename=\"medaug-" +
                                                              job.id.substr(0, 8) + ".zip\""}},
                                 zip_of(archive_files(job, history_))};
               }});
  router_.add(
      {"POST", "/v1/settings", BodyKind::kPng, true, [this](Request& request, const Parts&) {
         return Response{
             200, {{"Content-Type", "application/json"}}, settings_of_png(request.body)};
       }});
}

/// What a PNG of medaug says about how it was made.
std::string Service::settings_of_png(const std::string& png) const {
  const auto text = text_of_png(png, "body");
  const auto value = [&](const char* key) {
    const auto found = text.find(key);
    return found == text.end() ? std::string() : found->second;
  };
  if (value("synthetic") != "true" || value("seed").empty()) {
    throw HttpError({400, "no_settings", "this PNG was not made by medaug", "",
                     "or another program has written it again without its text"});
  }
  const auto image = decode_image(png, "body");
  const auto number = [&](const char* key) { return std::strtod(value(key).c_str(), nullptr); };
  const auto mask = value("mask_png");
  const Json request = {{"prompt", value("caption")},
                        {"negative_prompt", value("negative_caption")},
                        {"count", 1},
                        {"seed", std::strtoll(value("seed").c_str(), nullptr, 10)},
                        {"steps", std::strtoll(value("steps").c_str(), nullptr, 10)},
                        {"solver", value("solver")},
                        {"guidance", number("guidance")},
                        {"mask_guidance", number("mask_guidance")},
                        {"width", image.width()},
                        {"height", image.height()},
                        {"has_mask", !mask.empty()},
                        {"has_init", value("painted_in") == "true"}};
  const Json json = {{"request", request},
                     {"mask", mask.empty() ? Json(nullptr) : Json(mask)},
                     {"checkpoint_sha256", value("checkpoint_sha256")},
                     {"same_model", value("checkpoint_sha256") == model_.current()->sha256()}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace medaug::app
