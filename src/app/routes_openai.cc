// SPDX-License-Identifier: MIT
// The surface of OpenAI's image API, so that its clients work unchanged. What those clients cannot
// say has fields of its own: seed, steps, solver, guidance_scale, mask_guidance_scale,
// negative_prompt, label_mask.

#include <algorithm>
#include <limits>

#include "app/sampling_fields.h"
#include "app/service.h"
#include "base/ascii.h"
#include "base/strings.h"

namespace medaug::app {
namespace {

constexpr std::int64_t kMostImages = 10;
constexpr std::int64_t kMostPartialImages = 3;

struct Size {
  std::int64_t width = 0, height = 0;
};

/// "64x48", width first; "auto" and "" = as trained.
std::optional<Size> parse_size(const std::string& text) {
  if (text.empty() || text == "auto") {
    return std::nullopt;
  }
  const auto cross = text.find('x');
  if (cross != std::string::npos) {
    const Size size{number_in<std::int64_t>(text.substr(0, cross)).value_or(0),
                    number_in<std::int64_t>(text.substr(cross + 1)).value_or(0)};
    if (size.width > 0 && size.height > 0 && size.width <= 8192 && size.height <= 8192) {
      return size;
    }
  }
  refuse_field("size", "'" + printable(text, 40) + "' is no size",
               "for example \"64x64\", or \"auto\"");
}

/// Of a mask as OpenAI's clients send it, the transparent part; of a picture without alpha, what is
/// not black.
std::string region_from_alpha(const std::string& png) {
  const auto opaque = decode_opacity(png, "mask");
  const auto region = opaque.defined() ? opaque.logical_not().unsqueeze(0)
                                       : decode_mask_levels(png, "mask").ne(0).any(0, true);
  return encode_png(Image{region.to(at::kByte) * 255, 8});
}

Json usage_json() {
  return {{"total_tokens", 0},
          {"input_tokens", 0},
          {"output_tokens", 0},
          {"input_tokens_details", {{"text_tokens", 0}, {"image_tokens", 0}}}};
}

std::string event(const std::string& type, Json data) {
  Json whole = {{"type", type}};
  whole.update(data);
  return "event: " + type +
         "\ndata: " + whole.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
}

/// What all answers of one request share.
struct Answer {
  std::string id;  ///< of the job
  bool as_url = false;
  std::string base;  ///< "http://127.0.0.1:7860"
  std::int64_t partial_images = 0;
  std::string prefix;  ///< of event types
  std::string request_id;
};

Json common_json(const Job& job) {
  return {{"created_at", static_cast<std::int64_t>(job.created)},
          {"size", std::to_string(job.request.width) + "x" + std::to_string(job.request.height)},
          {"quality", "auto"},
          {"background", "opaque"},
          {"output_format", "png"}};
}

/// Whoever waits for a job of this surface has no id to come back with: a client that hangs up
/// cancels it.
class JobHolder {
 public:
  JobHolder(JobQueue& queue, std::string id) : queue_(queue), id_(std::move(id)) {}
  ~JobHolder() { queue_.cancel(id_); }  // one that is finished stays what it is
  JobHolder(const JobHolder&) = delete;
  JobHolder& operator=(const JobHolder&) = delete;

 private:
  JobQueue& queue_;
  std::string id_;
};

Problem problem_of(const Job& job) {
  if (job.error) {
    return *job.error;
  }
  return {499, "cancelled", "the job was cancelled", "", ""};
}

/// One JSON answer when the job is done.
class WaitingAnswer : public PendingResponse {
 public:
  WaitingAnswer(JobQueue& queue, History& history, Answer answer)
      : queue_(queue), history_(history), answer_(std::move(answer)), holder_(queue, answer_.id) {}

  void wake_with(std::function<void()> wake) override {
    watching_ = queue_.watch(answer_.id, false, std::move(wake));
  }

  std::optional<Response> take() override {
    const auto view = queue_.view(answer_.id);
    if (view && !is_final(view->job.state)) {
      return std::nullopt;
    }
    if (!view || view->job.state != JobState::kDone) {
      return problem_response(
          view ? problem_of(view->job) : Problem{410, "cancelled", "the job was deleted"},
          answer_.request_id);
    }
    return json_response(images_json(view->job));
  }

 private:
  Json images_json(const Job& job) const {
    Json data = Json::array();
    for (std::size_t i = 0; i < job.images.size(); ++i) {
      const auto number = std::to_string(i);
      Json one = {{"revised_prompt", job.request.prompt}, {"seed", job.images[i].seed}};
      if (answer_.as_url) {
        one["url"] = answer_.base + "/v1/jobs/" + job.id + "/images/" + number + ".png";
      } else {
        one["b64_json"] = base64(history_.read_file(job.id, number + ".png").value_or(""));
      }
      one["agreement"] = job.images[i].agreement;
      one["nearest"] = job.images[i].nearest;
      data.push_back(std::move(one));
    }
    Json json = {{"created", static_cast<std::int64_t>(job.created)},
                 {"data", std::move(data)},
                 {"usage", usage_json()},
                 {"job", job.id},
                 {"model_sha256", job.model_sha256}};
    json.update(common_json(job));
    json.erase("created_at");
    return json;
  }

  JobQueue& queue_;
  History& history_;
  Answer answer_;
  JobHolder holder_;
  std::shared_ptr<void> watching_;
};

/// Partial images, then the finished ones, as events.
class StreamedAnswer : public EventStream {
 public:
  StreamedAnswer(JobQueue& queue, History& history, Answer answer)
      : queue_(queue), history_(history), answer_(std::move(answer)), holder_(queue, answer_.id) {}

