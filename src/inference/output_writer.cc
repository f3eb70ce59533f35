// SPDX-License-Identifier: MIT
#include "inference/output_writer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/files.h"
#include "base/strings.h"
#include "data/class_info.h"
#include "data/mask_labels.h"
#include "image/overlay.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

/// The fewest digits that are read back as the same number.
std::string shortest(double value) {
  std::array<char, 32> text{};
  for (int digits = 6; digits <= 17; ++digits) {
    std::snprintf(text.data(), text.size(), "%.*g", digits, value);
    if (std::strtod(text.data(), nullptr) == value) {
      break;
    }
  }
  return text.data();
}

std::string file_name(std::int64_t number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%06lld.png", static_cast<long long>(number));
  return text.data();
}

/// Class of one pixel by its shares, -1 = background.
std::int64_t class_at(const float* planes, std::int64_t pixel, std::int64_t classes,
                      std::int64_t pixels) {
  float covered = 0.0F;
  std::int64_t best = 0;
  for (std::int64_t k = 0; k < classes; ++k) {
    covered += planes[k * pixels + pixel];
    best = planes[k * pixels + pixel] > planes[best * pixels + pixel] ? k : best;
  }
  return covered >= 0.5F ? best : -1;
}

/// A class that no pixel got keeps the one it fills most.
void keep_small_classes(const float* planes, const std::vector<std::int64_t>& labels,
                        std::int64_t pixels, std::int32_t* levels) {
  for (std::size_t k = 0; k < labels.size(); ++k) {
    const float* const plane = planes + static_cast<std::int64_t>(k) * pixels;
    const float* const fullest = std::max_element(plane, plane + pixels);
    const auto label = static_cast<std::int32_t>(labels[k]);
    if (*fullest > 0.0F && std::find(levels, levels + pixels, label) == levels + pixels) {
      levels[fullest - plane] = label;
    }
  }
}

bool has_mask(const GenerateRequest& request) {
  return request.mask.defined() && request.mask.size(0) > 0;
}

SheetCell sheet_cell(const fs::path& folder, const Json& line,
                     const PreprocessOptions& preprocess) {
  auto image = read_image(folder / line.at("image_path").get<std::string>());
  const auto caption = line.value("caption", std::string());
  const auto mask = line.find("mask_path");
  if (mask == line.end() || !mask->is_string()) {
    return {to_display(image), caption};
  }
  const auto file = folder / mask->get<std::string>();
  return {overlay_mask(image, split_mask(read_mask_levels(file), preprocess, file.string())),
          caption};
}

}  // namespace

Image label_map(const at::Tensor& planes, const PreprocessOptions& options) {
  const auto classes = planes.size(0);
  const auto pixels = planes.size(1) * planes.size(2);
  std::vector<std::int64_t> labels;
  for (std::int64_t k = 0; k < classes; ++k) {
    labels.push_back(class_label(options, k));
  }
  const auto in = planes.to(at::kFloat).contiguous();
  const auto* const values = in.const_data_ptr<float>();
  auto levels = at::zeros({1, planes.size(1), planes.size(2)}, at::kInt);
  auto* const out = levels.mutable_data_ptr<std::int32_t>();
  for (std::int64_t i = 0; i < pixels && classes > 0; ++i) {
    const auto k = class_at(values, i, classes, pixels);
    out[i] = k < 0 ? 0 : static_cast<std::int32_t>(labels[static_cast<std::size_t>(k)]);
  }
  keep_small_classes(values, labels, pixels, out);
  const bool deep =
      std::any_of(labels.begin(), labels.end(), [](auto label) { return label > 255; });
  return deep ? Image{levels, 16} : Image{levels.to(at::kByte), 8};
}

Image stored_form(const at::Tensor& pixels, std::int64_t channels, int bit_depth) {
  if (channels == 1 && pixels.size(0) == 3) {
    const auto grey = pixels[0] * 0.299 + pixels[1] * 0.587 + pixels[2] * 0.114;
    return from_unit_range(grey.unsqueeze(0), bit_depth);
  }
  const bool repeat = channels == 3 && pixels.size(0) == 1;  // a grey model of a colour source
  return from_unit_range(repeat ? pixels.expand({3, -1, -1}) : pixels, bit_depth);
}

std::map<std::string, std::string> png_text_of(const Provenance& provenance,
                                               const GenerateRequest& request,
                                               const PreprocessOptions& preprocess) {
  const auto& settings = provenance.settings;
  std::map<std::string, std::string> text{
      {"Software", "medaug " + provenance.version},
      {"Disclaimer", kResearchNotice},
      {"synthetic", "true"},
      {"medaug_version", provenance.version},
      {"checkpoint_sha256", provenance.checkpoint_sha256},
      {"precision", provenance.precision},
      {"seed", std::to_string(request.seed)},
      {"steps", std::to_string(settings.sampler.steps)},
      {"solver", std::string(enum_name(settings.sampler.solver))},
      {"guidance", shortest(settings.guidance.text)},
      {"mask_guidance", shortest(settings.guidance.mask)},
      {"caption", request.caption}};
  if (!settings.negative_caption.empty()) {
    text["negative_caption"] = settings.negative_caption;
  }
  if (request.init.defined()) {
    text["painted_in"] = "true";  // its image and region are not kept here
  }
  if (has_mask(request)) {
    // The same bytes again when the mask had the size of the image.
    text["mask_png"] = base64(encode_png(label_map(request.mask, preprocess)));
  }
  return text;
}

OutputWriter::OutputWriter(fs::path folder, std::string manifest, Provenance provenance,
                           PreprocessOptions preprocess)
    : folder_(std::move(folder)),
      manifest_(folder_ / manifest),
      provenance_(std::move(provenance)),
      preprocess_(std::move(preprocess)) {
  make_folders(folder_ / "images");
  make_folders(folder_ / "masks");
}

Json OutputWriter::write(const MadeImage& made) {
  const auto name = file_name(made.number);
  const bool masked = has_mask(made.request);
  Json line = Json::object();
  line["image_path"] = "images/" + name;
  line["caption"] = made.request.caption;
  line["mask_path"] = masked ? Json("masks/" + name) : Json(nullptr);
  for (const auto& [key, value] : made.fields.items()) {
    line[key] = value;
  }
  line["seed"] = made.request.seed;
  line["synthetic"] = true;
  if (masked) {
    write_png(folder_ / "masks" / name, label_map(made.request.mask, preprocess_));
  }
  write_png(folder_ / "images" / name, stored_form(made.pixels, made.channels, made.bit_depth),
            png_text_of(provenance_, made.request, preprocess_));
  append_line(manifest_, line.dump());
  return line;
}

void write_contact_sheet(const fs::path& folder, const std::vector<Json>& lines,
                         const PreprocessOptions& preprocess, const std::string& title,
                         std::size_t most) {
  const auto count = std::min(most, lines.size());
  std::vector<SheetCell> cells;
  for (std::size_t i = 0; i < count; ++i) {
    cells.push_back(sheet_cell(folder, lines[i * lines.size() / count], preprocess));
  }
  if (!cells.empty()) {
    const auto columns = std::min<std::int64_t>(8, static_cast<std::int64_t>(count));
    write_png(folder / "contact_sheet.png",
              contact_sheet(cells, {.columns = columns, .cell_size = 128, .title = title}),
              {{"Disclaimer", kResearchNotice}, {"synthetic", "true"}});
  }
}

}  // namespace medaug
