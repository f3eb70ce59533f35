// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/http/message.h"
#include "flow/sampler.h"

namespace medaug::app {

enum class JobState { kQueued, kRunning, kDone, kFailed, kCancelled };
}  // namespace medaug::app

template <>
struct medaug::EnumNames<medaug::app::JobState> {
  static constexpr std::pair<medaug::app::JobState, std::string_view> kNames[] = {
      {medaug::app::JobState::kQueued, "queued"},
      {medaug::app::JobState::kRunning, "running"},
      {medaug::app::JobState::kDone, "done"},
      {medaug::app::JobState::kFailed, "failed"},
      {medaug::app::JobState::kCancelled, "cancelled"}};
};

namespace medaug::app {

inline bool is_final(JobState state) {
  return state != JobState::kQueued && state != JobState::kRunning;
}

/// What a client asks for, checked.
struct JobRequest {
  std::string prompt;
  std::string negative_prompt = {};
  std::int64_t count = 1;
  std::int64_t seed = 42;  ///< of the first image; the next ones count up
  std::int64_t width = 64;
  std::int64_t height = 64;
  SamplerOptions sampler = {};
  GuidanceOptions guidance = {};
  std::string mask_png = {};    ///< bytes as they came; empty = no mask
  std::string init_image = {};  ///< likewise, of an image to paint in
  std::string region_png = {};  ///< where to paint in it
};

/// One finished image.
struct JobImage {
  std::int64_t seed = 0;
  Json agreement = nullptr;  ///< {"dice", "iou", "classes"} with the mask, by the segmenter
  Json nearest = nullptr;    ///< {"score", "copy"} of the training image it is most like
};

struct Job {
  std::string id;
  JobState state = JobState::kQueued;
  double created = 0.0;  ///< seconds since 1970, as all times
  std::optional<double> started = {};
  std::optional<double> finished = {};
  JobRequest request;
  std::string model_sha256 = {};
  std::vector<JobImage> images = {};
  std::optional<Problem> error = {};
};

/// Where a job stands that is not finished.
struct JobProgress {
  std::optional<std::int64_t> position = {};  ///< jobs before it in the queue
  std::optional<double> eta_seconds = {};
  std::int64_t step = 0;  ///< of the images in hand
  std::int64_t images_done = 0;
};

/// As the API shows it.
Json job_json(const Job& job, const JobProgress& progress);
/// The part "request" of it.
Json request_json(const JobRequest& request);

/// As the history keeps it, without the uploaded files.
Json stored_json(const Job& job);
/// The reverse. @throws Error kData
Job job_from_stored(const Json& json);

/// 128 random bits in hexadecimal digits.
std::string new_id();
/// Whether a text from an address can be the id of a job: nothing else may become part of a path.
bool is_id(std::string_view text);
double now_seconds();

}  // namespace medaug::app
