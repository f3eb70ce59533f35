// SPDX-License-Identifier: MIT
// Health, metrics, what the server can do, and exchange of the checkpoint.

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "app/service.h"
#include "base/strings.h"
#include "data/class_info.h"
#include "image/overlay.h"
#include "training/options.h"
#include "training/sampling.h"

namespace medaug::app {
namespace {

/// One series in Prometheus' text format.
class Metrics {
 public:
  void add(const char* name, const char* type, const char* help, double value,
           const std::string& labels = "") {
    head(name, type, help);
    sample(name, labels, value);
  }
  void head(const char* name, const char* type, const char* help) {
    if (last_ != name) {
      text_ += "# HELP " + std::string(name) + " " + help + "\n# TYPE " + name + " " + type + "\n";
      last_ = name;
    }
  }
  void sample(const std::string& name, const std::string& labels, double value) {
    text_ +=
        name + (labels.empty() ? "" : "{" + labels + "}") + " " + formatted("%.17g", value) + "\n";
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_, last_;
};

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::string colour_of(const PreprocessOptions& preprocess, std::int64_t k) {
  if (static_cast<std::size_t>(k) < preprocess.mask_colors.size()) {
    return preprocess.mask_colors[static_cast<std::size_t>(k)];
  }
  const auto colour = class_color(k);
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "#%02x%02x%02x", colour[0], colour[1], colour[2]);
  return text.data();
}

Json classes_json(const PreprocessOptions& preprocess) {
  Json classes = Json::array();
  for (std::int64_t k = 0; k < preprocess.mask_classes; ++k) {
    classes.push_back({{"name", class_name(preprocess, k)},
                       {"label", class_label(preprocess, k)},
                       {"color", colour_of(preprocess, k)}});
  }
  return classes;
}

Json preset_json(const char* name, const SamplerOptions& sampler, const GuidanceOptions& guidance) {
  return {{"name", name},
          {"steps", sampler.steps},
          {"solver", std::string(enum_name(sampler.solver))},
          {"guidance", guidance.text},
          {"mask_guidance", guidance.mask}};
}

Json presets_json(const GenerateSettings& defaults) {
  auto fast = defaults.sampler;
  fast.steps = std::max<std::int64_t>(1, defaults.sampler.steps / 2);
  SamplerOptions original;
  original.steps = 50;
  original.solver = Solver::kEuler;
  GuidanceOptions strong = defaults.guidance;
  strong.text = 7.5;
  return Json::array({preset_json("default", defaults.sampler, defaults.guidance),
                      preset_json("fast", fast, defaults.guidance),
                      preset_json("original", original, strong)});
}

/// The name that people gave the checkpoint: its run's, where it stands in one.
std::string name_of(const std::filesystem::path& checkpoint) {
  auto path = std::filesystem::absolute(checkpoint).lexically_normal();
  while (path.filename().empty() || path.filename() == "checkpoints" ||
         path.filename() == "best_model.safetensors" || path.filename() == "model.safetensors" ||
         path.filename() == "best_adapter.safetensors" ||
         path.filename() == "adapter.safetensors" ||
         path.filename().string().rfind("step-", 0) == 0) {
    path = path.parent_path();
  }
  return path.filename().string();
}

}  // namespace

Json Service::capabilities() const {
  const auto model = model_.current();
  const auto& info = model->info();
  const auto& preprocess = info.preprocess;
  const auto defaults = model->defaults();
  const auto side = std::max(preprocess.height(), preprocess.width());
  const auto patch = info.generator.dit.patch_size * info.generator.downscale;
  Json examples = Json::array();
  for (const auto& caption : info.example_captions) {
    examples.push_back(caption);
  }
  return {{"program", "medaug"},
          {"version", options_.model.version},
          {"notice", kResearchNotice},
          {"model",
           {{"name", name_of(options_.model.checkpoint)},
            {"sha256", model->sha256()},
            {"width", preprocess.width()},
            {"height", preprocess.height()},
            {"channels", preprocess.channels},
            {"classes", classes_json(preprocess)},
            {"training", info.training}}},
          {"defaults", preset_json("default", defaults.sampler, defaults.guidance)},
          {"presets", presets_json(defaults)},
          {"limits",
           {{"count", {{"min", 1}, {"max", 64}}},
            {"steps", {{"min", 1}, {"max", 1000}}},
            {"guidance", {{"min", 0}, {"max", 100}}},
            {"size", {{"min", patch}, {"max", 4 * side}, {"multiple", patch}}},
            {"prompt_bytes", 4096},
            {"body_bytes", options_.http.limits.body_bytes},
            {"pixels", 4096 * 4096},
            {"queue", queue_->most_waiting()},
            {"seed_max", static_cast<std::int64_t>(kLargestSeed) - 64}}},
          {"solvers", enum_choices<Solver>()},
          {"examples", examples},
          {"segmenter", model->has_segmenter()},
          {"nearest", model_.nearest() != nullptr},
          {"nearest_problem", model_.nearest_problem()},
          {"runs", runs_ != nullptr},
          {"evaluation", evaluations_ != nullptr},
          {"token_required", !options_.token.empty()},
          {"history",
           {{"max_mb", options_.budget.max_bytes >> 20}, {"max_days", options_.budget.max_days}}}};
}

std::string Service::metrics() const {
  const auto http = http_->counts();
  const auto queue = queue_->counts();
  Metrics m;
  const auto number = [](auto value) { return static_cast<double>(value); };
  m.add("medaug_up_seconds", "gauge", "Seconds since the start.",
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count());
  m.add("medaug_ready", "gauge", "1 when new jobs are taken.", queue_->draining() ? 0 : 1);
  m.add("medaug_http_connections", "gauge", "Open connections.", number(http.connections));
  m.add("medaug_http_streams", "gauge", "Open event streams.", number(http.streams));
  m.add("medaug_http_connections_total", "counter", "Connections accepted.", number(http.accepted));
  m.add("medaug_http_connections_refused_total", "counter", "Connections beyond the limit.",
        number(http.refused));
  m.add("medaug_http_requests_total", "counter", "Requests.", number(requests_.load()));
  m.add("medaug_http_malformed_total", "counter", "Requests that are no HTTP.",
        number(http.malformed));
  m.add("medaug_http_timeouts_total", "counter", "Connections closed because they were too slow.",
        number(http.timeouts));
  m.add("medaug_http_errors_total", "counter", "Requests refused or failed.",
        number(client_errors_.load()), "class=\"4xx\"");
  m.add("medaug_http_errors_total", "counter", "", number(server_errors_.load()), "class=\"5xx\"");
  m.add("medaug_http_unauthorized_total", "counter", "Requests without the right token.",
        number(unauthorized_.load()));
  m.add("medaug_jobs_waiting", "gauge", "Jobs in the queue.", number(queue.waiting));
  m.add("medaug_jobs_running", "gauge", "Jobs whose images are being made.", number(queue.running));
  m.add("medaug_jobs_accepted_total", "counter", "Jobs taken.", number(queue.accepted));
  m.add("medaug_jobs_refused_total", "counter", "Jobs refused: full or draining.",
        number(queue.refused));
  m.add("medaug_jobs_finished_total", "counter", "Jobs finished.", number(queue.done),
        "state=\"done\"");
  m.add("medaug_jobs_finished_total", "counter", "", number(queue.failed), "state=\"failed\"");
  m.add("medaug_jobs_finished_total", "counter", "", number(queue.cancelled),
        "state=\"cancelled\"");
  m.add("medaug_images_total", "counter", "Images made.", number(queue.images));
  m.add("medaug_batches_total", "counter", "Batches made.", number(queue.batches));
  m.add("medaug_solver_steps_total", "counter", "Solver steps of batches.", number(queue.steps));
  m.add("medaug_worker_busy_seconds_total", "counter", "Seconds that the worker was busy.",
        queue.busy_seconds);
  const char* const latency = "medaug_job_seconds";
  m.head(latency, "histogram", "Seconds from a job's arrival to its end.");
  for (const auto& [limit, count] : queue.latency) {
    m.sample("medaug_job_seconds_bucket", "le=\"" + formatted("%g", limit) + "\"", number(count));
  }
  m.sample("medaug_job_seconds_bucket", "le=\"+Inf\"", number(queue.done));
  m.sample("medaug_job_seconds_sum", "", queue.latency_sum);
  m.sample("medaug_job_seconds_count", "", number(queue.done));
  m.add("medaug_history_bytes", "gauge", "Bytes of the history's pictures.",
        number(history_.bytes()));
  m.add("medaug_model_reloads_total", "counter", "Times that the checkpoint was exchanged.",
        number(reloads_.load()));
  m.add("process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
  m.add("medaug_info", "gauge", "Version and checkpoint.", 1,
        "version=\"" + options_.model.version + "\",checkpoint=\"" +
            model_.current()->sha256().substr(0, 16) + "\"");
  return m.text();
}

void Service::add_status_routes() {
  using Parts = std::vector<std::string>;
  router_.add({"GET", "/livez", BodyKind::kNone, false,
               [](Request&, const Parts&) { return text_response("ok"); }});
  router_.add({"GET", "/readyz", BodyKind::kNone, false, [this](Request&, const Parts&) {
                 const bool ready = !queue_->draining();
                 return json_response({{"status", ready ? "ready" : "draining"},
                                       {"reason", ready ? Json(nullptr) : Json("stopping")}},
                                      ready ? 200 : 503);
               }});
  router_.add({"GET", "/metrics", BodyKind::kNone, true, [this](Request&, const Parts&) {
                 return Response{200, {{"Content-Type", "text/plain; version=0.0.4"}}, metrics()};
               }});
  router_.add({"GET", "/v1/capabilities", BodyKind::kNone, true,
               [this](Request&, const Parts&) { return json_response(capabilities()); }});
  router_.add({"POST", "/v1/model/reload", BodyKind::kJson, true, [this](Request&, const Parts&) {
                 try {
                   reload();
                 } catch (const Error& e) {
                   throw HttpError({409, "checkpoint", "the old checkpoint stays: " + e.message(),
                                    "", e.hint()});
                 }
                 return json_response({{"sha256", model_.current()->sha256()}});
               }});
}

}  // namespace medaug::app
