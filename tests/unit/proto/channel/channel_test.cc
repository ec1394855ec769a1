#include "proto/channel/channel.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sub1quant/v1/blobs.grpc.pb.h"
#include "tests/unit/proto/channel/blob_server.h"

namespace sub1quant {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

TEST(CheckServerAddress, TakesWhatTheInterfaceNames) {
  for (const char* good : {"localhost:7070", "10.0.0.1:1", "[::1]:65535", "unix:/tmp/a b%c", "unix:relative"}) {
    EXPECT_TRUE(CheckServerAddress(good).ok()) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("localhost"), std::string(":7070"), std::string("host:"), std::string("host:0"),
        std::string("host:65536"), std::string("host:99999999999"), std::string("host:7o"),
        std::string("http://host:80/x"), std::string("unix:"), "unix:/" + std::string(107, 'x')}) {
    const absl::Status status = CheckServerAddress(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr("accepted: host:port or unix:PATH")) << bad;
  }
}

TEST(Channel, EveryCallHasADeadlineAndTheProtocol) {
  testing::BlobServer server;
  server.Put("bytes");
  const auto stub = v1::BlobService::NewStub(DialServer(server.address()));
  v1::StatBlobRequest request;
  request.set_sha256(std::string(64, '0'));
  EXPECT_TRUE(
      absl::IsNotFound(CallUnary(*stub, &v1::BlobService::Stub::StatBlob, request, milliseconds(10'000)).status()));
  EXPECT_FALSE(server.metadata_missing);
  EXPECT_FALSE(server.deadline_missing);
}

TEST(Channel, AnAbsentServerIsUnavailable) {
  const auto stub = v1::BlobService::NewStub(DialServer("unix:/nonexistent/sub1quant-socket"));
  const absl::Status status =
      CallUnary(*stub, &v1::BlobService::Stub::StatBlob, v1::StatBlobRequest(), milliseconds(20'000)).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

}  // namespace
}  // namespace sub1quant
