// SPDX-License-Identifier: MIT
#include "app/http/guard.h"

#include <gtest/gtest.h>

namespace medaug::app {
namespace {

Request request(std::map<std::string, std::string> headers, std::string path = "/v1/jobs") {
  Request r;
  r.method = "GET";
  r.path = std::move(path);
  r.headers = std::move(headers);
  r.peer = "127.0.0.1";
  return r;
}

int status(Guard& guard, const Request& asked, bool needs_token = true) {
  const auto problem = guard.check(asked, needs_token);
  return problem ? problem->status : 200;
}

TEST(AllowedHosts, OfLoopbackAreItsNamesWithThePort) {
  const auto hosts = allowed_hosts("127.0.0.1", 7860, {"Example.org"});
  for (const char* host : {"127.0.0.1:7860", "localhost:7860", "[::1]:7860", "example.org:7860"}) {
    EXPECT_NE(std::find(hosts.begin(), hosts.end(), host), hosts.end()) << host;
  }
}

TEST(AllowedHosts, OfAnyAddressAreNotEverything) {
  for (const auto& host : allowed_hosts("0.0.0.0", 80, {})) {
    EXPECT_EQ(host.find("0.0.0.0"), std::string::npos);
  }
}

TEST(Guard, LetsOwnNamesInAndOthersNot) {
  Guard guard({{"localhost:1", "127.0.0.1:1"}, ""});
  EXPECT_EQ(status(guard, request({{"host", "LocalHost:1"}})), 200);
  EXPECT_EQ(status(guard, request({{"host", "evil.example:1"}})), 421);
  EXPECT_EQ(status(guard, request({{"host", "localhost:2"}})), 421);
  EXPECT_EQ(status(guard, request({})), 421);
}

TEST(Guard, RefusesOtherOriginsAndCrossSiteRequests) {
  Guard guard({{"localhost:1"}, ""});
  const auto with = [&](const char* name, const char* value) {
    return status(guard, request({{"host", "localhost:1"}, {name, value}}));
  };
  EXPECT_EQ(with("origin", "http://localhost:1"), 200);
  EXPECT_EQ(with("origin", "null"), 403);
  EXPECT_EQ(with("origin", "file://localhost:1"), 403);
  EXPECT_EQ(with("origin", "http://localhost:1.evil.example"), 403);
  EXPECT_EQ(with("origin", "http://evil.example/localhost:1"), 403);
  EXPECT_EQ(with("sec-fetch-site", "cross-site"), 403);
  EXPECT_EQ(with("sec-fetch-site", "same-site"), 403);
  EXPECT_EQ(with("sec-fetch-site", "same-origin"), 200);
}

TEST(Guard, CountsWrongTokensByAddressAndNotMissingOnes) {
  Guard guard({{"h:1"}, "a-secret-of-some-length", 3});
  auto asked = request({{"host", "h:1"}});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(status(guard, asked), 401);
  }
  asked.headers["authorization"] = "Bearer wrong";
  for (const int wanted : {401, 401, 401, 429, 429}) {
    EXPECT_EQ(status(guard, asked), wanted);
  }
  asked.headers["authorization"] = "Bearer a-secret-of-some-length";
  EXPECT_EQ(status(guard, asked), 429);  // guessing must not find out
  asked.peer = "10.0.0.1";
  EXPECT_EQ(status(guard, asked), 200);
  asked.headers["authorization"] = "bearer a-secret-of-some-length";
  EXPECT_EQ(status(guard, asked), 200);
  EXPECT_EQ(status(guard, request({{"host", "h:1"}}), false), 200);
}

TEST(EqualInConstantTime, IsEquality) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abcabc"));
  EXPECT_FALSE(equal_in_constant_time("", "a"));
  EXPECT_FALSE(equal_in_constant_time("a", ""));
}

TEST(NewToken, HasTheBitsOfThirtyTwoBytes) {
  const auto token = new_token();
  EXPECT_EQ(token.size(), 64U);
  EXPECT_NE(token, new_token());
}

}  // namespace
}  // namespace medaug::app
