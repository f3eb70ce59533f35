// SPDX-License-Identifier: MIT
#include "training/sample_grid.h"

#include <algorithm>
#include <vector>

#include "image/overlay.h"
#include "training/validation.h"

namespace medaug {
namespace {

constexpr std::int64_t kColumns = 8;

// Spread over the set: neighbouring records are often of one patient.
std::vector<std::int64_t> chosen(const Dataset& data, std::int64_t count) {
  const auto n = std::min(count, data.size());
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < n; ++i) {
    indices.push_back(i * data.size() / n);
  }
  return indices;
}

/// Pictures of one size, and what the model makes of their conditions.
void add_samples(const Generator& model, const Dataset& data, CaptionEncoder& captions,
                 const SamplingSettings& settings, const std::vector<std::int64_t>& indices,
                 std::vector<SheetCell>& real, std::vector<SheetCell>& made) {
  const auto batch = batch_of(data, indices);
  const auto device = model.parameters().front().device();
  SamplingRequest request;
  request.conditions = conditions_of(batch, captions, device);
  request.no_text = request.conditions;
  captions.encode(std::vector<std::string>(indices.size()), request.no_text);
  request.no_text.tokens = request.no_text.tokens.to(device);
  request.no_text.token_mask = request.no_text.token_mask.to(device);
  request.seeds = indices;
  request.height = batch.images.size(2);
  request.width = batch.images.size(3);
  const auto samples = sample_images(model, request, settings).to(at::kCPU);
  for (std::int64_t i = 0; i < samples.size(0); ++i) {
    real.push_back({overlay_mask(from_unit_range(batch.images[i], 8), batch.masks[i]), "real"});
    made.push_back({from_unit_range(samples[i], 8), "made"});
  }
}

}  // namespace

void write_sample_grid(const std::filesystem::path& path, const Generator& model,
                       const Dataset& data, CaptionEncoder& captions,
                       const SamplingSettings& settings, std::int64_t count,
                       const std::string& title) {
  std::vector<SheetCell> real, made;
  for (const auto& indices : of_one_size(data, chosen(data, count))) {
    add_samples(model, data, captions, settings, indices, real, made);
  }
  std::vector<SheetCell> cells;
  const auto n = std::ssize(real);
  for (std::int64_t begin = 0; begin < n; begin += kColumns) {
    const auto end = std::min(n, begin + kColumns);
    cells.insert(cells.end(), real.begin() + begin, real.begin() + end);
    cells.insert(cells.end(), made.begin() + begin, made.begin() + end);
  }
  write_png(
      path,
      contact_sheet(cells, {.columns = std::min(n, kColumns), .cell_size = 128, .title = title}),
      {{"Disclaimer", kResearchNotice}, {"synthetic", "true"}});
}

}  // namespace medaug
