// SPDX-License-Identifier: MIT
#include "inference/augmenter.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/random.h"
#include "base/strings.h"
#include "config/concat.h"
#include "data/buckets.h"
#include "data/pair.h"
#include "inference/batch_maker.h"
#include "inference/originals.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPlanFile = "plan.json";
constexpr const char* kManifestFile = "manifest.jsonl";
constexpr const char* kRefusedFile = "refused.jsonl";
constexpr std::int64_t kMaxPlanBytes = 1 << 20;
constexpr std::int64_t kMaxManifestBytes = 4LL << 30;

/// Everything that the bytes of the images depend on.
Json plan_json(const AugmentRequest& request, const PreprocessOptions& preprocess) {
  const auto& plan = request.plan;
  Json json = Json::object();
  json["source_sha256"] = sha256_file(request.source.path);
  json["checkpoint_sha256"] = request.provenance.checkpoint_sha256;
  json["ratio"] = plan.ratio ? Json(*plan.ratio) : Json(nullptr);
  json["per_image"] = plan.per_image ? Json(*plan.per_image) : Json(nullptr);
  json["count"] = plan.count ? Json(*plan.count) : Json(nullptr);
  json["balance"] = plan.balance_labels ? Json("label") : Json(nullptr);
  json["mask_transform"] = std::string(enum_name(plan.mask_transform));
  json["originals"] = std::string(enum_name(plan.originals));
  json["seed"] = plan.seed;
  json["height"] = preprocess.height();
  json["width"] = preprocess.width();
  json["negative_caption"] = request.settings.negative_caption;
  json["precision"] = request.provenance.precision;
  json["sampler"] = to_json(request.settings.sampler);
  json["guidance"] = to_json(request.settings.guidance);
  json["gate"] = request.gate_plan;
  json["retries"] = request.gate != nullptr ? Json(request.retries) : Json(nullptr);
  return json;
}

void refuse_other_plan(const fs::path& file, const Json& wanted) {
  Json found = Json::parse(read_file(file, kMaxPlanBytes, ErrorCode::kData), nullptr, false);
  found = found.is_object() ? found.value("plan", Json::object()) : Json::object();
  for (const auto& [key, value] : wanted.items()) {
    if (!found.contains(key) || found[key] != value) {
      throw Error(ErrorCode::kUsage, file.string(),
                  concat({"this folder belongs to another plan: '", key, "' was ",
                          printable(found.value(key, Json()).dump()), " and is now ",
                          printable(value.dump())}),
                  "choose another folder with --output, or repeat the arguments of before");
    }
  }
}

/// A call that ended before its plan was written leaves its lock.
bool holds_nothing(const fs::path& folder) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (entry.path().filename() != FolderLock::kName) {
      return false;
    }
  }
  return !failed;  // not a folder
}

/// True when the folder holds an unfinished or finished run of the same plan.
bool is_resumed(const fs::path& folder, const Json& plan) {
  std::error_code ignored;
  if (fs::exists(folder / kPlanFile, ignored)) {
    refuse_other_plan(folder / kPlanFile, plan);
    return true;
  }
  if (fs::exists(folder, ignored) && !holds_nothing(folder)) {
    throw Error(ErrorCode::kUsage, folder.string(), "is not empty and not made by 'augment'",
                "choose a new folder with --output");
  }
  return false;
}

/// What must be known of each record before the first image is made.
struct SourceFacts {
  std::int64_t channels = 0;
  int bit_depth = 8;
  std::optional<PictureSize> size = {};  ///< its bucket, for models that have them
};

struct Survey {
  std::vector<SourceFacts> facts;   ///< of each record; only used ones are filled
  std::vector<MaskCenter> centers;  ///< of the used records' masks
};

// Every picture and mask in use is read once before anything is written: a damaged one in the
// middle must not leave half a data set.
Survey survey(const AugmentRequest& request, const std::vector<std::int64_t>& sources,
              const PreprocessOptions& preprocess) {
  Survey result;
  result.facts.resize(request.source.records.size());
  for (const auto index : std::set<std::int64_t>(sources.begin(), sources.end())) {
    const auto& record = request.source.records[static_cast<std::size_t>(index)];
    const auto where = place_of(request.source, record);
    const auto stored = read_stored_pair(record, where);
    auto& facts = result.facts[static_cast<std::size_t>(index)];
    facts = {stored.image.channels(), stored.image.bit_depth};
    if (preprocess.buckets) {
      const auto own = sized_for(preprocess, stored.image.height(), stored.image.width());
      facts.size = PictureSize{own.height(), own.width()};
    }
    if (record.mask_path && preprocess.mask_classes > 0) {
      const auto center = center_of(read_mask_planes(*record.mask_path, preprocess, where));
      if (center) {
        result.centers.push_back(*center);
      }
    }
  }
  return result;
}

