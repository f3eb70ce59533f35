// SPDX-License-Identifier: MIT
#include "app/zip.h"

#include <zip.h>

#include <memory>

#include "base/error.h"
#include "training/sampling.h"

namespace medaug::app {
namespace {

[[noreturn]] void failed(zip_error_t& error) {
  throw Error(ErrorCode::kResource, "archive", zip_error_strerror(&error));
}

}  // namespace

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& files) {
  zip_error_t error;
  zip_error_init(&error);
  auto* const whole = zip_source_buffer_create(nullptr, 0, 0, &error);
  auto* const archive =
      whole == nullptr ? nullptr : zip_open_from_source(whole, ZIP_TRUNCATE, &error);
  if (archive == nullptr) {
    failed(error);
  }
  zip_source_keep(whole);
  const std::unique_ptr<zip_source_t, void (*)(zip_source_t*)> held(whole, zip_source_free);
  for (const auto& [name, bytes] : files) {
    auto* const source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const auto index = zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      zip_discard(archive);
      failed(error);
    }
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);
  }
  if (zip_close(archive) != 0) {
    zip_discard(archive);
    failed(error);
  }
  zip_stat_t about;
  if (zip_source_open(whole) != 0 || zip_source_stat(whole, &about) != 0) {
    failed(error);
  }
  std::string out(about.size, '\0');
  zip_source_read(whole, out.data(), about.size);
  zip_source_close(whole);
  return out;
}

std::vector<std::pair<std::string, std::string>> archive_files(const Job& job,
                                                               const History& history) {
  std::vector<std::pair<std::string, std::string>> files;
  for (std::size_t i = 0; i < job.images.size(); ++i) {
    const auto number = std::to_string(i);
    const auto& image = job.images[i];
    files.emplace_back(number + ".png", history.read_file(job.id, number + ".png").value_or(""));
    auto about = request_json(job.request);
    about["seed"] = image.seed;
    about["count"] = 1;
    about["checkpoint_sha256"] = job.model_sha256;
    about["agreement"] = image.agreement;
    about["nearest"] = image.nearest;
    about["synthetic"] = true;
    about["notice"] = kResearchNotice;
    files.emplace_back(number + ".json",
                       about.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  if (!job.request.mask_png.empty()) {
    files.emplace_back("mask.png", job.request.mask_png);
  }
  return files;
}

}  // namespace medaug::app
