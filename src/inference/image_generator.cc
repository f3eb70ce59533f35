// SPDX-License-Identifier: MIT
#include "inference/image_generator.h"

#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "checkpoint/run_folder.h"
#include "inference/batch_maker.h"
#include "text/caption.h"

namespace medaug {
namespace {

constexpr double kWatershed = 0.3;

void check_mask(const at::Tensor& mask, std::int64_t classes, std::int64_t height,
                std::int64_t width) {
  if (!mask.defined()) {
    return;
  }
  if (classes == 0) {
    throw Error(ErrorCode::kInvalidArgument, "mask", "this model was trained without masks",
                "leave the mask out");
  }
  if (mask.dim() != 3 || mask.size(0) != classes || mask.size(1) != height ||
      mask.size(2) != width) {
    const auto shape = [](std::int64_t k, std::int64_t h, std::int64_t w) {
      return std::to_string(k) + " x " + std::to_string(h) + " x " + std::to_string(w);
    };
    const auto found = mask.dim() == 3 ? shape(mask.size(0), mask.size(1), mask.size(2))
                                       : std::to_string(mask.dim()) + "-dimensional";
    throw Error(ErrorCode::kInvalidArgument, "mask",
                "it is " + found + ", the model wants " + shape(classes, height, width),
                "classes, height and width must be those of the image to make");
  }
}

void check_init(const GenerateRequest& request, bool wanted, std::int64_t channels,
                std::int64_t height, std::int64_t width) {
  const bool fits =
      !wanted || (request.init.defined() && request.region.defined() &&
                  request.init.sizes() == at::IntArrayRef({channels, height, width}) &&
                  request.region.sizes() == at::IntArrayRef({1, height, width}));
  if (!fits || request.init.defined() != wanted) {
    throw Error(ErrorCode::kInvalidArgument, "init",
                "image and region must both have the size of the image to make, in all requests "
                "of a call or in none");
  }
}

/// Latent models take larger sizes than they were trained at as Lumina-Next does: attention keeps
/// its entropy (proportional attention), and above the trained size early steps interpolate the
/// places and later ones change the rotary base.
NextDiTCall call_for(const ModelInfo& info, std::int64_t height, std::int64_t width) {
  NextDiTCall call;
  if (info.generator.downscale > 1) {
    const auto token = info.generator.dit.patch_size * info.generator.downscale;
    const auto trained = info.preprocess.height() * info.preprocess.width();
    const double larger = static_cast<double>(height * width) / static_cast<double>(trained);
    call.proportional_base = trained / (token * token);
    call.scale_factor = std::max(1.0, std::sqrt(larger));
    call.scale_watershed = kWatershed;
  }
  return call;
}

/// How many of the images from `begin` on, at most `lanes`, are of one size.
std::size_t run_length(const std::vector<PictureSize>& sizes, std::size_t begin,
                       std::size_t lanes) {
  const auto end =
      sizes.begin() + static_cast<std::ptrdiff_t>(std::min(begin + lanes, sizes.size()));
  const auto from = sizes.begin() + static_cast<std::ptrdiff_t>(begin);
  return static_cast<std::size_t>(
      std::find_if(from, end, [&](const PictureSize& size) { return size != *from; }) - from);
}

/// @throws Error kInvalidArgument for one that does not divide into patches
std::vector<PictureSize> sizes_of(const std::vector<GenerateRequest>& requests,
                                  const GenerateSettings& settings, const ModelInfo& info) {
  PictureSize common{info.preprocess.height(), info.preprocess.width()};
  if (settings.image_size > 0) {
    common = {settings.image_size,
              settings.image_width > 0 ? settings.image_width : settings.image_size};
  }
  const bool own = info.preprocess.buckets && settings.image_size == 0;
  std::vector<PictureSize> sizes;
  for (const auto& request : requests) {
    const auto& planes = request.mask.defined() ? request.mask : request.init;
    const bool told = own && planes.defined() && planes.dim() == 3;
    sizes.push_back(
        request.size.value_or(told ? PictureSize{planes.size(1), planes.size(2)} : common));
    try {
      validate_size(info.generator, sizes.back().height, sizes.back().width, "image");
    } catch (const Error& e) {
      throw Error(ErrorCode::kInvalidArgument, "image_size", e.message(), e.hint());
    }
  }
  return sizes;
}

}  // namespace

ImageGenerator::ImageGenerator(const std::filesystem::path& checkpoint, const Options& options)
    : options_(options),
      loaded_(load_model_file(find_inference_file(checkpoint), options.device, options.dtype,
                              options.adapters)),
      captions_(loaded_.tokenizer, loaded_.info.generator.text.max_tokens) {}

GenerateSettings ImageGenerator::defaults() const {
  GenerateSettings settings;
  settings.sampler = loaded_.info.sampler;
  settings.guidance = loaded_.info.guidance;
  return settings;
}

SamplingRequest ImageGenerator::sampling_request(std::span<const GenerateRequest> requests,
                                                 PictureSize size, const std::string& negative) {
  const auto [height, width] = size;
  const auto classes = loaded_.info.generator.dit.mask_classes;
  std::vector<std::string> captions;
  std::vector<at::Tensor> masks;
  std::vector<float> present;
  std::vector<at::Tensor> inits, regions;
  const bool painted_in = requests.front().init.defined();
  seeds_.clear();
  for (const auto& one : requests) {
    check_mask(one.mask, classes, height, width);
    check_init(one, painted_in, loaded_.info.preprocess.channels, height, width);
    if (painted_in) {
      inits.push_back(one.init.to(at::kFloat));
      regions.push_back(one.region.to(at::kBool));
    }
    captions.push_back(one.caption);
    masks.push_back(one.mask.defined() ? one.mask.to(at::kFloat)
                                       : at::zeros({classes, height, width}));
    present.push_back(one.mask.defined() ? 1.0F : 0.0F);
    seeds_.push_back(one.seed);
  }
  SamplingRequest request;
  captions_.encode(captions, request.conditions);
  captions_.encode(std::vector<std::string>(requests.size(), negative), request.no_text);
  for (auto* tensor : {&request.conditions.tokens, &request.conditions.token_mask,
                       &request.no_text.tokens, &request.no_text.token_mask}) {
    *tensor = tensor->to(options_.device);
  }
  if (classes > 0) {
    request.conditions.mask = at::stack(masks).to(options_.device);
    request.conditions.mask_present = at::tensor(present).to(options_.device);
  }
  if (painted_in) {
    request.init = at::stack(inits).to(options_.device);
    request.region = at::stack(regions).to(options_.device);
  }
  request.seeds = seeds_;
  request.height = height;
  request.width = width;
  return request;
}

std::vector<at::Tensor> ImageGenerator::generate(const std::vector<GenerateRequest>& requests,
                                                 const GenerateSettings& settings,
                                                 const SamplingWatch& watch) {
  const auto sizes = sizes_of(requests, settings, loaded_.info);
  SamplingSettings sampling{loaded_.info.flow, settings.sampler, settings.guidance, {}};
  std::vector<at::Tensor> images;
  // An adaptive step follows the whole batch, and an image must not depend on its company.
  const auto lanes = is_adaptive(settings.sampler.solver)
                         ? std::size_t{1}
                         : static_cast<std::size_t>(options_.lanes);
  bool cancelled = false;
  for (std::size_t begin = 0, count = 0; begin < requests.size() && !cancelled; begin += count) {
    const auto size = sizes[begin];
    count = run_length(sizes, begin, lanes);
    sampling.call = call_for(loaded_.info, size.height, size.width);
    SamplingWatch batch_watch;
    if (watch.on_step) {
      batch_watch.on_step = [&](std::int64_t step, std::int64_t steps, const at::Tensor& z) {
        cancelled = !watch.on_step(step, steps, z);
        return !cancelled;
      };
    }
    if (watch.on_estimate) {
      batch_watch.on_estimate = [&](std::int64_t first, const at::Tensor& estimate) {
        watch.on_estimate(static_cast<std::int64_t>(begin) + first, estimate);
      };
    }
    const auto request =
        sampling_request({requests.data() + begin, count}, size, settings.negative_caption);
    const auto made = sample_images(*loaded_.model, request, sampling, batch_watch).to(at::kCPU);
    for (const auto& image : made.unbind(0)) {
      images.push_back(image);
    }
  }
  images.resize(requests.size());
  return images;
}

Image ImageGenerator::generate_image(const ImageArguments& arguments) {
  auto settings = defaults();
  settings.image_size = arguments.image_size;
  settings.sampler.steps = arguments.num_inference_steps.value_or(settings.sampler.steps);
  settings.guidance.text = arguments.guidance_scale.value_or(settings.guidance.text);
  GenerateRequest request{
      normalize_caption(arguments.caption, "caption", ErrorCode::kInvalidArgument),
      {},
      arguments.seed};
  if (!arguments.mask.empty()) {
    request.mask = read_mask_planes(arguments.mask, preprocess_for(info(), settings), "mask");
  }
  return from_unit_range(generate({request}, settings).front(), bit_depth());
}

}  // namespace medaug