/// The image that a line was written for: each image's seeds lie `planned` apart.
std::int64_t number_of(const Json& line, const AugmentPlan& plan, std::int64_t planned) {
  const auto seed = line.value("seed", Json(-1));
  const auto attempt = line.value("attempt", Json(0));
  return seed.is_number_integer() && attempt.is_number_integer()
             ? seed.get<std::int64_t>() - plan.seed - attempt.get<std::int64_t>() * planned
             : -1;
}

/// What an earlier call has done.
struct Earlier {
  std::vector<Json> lines;  ///< of its images whose files are there
  std::int64_t next = 0;    ///< number of the first image that is still to be made
};

/// A last line that was cut is dropped.
/// @param skipped  lines of originals before them
Earlier earlier_lines(const AugmentRequest& request, std::int64_t planned, std::int64_t skipped) {
  const auto& folder = request.folder;
  Earlier earlier;
  std::error_code ignored;
  if (!fs::exists(folder / kManifestFile, ignored)) {
    return earlier;
  }
  std::istringstream text(read_file(folder / kManifestFile, kMaxManifestBytes, ErrorCode::kData));
  const auto there = [&](const Json& line, const char* key) {
    const auto found = line.find(key);
    return found == line.end() || !found->is_string() ||
           fs::is_regular_file(folder / found->get<std::string>(), ignored);
  };
  for (std::string row; std::getline(text, row);) {
    auto line = Json::parse(row, nullptr, false);
    if (skipped-- > 0) {
      continue;
    }
    if (!line.is_object()) {
      break;
    }
    // Kept images must be the first ones, so that the manifest ends in the order of one that was
    // never stopped; what comes behind a gap is made again, with the same bytes. With a gate a gap
    // may be an image that was given up.
    const auto number = number_of(line, request.plan, planned);
    const bool in_order = request.gate == nullptr ? number == earlier.next : number >= earlier.next;
    if (!in_order || number >= planned || !there(line, "image_path") || !there(line, "mask_path")) {
      break;
    }
    earlier.next = number + 1;
    earlier.lines.push_back(std::move(line));
  }
  return earlier;
}

