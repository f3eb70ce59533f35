// SPDX-License-Identifier: MIT
// The page's own files: embedded, compressed once, without a secret in them.

#include <memory>

#include "app/service.h"
#include "app/web_assets.h"
#include "base/files.h"
#include "base/sha256.h"

namespace medaug::app {
namespace {

constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; object-src 'none'";

struct PageFile {
  WebAsset asset;
  std::string compressed;
  std::string tag;
};

Response serve(const Request& request, const PageFile& file) {
  Response response;
  response.headers = {{"Content-Type", std::string(file.asset.type)},
                      {"Cache-Control", "no-cache"},
                      {"ETag", file.tag},
                      {"Vary", "Accept-Encoding"}};
  if (file.asset.name == "index.html") {
    response.headers.insert(
        response.headers.end(),
        {{"Content-Security-Policy", kPolicy},
         {"Referrer-Policy", "no-referrer"},
         {"Permissions-Policy", "camera=(), microphone=(), geolocation=(), usb=()"},
         {"Cross-Origin-Opener-Policy", "same-origin"}});
  }
  if (request.header("if-none-match") == file.tag) {
    response.status = 304;
    return response;
  }
  if (request.header("accept-encoding").find("gzip") != std::string::npos) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = file.compressed;
  } else {
    response.body = file.asset.bytes;
  }
  return response;
}

}  // namespace

void Service::add_page_routes() {
  for (const auto& asset : web_assets()) {
    const auto file = std::make_shared<const PageFile>(PageFile{
        asset, gzip(asset.bytes), "\"" + medaug::sha256(asset.bytes).substr(0, 16) + "\""});
    const auto path = asset.name == "index.html"     ? "/"
                      : asset.name == "openapi.json" ? "/openapi.json"
                                                     : "/app/" + std::string(asset.name);
    router_.add({"GET", path, BodyKind::kNone, false,
                 [file](Request& request, const std::vector<std::string>&) {
                   return serve(request, *file);
                 }});
  }
}

}  // namespace medaug::app