  void wake_with(std::function<void()> wake) override {
    watching_ = queue_.watch(answer_.id, answer_.partial_images > 0, std::move(wake));
  }

  std::string take(bool& ended) override {
    std::string out;
    const auto previews = queue_.previews(answer_.id, preview_version_);
    const auto view = queue_.view(answer_.id);
    if (!view) {
      ended = true;
      return out;
    }
    const auto& job = view->job;
    for (const auto& preview : previews) {
      preview_version_ = std::max(preview_version_, preview.version);
      if (partial_is_due(preview)) {
        out +=
            picture("partial_image", preview.png, job, {{"partial_image_index", sent_partial_++}});
      }
    }
    for (; sent_ < job.images.size(); ++sent_) {
      const auto png = history_.read_file(job.id, std::to_string(sent_) + ".png").value_or("");
      out += picture("completed", png, job,
                     {{"usage", usage_json()}, {"seed", job.images[sent_].seed}});
    }
    ended = is_final(job.state);
    if (ended && job.state != JobState::kDone) {
      out += event("error", problem_json(problem_of(job), answer_.request_id));
    }
    return out;
  }

 private:
  bool partial_is_due(const Preview& preview) const {
    return preview.index == 0 && sent_partial_ < answer_.partial_images &&
           preview.step * (answer_.partial_images + 1) >= preview.steps * (sent_partial_ + 1);
  }

  std::string picture(const char* what, const std::string& png, const Job& job,
                      const Json& more) const {
    Json data = {{"b64_json", base64(png)}};
    data.update(common_json(job));
    data.update(more);
    return event(answer_.prefix + "." + what, std::move(data));
  }

  JobQueue& queue_;
  History& history_;
  Answer answer_;
  JobHolder holder_;
  std::size_t sent_ = 0;
  std::int64_t sent_partial_ = 0;
  std::uint64_t preview_version_ = 0;
  std::shared_ptr<void> watching_;
};

}  // namespace

JobRequest Service::openai_request(RequestFields& fields, bool edit) const {
  const auto model = model_.current();
  const auto& preprocess = model->info().preprocess;
  auto request =
      sampling_request(fields, *model, {"n", "guidance_scale", "mask_guidance_scale", kMostImages});
  const auto size = parse_size(fields.text("size", "auto"));
  request.width = size ? size->width : preprocess.width();
  request.height = size ? size->height : preprocess.height();
  if (std::max(request.width, request.height) >
      4 * std::max(preprocess.width(), preprocess.height())) {
    refuse_field("size", "is more than four times the size that the model was trained on");
  }
  request.mask_png = fields.bytes("label_mask");
  if (edit) {
    request.init_image = fields.bytes(fields.has("image[]") ? "image[]" : "image");
    const auto mask = fields.bytes("mask");
    if (request.init_image.empty()) {
      refuse_field("image", "is missing");
    }
    if (mask.empty()) {
      refuse_field("mask", "is missing", "a PNG whose transparent pixels are to be painted anew");
    }
    try {
      request.region_png = region_from_alpha(mask);
    } catch (const Error& e) {
      refuse_field("mask", e.message(), e.hint());
    }
  }
  return request;
}

Response Service::openai_images(Request& request, bool edit) {
  const auto is_form = request.header("content-type").rfind("multipart/", 0) == 0;
  auto fields =
      is_form ? RequestFields::from_form(parse_form(request.header("content-type"), request.body))
              : RequestFields::from_json(request.body);
  auto wanted = openai_request(fields, edit);
  Answer answer;
  answer.as_url = fields.choice("response_format", {"b64_json", "url"}, "b64_json") == "url";
  fields.choice("output_format", {"png"}, "png");
  const bool stream = fields.flag("stream", false);
  answer.partial_images = fields.integer("partial_images", 0, kMostPartialImages).value_or(0);
  fields.text("model", "");
  fields.ignore({"quality", "style", "user", "background", "moderation", "output_compression",
                 "input_fidelity"});
  fields.finish();
  answer.prefix = edit ? "image_edit" : "image_generation";
  answer.request_id = request.id;
  answer.base = "http://" + request.header("host");
  answer.id = queue_->submit(std::move(wanted));
  Response response;
  if (stream) {
    response.stream = std::make_shared<StreamedAnswer>(*queue_, history_, std::move(answer));
  } else {
    response.pending = std::make_shared<WaitingAnswer>(*queue_, history_, std::move(answer));
  }
  return response;
}

void Service::add_openai_routes() {
  using Parts = std::vector<std::string>;
  router_.add({"POST", "/v1/images/generations", BodyKind::kJson, true,
               [this](Request& request, const Parts&) { return openai_images(request, false); }});
  router_.add({"POST", "/v1/images/edits", BodyKind::kForm, true,
               [this](Request& request, const Parts&) { return openai_images(request, true); }});
  router_.add({"GET", "/v1/models", BodyKind::kNone, true, [this](Request&, const Parts&) {
                 const auto model = model_.current();
                 const Json one = {{"id", "medaug"},
                                   {"object", "model"},
                                   {"created", 0},
                                   {"owned_by", "medaug"},
                                   {"sha256", model->sha256()}};
                 return json_response({{"object", "list"}, {"data", Json::array({one})}});
               }});
}

}  // namespace medaug::app