/// Lines about refused images before number `next`; what comes behind them is tried again.
std::vector<Json> earlier_refused(const AugmentRequest& request, std::int64_t planned,
                                  std::int64_t next) {
  std::vector<Json> lines;
  std::error_code ignored;
  const auto file = request.folder / kRefusedFile;
  if (!fs::exists(file, ignored)) {
    return lines;
  }
  std::istringstream text(read_file(file, kMaxManifestBytes, ErrorCode::kData));
  for (std::string row; std::getline(text, row);) {
    auto line = Json::parse(row, nullptr, false);
    if (!line.is_object() || number_of(line, request.plan, planned) >= next) {
      break;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string as_text(const std::vector<Json>& lines) {
  std::string text;
  for (const auto& line : lines) {
    text.append(line.dump()).append("\n");
  }
  return text;
}

class Augmenter {
 public:
  Augmenter(ImageGenerator& generator, const AugmentRequest& request)
      : generator_(generator),
        request_(request),
        preprocess_(preprocess_for(generator.info(), request.settings)),
        sources_(planned_sources(request.source, request.plan)),
        source_hash_(sha256_file(request.source.path)) {}

  AugmentResult run();

 private:
  MadeImage prepare(std::int64_t number) const;
  Earlier begin_folder(const Json& plan, bool resumed);
  GateRun gating();

  ImageGenerator& generator_;
  const AugmentRequest& request_;
  PreprocessOptions preprocess_;
  std::vector<std::int64_t> sources_;
  std::string source_hash_;
  Survey survey_;
  std::int64_t originals_ = 0;
  std::map<std::string, std::int64_t> refused_;  ///< by rule
};

MadeImage Augmenter::prepare(std::int64_t number) const {
  const auto index = static_cast<std::size_t>(sources_[static_cast<std::size_t>(number)]);
  const auto& record = request_.source.records[index];
  MadeImage made;
  made.number = number;
  made.request = {record.caption, {}, request_.plan.seed + number};
  made.channels = survey_.facts[index].channels;
  made.bit_depth = survey_.facts[index].bit_depth;
  made.request.size = survey_.facts[index].size;
  made.fields = passed_on_fields(record, source_hash_);
  made.fields["source_image"] = record.raw.value("image_path", std::string());
  made.fields["mask_transform"] = std::string(enum_name(request_.plan.mask_transform));
  if (record.mask_path && preprocess_.mask_classes > 0) {
    const auto given =
        read_mask_planes(*record.mask_path, preprocess_, place_of(request_.source, record));
    made.request.mask =
        warp_mask(given, request_.plan.mask_transform, survey_.centers,
                  RandomStream(static_cast<std::uint64_t>(request_.plan.seed), Purpose::kMaskWarp,
                               static_cast<std::uint64_t>(number)));
    made.request.caption = warp_caption(record.caption, given, made.request.mask);
  }
  return made;
}

/// The plan, the originals and a manifest of what is there already.
Earlier Augmenter::begin_folder(const Json& plan, bool resumed) {
  const auto& folder = request_.folder;
  const Json file{{"format", 1},
                  {"medaug_version", request_.provenance.version},
                  {"source", request_.source.path.string()},
                  {"images", sources_.size()},
                  {"plan", plan}};
  write_file_atomically(folder / kPlanFile, file.dump(2) + "\n");
  const auto originals = place_originals(request_.source, folder, request_.plan.originals);
  originals_ = static_cast<std::int64_t>(originals.size());
  const auto planned = std::ssize(sources_);
  auto earlier = resumed ? earlier_lines(request_, planned, originals_) : Earlier();
  write_file_atomically(folder / kManifestFile, as_text(originals) + as_text(earlier.lines));
  if (request_.gate != nullptr) {
    const auto refused = earlier_refused(request_, planned, earlier.next);
    for (const auto& line : refused) {
      ++refused_[line.value("rule", "?")];
    }
    write_file_atomically(folder / kRefusedFile, as_text(refused));
  }
  return earlier;
}

GateRun Augmenter::gating() {
  GateRun gating;
  gating.gate = request_.gate;
  gating.retries = request_.retries;
  gating.seed_step = std::ssize(sources_);
  gating.on_refused = [this](const MadeImage& image, const std::string& rule) {
    ++refused_[rule];
    Json line = {{"rule", rule}, {"seed", image.request.seed}};
    line.update(image.fields);
    append_line(request_.folder / kRefusedFile, line.dump());
  };
  return gating;
}

AugmentResult Augmenter::run() {
  const auto plan = plan_json(request_, preprocess_);
  is_resumed(request_.folder, plan);  // refuses before the pictures are read
  survey_ = survey(request_, sources_, preprocess_);
  make_folders(request_.folder);
  const FolderLock lock(request_.folder);
  auto earlier = begin_folder(plan, is_resumed(request_.folder, plan));
  auto& lines = earlier.lines;
  AugmentResult result;
  result.manifest = request_.folder / kManifestFile;
  result.planned = static_cast<std::int64_t>(sources_.size());
  result.kept = static_cast<std::int64_t>(lines.size());
  result.originals = originals_;
  BatchRun batches;
  batches.count = result.planned - earlier.next;
  batches.prepare = [&](std::int64_t i) { return prepare(earlier.next + i); };
  batches.gating = gating();
  std::int64_t reached = earlier.next;
  const auto progress = [&](std::int64_t done) {
    reached = earlier.next + done;
    if (request_.on_progress) {
      request_.on_progress(reached, result.planned);
    }
  };
  progress(0);
  batches.on_progress = progress;
  OutputWriter writer(request_.folder, kManifestFile, request_.provenance, preprocess_);
  const auto made = make_and_write(generator_, request_.settings, batches, writer);
  result.made = static_cast<std::int64_t>(made.size());
  result.given_up = reached - result.kept - result.made;
  result.refused = refused_;
  lines.insert(lines.end(), made.begin(), made.end());
  write_contact_sheet(request_.folder, lines, preprocess_, "synthetic images, masks drawn over");
  return result;
}

}  // namespace

AugmentResult augment_dataset(ImageGenerator& generator, const AugmentRequest& request) {
  return Augmenter(generator, request).run();
}

}  // namespace medaug
