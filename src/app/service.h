// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/evaluations.h"
#include "app/http/fields.h"
#include "app/http/guard.h"
#include "app/http/server.h"
#include "app/jobs/history.h"
#include "app/jobs/job_queue.h"
#include "app/jobs/model_host.h"
#include "app/routes.h"
#include "app/runs.h"

namespace medaug::app {

struct ServiceOptions {
  ModelSources model;
  HttpOptions http;
  std::string token;                     ///< empty = none is wanted
  std::vector<std::string> allow_hosts;  ///< further names of this server
  std::filesystem::path history;         ///< folder
  HistoryBudget budget;
  QueueOptions queue;
  std::filesystem::path runs;             ///< folder with run folders; empty = no training tab
  std::filesystem::path evaluation_root;  ///< folder with images; empty = no evaluation tab
};

/// `medaug serve`: the page, the job API and the OpenAI surface over one checkpoint. docs/API.md
/// describes the routes, `/openapi.json` in full.
class Service {
 public:
  /// Loads the checkpoint, opens the history, binds, and serves from then on.
  /// @throws Error kUsage for a bind that others can reach without a token; kCheckpoint, kResource
  explicit Service(ServiceOptions options);
  ~Service();

  std::uint16_t port() const { return http_->port(); }
  /// Refuses new jobs, waits for the accepted ones at most `longest`, then ends.
  /// @return whether all were finished; those that were not go on when a server is started again
  bool shut_down(std::chrono::milliseconds longest);
  /// @throws Error: the old model stays
  void reload();

 private:
  std::optional<Response> admit(Request& head);
  std::optional<Problem> check_body(const Request& head, const Route& route) const;
  Response handle(Request& request);
  Response dispatch(Request& request);

  // routes_*.cc
  void add_page_routes();
  void add_job_routes();
  void add_openai_routes();
  void add_status_routes();
  void add_run_routes();
  void add_evaluation_routes();

  Json capabilities() const;
  std::string metrics() const;
  JobRequest job_request(RequestFields& fields) const;
  Response answer_job(const std::string& id, int status = 200) const;
  Job finished_job(const std::string& id) const;
  /// The model's settings under the names of the OpenAI surface. @param edit  needs an image
  JobRequest openai_request(RequestFields& fields, bool edit) const;
  Response openai_images(Request& request, bool edit);
  std::string settings_of_png(const std::string& png) const;

  ServiceOptions options_;
  ModelHost model_;
  History history_;
  Router router_;
  std::unique_ptr<Guard> guard_;
  std::unique_ptr<JobQueue> queue_;
  std::unique_ptr<RunFolders> runs_;
  std::unique_ptr<Evaluations> evaluations_;
  std::unique_ptr<HttpServer> http_;
  std::atomic<std::uint64_t> requests_{0}, client_errors_{0}, server_errors_{0}, unauthorized_{0};
  std::atomic<std::uint64_t> reloads_{0};
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::thread nearest_loader_;
};

}  // namespace medaug::app
