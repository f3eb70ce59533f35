// SPDX-License-Identifier: MIT
#include "app/routes.h"

#include <gtest/gtest.h>

#include <set>

#include "app/web_assets.h"

namespace medaug::app {
namespace {

Router router() {
  Router made;
  const auto add = [&](const char* method, const char* pattern) {
    made.add({method, pattern, BodyKind::kNone, true, {}});
  };
  add("GET", "/");
  add("GET", "/v1/jobs/{id}");
  add("DELETE", "/v1/jobs/{id}");
  add("GET", "/v1/jobs/{id}/images/{n}.png");
  return made;
}

TEST(Router, FindsByMethodAndPath) {
  const auto made = router();
  EXPECT_NE(made.find("GET", "/").route, nullptr);
  EXPECT_NE(made.find("HEAD", "/").route, nullptr);
  const auto image = made.find("GET", "/v1/jobs/abc/images/12.png");
  ASSERT_NE(image.route, nullptr);
  EXPECT_EQ(image.parts, (std::vector<std::string>{"abc", "12"}));
  EXPECT_EQ(made.find("DELETE", "/v1/jobs/abc").route->method, "DELETE");
}

TEST(Router, NamesTheMethodsOfAPath) {
  const auto match = router().find("PUT", "/v1/jobs/abc");
  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.allowed, "GET, DELETE");
}

TEST(Router, KnowsNoOtherPaths) {
  for (const char* path : {"", "//", "/v1/jobs", "/v1/jobs/a/images/.png",
                           "/v1/jobs/a/images/1.jpg", "/v1/jobs/a/b/images/1.png"}) {
    const auto match = router().find("GET", path);
    EXPECT_EQ(match.route, nullptr) << path;
    EXPECT_EQ(match.allowed, "") << path;
  }
}

TEST(WebAssets, HoldThePageWithinItsBudget) {
  std::set<std::string_view> names;
  std::size_t compressed = 0;
  for (const auto& asset : web_assets()) {
    names.insert(asset.name);
    compressed += gzip(asset.bytes).size();
  }
  EXPECT_EQ(names.count("index.html"), 1U);
  EXPECT_EQ(names.count("chart.min.js"), 1U);
  EXPECT_EQ(names.count("openapi.json"), 1U);
  EXPECT_LE(compressed, 300U << 10);
}

}  // namespace
}  // namespace medaug::app
