// SPDX-License-Identifier: MIT
#include "app/jobs/job.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <random>

namespace medaug::app {
namespace {

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json image_json(const Job& job, std::size_t index) {
  const auto& image = job.images[index];
  const auto base = "/v1/jobs/" + job.id;
  const auto number = std::to_string(index);
  Json nearest = image.nearest;
  if (nearest.is_object()) {
    nearest["url"] = base + "/nearest/" + number + ".png";
  }
  return {{"index", index},
          {"seed", image.seed},
          {"url", base + "/images/" + number + ".png"},
          {"agreement", image.agreement},
          {"nearest", nearest}};
}

Json progress_json(const Job& job, const JobProgress& progress) {
  const auto images = job.request.count;
  const auto steps = job.request.sampler.steps;
  const auto done = job.state == JobState::kDone ? images : progress.images_done;
  const auto step = job.state == JobState::kDone ? steps : progress.step;
  // Some images are made at once: `step` counts for those in hand.
  const auto in_hand = std::min<std::int64_t>(1, images - done);
  const double share = (static_cast<double>(done) +
                        static_cast<double>(in_hand * step) / static_cast<double>(steps)) /
                       static_cast<double>(images);
  return {{"step", step},
          {"steps", steps},
          {"images_done", done},
          {"images", images},
          {"share", std::min(share, 1.0)}};
}

}  // namespace

Json request_json(const JobRequest& request) {
  return {{"prompt", request.prompt},
          {"negative_prompt", request.negative_prompt},
          {"count", request.count},
          {"seed", request.seed},
          {"steps", request.sampler.steps},
          {"solver", std::string(enum_name(request.sampler.solver))},
          {"guidance", request.guidance.text},
          {"mask_guidance", request.guidance.mask},
          {"width", request.width},
          {"height", request.height},
          {"has_mask", !request.mask_png.empty()},
          {"has_init", !request.init_image.empty()}};
}

Json job_json(const Job& job, const JobProgress& progress) {
  Json images = Json::array();
  for (std::size_t i = 0; i < job.images.size(); ++i) {
    images.push_back(image_json(job, i));
  }
  return {{"id", job.id},
          {"state", std::string(enum_name(job.state))},
          {"created", job.created},
          {"started", or_null(job.started)},
          {"finished", or_null(job.finished)},
          {"position", or_null(progress.position)},
          {"eta_seconds", or_null(progress.eta_seconds)},
          {"progress", progress_json(job, progress)},
          {"request", request_json(job.request)},
          {"model_sha256", job.model_sha256},
          {"images", images},
          {"error", job.error ? problem_json(*job.error, "")["error"] : Json(nullptr)}};
}

Json stored_json(const Job& job) {
  Json json = {{"state", std::string(enum_name(job.state))},
               {"created", job.created},
               {"started", or_null(job.started)},
               {"finished", or_null(job.finished)},
               {"model_sha256", job.model_sha256}};
  auto request = request_json(job.request);
  request["sampler"] = to_json(job.request.sampler);
  request["guidance_options"] = to_json(job.request.guidance);
  json["request"] = request;
  json["images"] = Json::array();
  for (const auto& image : job.images) {
    json["images"].push_back(
        {{"seed", image.seed}, {"agreement", image.agreement}, {"nearest", image.nearest}});
  }
  if (job.error) {
    json["error"] = {{"status", job.error->status},
                     {"code", job.error->code},
                     {"message", job.error->message},
                     {"param", job.error->param},
                     {"hint", job.error->hint}};
  }
  return json;
}

Job job_from_stored(const Json& json) {
  Job job;
  job.state =
      enum_from_name<JobState>(json.at("state").get<std::string>()).value_or(JobState::kFailed);
  job.created = json.at("created").get<double>();
  const auto time = [&](const char* key) {
    return json.at(key).is_null() ? std::nullopt : std::optional(json.at(key).get<double>());
  };
  job.started = time("started");
  job.finished = time("finished");
  job.model_sha256 = json.at("model_sha256").get<std::string>();
  const auto& request = json.at("request");
  job.request.prompt = request.at("prompt").get<std::string>();
  job.request.negative_prompt = request.at("negative_prompt").get<std::string>();
  job.request.count = request.at("count").get<std::int64_t>();
  job.request.seed = request.at("seed").get<std::int64_t>();
  job.request.width = request.at("width").get<std::int64_t>();
  job.request.height = request.at("height").get<std::int64_t>();
  job.request.sampler = from_json<SamplerOptions>(request.at("sampler"), "history");
  job.request.guidance = from_json<GuidanceOptions>(request.at("guidance_options"), "history");
  for (const auto& image : json.at("images")) {
    job.images.push_back(
        {image.at("seed").get<std::int64_t>(), image.at("agreement"), image.at("nearest")});
  }
  if (const auto error = json.find("error"); error != json.end()) {
    job.error =
        Problem{error->at("status").get<int>(), error->at("code").get<std::string>(),
                error->at("message").get<std::string>(), error->at("param").get<std::string>(),
                error->at("hint").get<std::string>()};
  }
  return job;
}

std::string new_id() {
  std::random_device random;  // the kernel's: ids cannot be guessed
  std::string id;
  for (int i = 0; i < 4; ++i) {
    std::array<char, 16> word{};
    std::snprintf(word.data(), word.size(), "%08x", random());
    id += word.data();
  }
  return id;
}

bool is_id(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace medaug::app
