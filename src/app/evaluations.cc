// SPDX-License-Identifier: MIT
#include "app/evaluations.h"

#include <algorithm>
#include <fstream>
#include <memory>

#include "app/jobs/job.h"
#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "evaluation/copies.h"
#include "evaluation/items.h"
#include "evaluation/report.h"

namespace medaug::app {
namespace {

namespace fs = std::filesystem;

constexpr int kDepth = 4;
constexpr std::size_t kMostSources = 500;
constexpr std::size_t kMostWaiting = 8;
constexpr std::int64_t kMostResultBytes = 512LL << 20;

std::int64_t lines_of(const fs::path& file) {
  std::ifstream in(file);
  std::int64_t lines = 0;
  for (std::string line; std::getline(in, line);) {
    lines += line.empty() ? 0 : 1;
  }
  return lines;
}

/// Stopped because the server ends.
struct Stopped {};

}  // namespace

Evaluations::Evaluations(fs::path root, fs::path output, fs::path segmenter)
    : root_(std::move(root)), output_(std::move(output)), segmenter_(std::move(segmenter)) {
  make_folders(output_);
  worker_ = std::thread([this] { work(); });
}

Evaluations::~Evaluations() {
  {
    const std::lock_guard lock(mutex_);  // or the worker may miss it between asking and waiting
    stopping_ = true;
  }
  wake_.notify_all();
  worker_.join();
}

void Evaluations::scan() {
  sources_.clear();
  std::map<fs::path, std::int64_t> pictures;  // of folders
  std::error_code error;
  const auto add = [&](const fs::path& path, const char* kind, std::int64_t images) {
    const auto name = fs::relative(path, root_, error).string();
    const auto id = sha256(name).substr(0, 32);
    if (sources_.size() < kMostSources) {
      sources_[id] = {
          {"id", id}, {"name", printable(name, 300)}, {"kind", kind}, {"images", images}};
      sources_[id]["path"] = path.string();
    }
  };
  fs::recursive_directory_iterator entry(root_, fs::directory_options::skip_permission_denied,
                                         error);
  for (const fs::recursive_directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (entry.depth() >= kDepth) {
      entry.disable_recursion_pending();
    }
    if (!entry->is_regular_file(error)) {
      continue;
    }
    if (entry->path().extension() == ".jsonl" && entry->path().filename() != "metrics.jsonl") {
      add(entry->path(), "manifest", lines_of(entry->path()));
    } else if (is_picture(entry->path())) {
      ++pictures[entry->path().parent_path()];
    }
  }
  for (const auto& [folder, count] : pictures) {
    add(folder, "folder", count);
  }
}

Json Evaluations::sources() {
  const std::lock_guard lock(mutex_);
  scan();
  std::vector<Json> sources;
  for (auto [id, source] : sources_) {
    source.erase("path");
    sources.push_back(std::move(source));
  }
  std::sort(sources.begin(), sources.end(), [](const Json& a, const Json& b) {
    return a["name"].get_ref<const std::string&>() < b["name"].get_ref<const std::string&>();
  });
  return {{"sources", sources}};
}

fs::path Evaluations::source(const std::string& id, const char* field) {
  if (id.empty()) {
    return {};
  }
  if (sources_.count(id) == 0) {
    scan();
  }
  const auto found = sources_.find(id);
  if (found == sources_.end()) {
    throw HttpError({400, "invalid_request", "there is no such source", field,
                     "take an id of GET /v1/evaluation/sources"});
  }
  return found->second["path"].get<std::string>();
}

/// What `audit_copies` would find only after everything else was measured.
void Evaluations::check_copies(const EvaluationRequest& request) {
  if (request.training.empty() || request.reference.empty()) {
    throw HttpError({400, "invalid_request", "copies are looked for among training images",
                     request.training.empty() ? "training" : "reference",
                     "give the training images, and as reference real images that are not among "
                     "them"});
  }
  const auto images = sources_[request.reference]["images"].get<std::int64_t>();
  if (images < CopyDetector::kLeastHeldOut) {
    throw HttpError({400, "invalid_request",
                     std::to_string(images) + " held-out images are too few to tell copies by",
                     "reference",
                     "at least " + std::to_string(CopyDetector::kLeastHeldOut) + " are needed"});
  }
}

std::string Evaluations::submit(const EvaluationRequest& request) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMostWaiting) {
    throw HttpError(
        {503, "queue_full", "too many evaluations wait already", "", "try again later", 30});
  }
  Entry entry;
  entry.id = new_id();
  entry.created = now_seconds();
  auto& options = entry.options;
  options.generated = source(request.generated, "generated");
  options.reference = source(request.reference, "reference");
  options.training = source(request.training, "training");
  if (!request.paired && !request.distribution && !request.copies && !request.segmenter) {
    throw HttpError({400, "invalid_request", "nothing is chosen to be measured", "paired",
                     "choose at least one of the measurements"});
  }
  if (request.reference.empty() && (request.distribution || !request.segmenter)) {
    throw HttpError({400, "invalid_request", "there is nothing to compare with", "reference",
                     "choose reference images, or only the agreement with masks"});
  }
  if (request.copies) {
    check_copies(request);
  }
  options.unpaired = !request.paired;
  options.distribution = request.distribution;
  options.copies = request.copies;
  if (request.segmenter && segmenter_.empty()) {
    throw HttpError({400, "invalid_request", "the server was started without a segmenter",
                     "segmenter", "medaug serve --segmenter FILE"});
  }
  options.segmenter = request.segmenter ? segmenter_ : fs::path();
  const auto name = [&](const std::string& id) {
    return id.empty() ? Json(nullptr) : sources_[id]["name"];
  };
  entry.names = {{"generated", name(request.generated)},
                 {"reference", name(request.reference)},
                 {"training", name(request.training)}};
  const auto id = entry.id;
  entries_[id] = std::move(entry);
  waiting_.push_back(id);
  wake_.notify_all();
  return id;
}

