// SPDX-License-Identifier: MIT
#pragma once

#include "app/http/fields.h"
#include "app/jobs/model_host.h"

namespace medaug::app {

/// What the two families of routes call the same fields.
struct SamplingNames {
  const char* count;
  const char* guidance;
  const char* mask_guidance;
  std::int64_t most_images;
};

/// Captions, number, seed and sampling of a request, with the model's own settings for what is
/// absent and a random seed for none. Size and pictures are left to the caller. @throws HttpError
JobRequest sampling_request(RequestFields& fields, const HostedModel& model,
                            const SamplingNames& names);

}  // namespace medaug::app