Json Evaluations::json_of(const Entry& entry) {
  const auto base = "/v1/evaluations/" + entry.id;
  const bool done = entry.state == "done";
  return {{"id", entry.id},
          {"state", entry.state},
          {"created", entry.created},
          {"sources", entry.names},
          {"part", entry.part},
          {"done", entry.done},
          {"total", entry.total},
          {"error", entry.error ? problem_json(*entry.error, "")["error"] : Json(nullptr)},
          {"report_url", done ? Json(base + "/report") : Json(nullptr)},
          {"result_url", done ? Json(base + "/result") : Json(nullptr)}};
}

std::optional<Json> Evaluations::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  return found == entries_.end() ? std::nullopt : std::optional(json_of(found->second));
}

Json Evaluations::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<const Entry*> entries;
  for (const auto& [id, entry] : entries_) {
    entries.push_back(&entry);
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry* a, const Entry* b) { return a->created > b->created; });
  Json list = Json::array();
  for (const auto* const entry : entries) {
    list.push_back(json_of(*entry));
  }
  return {{"evaluations", list}};
}

std::optional<std::string> Evaluations::file(const std::string& id, bool report) const {
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.state != "done") {
      return std::nullopt;
    }
  }
  return read_file(output_ / (id + (report ? ".html" : ".json")), kMostResultBytes,
                   ErrorCode::kResource);
}

void Evaluations::work() {
  while (true) {
    EvaluateOptions options;
    std::string id;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) {
        return;
      }
      id = waiting_.front();
      waiting_.pop_front();
      entries_[id].state = "running";
      options = entries_[id].options;
    }
    std::optional<Problem> problem;
    try {
      run(options, id);
    } catch (const Stopped&) {
      return;
    } catch (const Error& e) {
      // Our messages name files below the root by their whole path: the page shows them as they
      // are.
      problem =
          Problem{http_status(e.code()), std::string(name_of(e.code())), e.message(), "", e.hint()};
    } catch (const std::exception&) {
      problem = Problem{500, "internal", "a fault of the server; its log has more"};
    }
    const std::lock_guard lock(mutex_);
    entries_[id].state = problem ? "failed" : "done";
    entries_[id].error = problem;
  }
}

void Evaluations::run(const EvaluateOptions& options, const std::string& id) {
  auto found = evaluate(options, [&](std::string_view part, std::int64_t done, std::int64_t total) {
    if (stopping_) {
      throw Stopped();
    }
    const std::lock_guard lock(mutex_);
    auto& entry = entries_[id];
    entry.part = std::string(part);
    entry.done = done;
    entry.total = total;
  });
  found["provenance"] = {{"command", "medaug serve, evaluation " + id}, {"seed", options.seed}};
  write_file_atomically(output_ / (id + ".json"),
                        found.dump(1, ' ', false, Json::error_handler_t::replace));
  const auto segmenter =
      options.segmenter.empty()
          ? nullptr
          : std::make_unique<const Segmenter>(Segmenter::load(options.segmenter));
  write_report(found, output_ / (id + ".html"), {.segmenter = segmenter.get()});
}

}  // namespace medaug::app
